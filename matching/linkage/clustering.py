"""Clustering of one connected component: which of its records are one child. A pure function of the component.

Must-links come first. Then the two clusters with the highest mean weight over all pairs between them are joined, as
long as that mean reaches the threshold and no cannot-link stands between them (average linkage: Sokal and Michener
1958). Every step starts again from the records themselves, so the best claimant to a place always gets it, however
late it arrived: what incremental systems have to do by displacing an earlier member.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.linkage.components import Labels, connected_components
from matching.linkage.hashing import Indices
from matching.linkage.scoring import Weights

BoolMatrix = npt.NDArray[np.bool_]

_FEW: Final = 12
"""So few groups are joined on lists: up to there the many small steps of numpy take longer."""


def cluster_component(weights: Weights, cannot_link: BoolMatrix, must_link: Indices, threshold: int) -> Labels:
    """Return a cluster label for each member of a component: the position of the cluster's first member.

    `weights` and `cannot_link` are symmetric matrices over the members, which stand in order of record key: that
    order settles ties, the cluster with the first key going first. `must_link` has shape (pairs, 2).
    """
    labels = must_linked(len(weights), must_link)
    first_members, group_of = labels.copy(), labels
    if len(must_link):
        first_members, group_of = np.unique(labels, return_inverse=True)
    sums, sizes, barred = between_groups(weights, cannot_link, group_of)
    groups: dict[int, list[int]] = {}
    for member, group in enumerate(group_of.tolist()):
        groups.setdefault(group, []).append(member)
    joins = agglomerate_few if len(sums) <= _FEW else agglomerate
    for kept, joined in joins(sums, sizes, barred, threshold):
        groups[kept] += groups.pop(joined)
    for group, members in groups.items():
        labels[members] = first_members[group]
    return labels


def must_linked(n: int, must_link: Indices) -> Labels:
    """Return labels of the groups that must-links alone make: each its first member."""
    if not len(must_link):
        return np.arange(n, dtype=np.int64)
    components = connected_components(n, must_link[:, 0], must_link[:, 1])
    _, firsts = np.unique(components, return_index=True)
    return firsts[components].astype(np.int64, copy=False)


def between_groups(
    weights: Weights, cannot_link: BoolMatrix, group_of: Indices
) -> tuple[Weights, npt.NDArray[np.int64], BoolMatrix]:
    """Return the sum of weights between each two groups, the groups' sizes, and where a cannot-link stands."""
    sizes = np.bincount(group_of)
    if len(sizes) == len(weights):
        return weights.copy(), sizes, cannot_link.copy()
    membership = (group_of[None, :] == np.arange(len(sizes))[:, None]).astype(np.int64)
    sums = membership @ weights @ membership.T
    barred = membership @ cannot_link.astype(np.int64) @ membership.T > 0
    return sums, sizes, barred


def agglomerate(
    sums: Weights, sizes: npt.NDArray[np.int64], barred: BoolMatrix, threshold: int
) -> Iterable[tuple[int, int]]:
    """Yield (kept, joined) until no two groups may be joined. Works in place on its arguments."""
    np.fill_diagonal(barred, val=True)
    # Sums are whole numbers, so equal means are equal floating point numbers and argmax finds the first of a tie.
    means = np.where(barred | np.tri(len(sums), dtype=bool), -np.inf, sums / np.outer(sizes, sizes))
    partner = means.argmax(axis=1)  # of each group the first of its best among the groups after it
    best = means[np.arange(len(means)), partner]
    for _ in range(len(means) - 1):
        kept = int(best.argmax())
        joined = int(partner[kept])
        if not best[kept] >= threshold:
            return
        yield kept, joined
        sums[kept] += sums[joined]
        sums[:, kept] = sums[kept]
        sizes[kept] += sizes[joined]
        barred[kept] |= barred[joined]
        barred[:, kept] = barred[kept]
        barred[joined] = barred[:, joined] = True
        means[joined] = means[:, joined] = -np.inf
        row = np.where(barred[kept], -np.inf, sums[kept] / (sizes[kept] * sizes))
        means[:kept, kept], means[kept, kept + 1 :] = row[:kept], row[kept + 1 :]
        _look_again(means, best, partner, kept, joined)


def agglomerate_few(
    sums: Weights, sizes: npt.NDArray[np.int64], barred: BoolMatrix, threshold: int
) -> Iterable[tuple[int, int]]:
    """Yield the same as `agglomerate`; the arguments stay as they are."""
    weights, apart, size = sums.tolist(), barred.tolist(), sizes.tolist()
    groups = list(range(len(size)))
    while True:
        best, kept, joined = -math.inf, 0, 0
        for place, one in enumerate(groups):
            for other in groups[place + 1 :]:
                if not apart[one][other] and (mean := weights[one][other] / (size[one] * size[other])) > best:
                    best, kept, joined = mean, one, other
        if not best >= threshold:
            return
        yield kept, joined
        groups.remove(joined)
        size[kept] += size[joined]
        for other in groups:
            weights[kept][other] = weights[other][kept] = weights[kept][other] + weights[joined][other]
            apart[kept][other] = apart[other][kept] = apart[kept][other] or apart[joined][other]


def _look_again(
    means: npt.NDArray[np.float64], best: npt.NDArray[np.float64], partner: Indices, kept: int, joined: int
) -> None:
    """Bring each group's best up to date after a join, looking only at rows that lost theirs."""
    closer = means[:kept, kept]
    lost = ((partner == kept) | (partner == joined)) & (best > -np.inf)
    gained = (closer > best[:kept]) | ((closer == best[:kept]) & (kept <= partner[:kept]))
    best[:kept][gained], partner[:kept][gained] = closer[gained], kept
    lost[:kept] &= ~gained
    lost[[kept, joined]] = True
    at = np.flatnonzero(lost)
    partner[at] = means[at].argmax(axis=1)
    best[at] = means[at, partner[at]]
