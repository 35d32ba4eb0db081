"""How the records of a child came together, step by step: the tree that mean-weight agglomeration makes.

The tree of one cluster's records alone is that of its whole component cut to them: as long as a cluster takes nobody
else in, what happens outside does not change which of its own parts is closest to which. Only that they are in one
component may be due to others (`evidence.connected_as`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from matching.linkage.clustering import agglomerate, between_groups, must_linked
from matching.linkage.evidence import Evidence, matrices

Members = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Join:
    """One step: two groups of records (numbers, sorted) became one.

    `mean` is the mean weight (centibits) over all pairs between them. `cause`: their weight, or a must-link, which
    `decision` names and which is obeyed whatever the mean.
    """

    left: Members
    right: Members
    mean: float
    cause: Literal["weight", "must_link"]
    decision: str | None = None


@dataclass(frozen=True, slots=True)
class Apart:
    """Two groups that were not joined at the end, their mean weight, and what stands between them ("" for nothing)."""

    left: Members
    right: Members
    mean: float
    barrier: str


@dataclass(frozen=True, slots=True)
class MergeTree:
    """The steps in the order in which they happen, the groups at the end, and what kept those apart."""

    joins: tuple[Join, ...]
    groups: tuple[Members, ...]
    apart: tuple[Apart, ...]


def merge_tree(evidence: Evidence) -> MergeTree:
    """Return the steps by which clustering joins these records, and where it stops."""
    weights, barred, must = matrices(evidence)
    labels = must_linked(len(weights), must)
    joins, held = _by_must_links(evidence, weights)
    _, group_of = np.unique(labels, return_inverse=True)
    groups: dict[int, Members] = {}
    for members in held:
        groups[int(group_of[members[0]])] = members
    sums, sizes, between = between_groups(weights, barred, group_of)
    for kept, joined in agglomerate(sums, sizes, between, evidence.model.mean_threshold):
        mean = float(sums[kept, joined] / (sizes[kept] * sizes[joined]))
        other = groups.pop(joined)
        joins.append(Join(groups[kept], other, mean, "weight"))
        groups[kept] = tuple(sorted(groups[kept] + other))
    final = tuple(sorted(groups.values()))
    return MergeTree(tuple(joins), final, _apart(evidence, final, weights))


def _by_must_links(
    evidence: Evidence, weights: np.ndarray[tuple[int, int], np.dtype[np.int64]]
) -> tuple[list[Join], list[Members]]:
    """Return the joins that must-links make, in order of their pairs, and the groups that they leave."""
    group: dict[int, Members] = {i: (i,) for i in range(len(evidence.keys))}
    joins = []
    for each in evidence.must:
        left, right = group[each.left], group[each.right]
        if left == right:
            continue
        mean = float(weights[np.ix_(left, right)].mean())
        joins.append(Join(left, right, mean, "must_link", each.decision))
        together = tuple(sorted(left + right))
        group.update(dict.fromkeys(together, together))
    return joins, sorted(set(group.values()))


def _apart(
    evidence: Evidence, groups: tuple[Members, ...], weights: np.ndarray[tuple[int, int], np.dtype[np.int64]]
) -> tuple[Apart, ...]:
    """Return each two groups, the closest first."""
    found = [
        Apart(one, other, float(weights[np.ix_(one, other)].mean()), _barrier(evidence, one, other))
        for i, one in enumerate(groups)
        for other in groups[i + 1 :]
    ]
    return tuple(sorted(found, key=lambda each: (-each.mean, each.left, each.right)))


def _barrier(evidence: Evidence, one: Members, other: Members) -> str:
    for each in evidence.cannot:
        if {each.left, each.right} <= {*one, *other} and (each.left in one) != (each.right in one):
            return each.decision
    return ""
