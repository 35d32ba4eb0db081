"""Conflicts as a pure function: which questions two clusters, or a decision, raise for a person.

All clusters of different children that have something in common are looked at in pairs, and a pair of clusters raises
one question at most: the most urgent one. Whoever keeps the state (one owner, or many workers over a database) asks
again about the clusters that it touched; everything else stays as it is, because a question depends on nothing but its
two clusters, the pairs between them and the decisions about their records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from matching.linkage.hashing import Indices
from matching.linkage.marks import Bools
from matching.linkage.model import CENTIBITS, LinkageModel
from matching.linkage.scoring import Weights
from schemas.conflicts import ConflictKind

MARGIN: Final = 5 * CENTIBITS
"""So much further than a threshold must evidence go to contradict a person: five bits, odds of 32 to 1."""
MOST_EVIDENCE: Final = 5
NOBODY: Final = -1


@dataclass(frozen=True, slots=True)
class Crossing:
    """Compared pairs of records in different clusters, each pair once.

    `weights` are less the penalty of a softly unique source; `barred` are those that a unique source or the twins rule
    keeps apart, `shared` those with one verified number on both sides.
    """

    left: Indices
    right: Indices
    left_cluster: Indices
    right_cluster: Indices
    weights: Weights
    barred: Bools
    shared: Bools


class Question(NamedTuple):
    """One conflict, in record and cluster numbers: `left` and `right` are the records that it is about.

    `evidence` are pairs between the two clusters, the strongest first; `held` is the cluster that may be a shielded
    child, NOBODY if there is none.
    """

    kind: ConflictKind
    left: int
    right: int
    left_cluster: int
    right_cluster: int
    evidence: tuple[tuple[int, int], ...]
    held: int = NOBODY
    decisions: tuple[str, ...] = ()


class _Pair(NamedTuple):
    """One pair, so ordered that the strongest pair is the least; ties go to the first record keys."""

    weight: int
    keys: tuple[str, str]
    records: tuple[int, int]
    clusters: tuple[int, int]
    barred: bool
    shared: bool


def worth_asking(crossing: Crossing, shielded: Bools, model: LinkageModel) -> Bools:
    """Tell which pairs can raise a question at all. `shielded` is by cluster number."""
    doubt = shielded[crossing.left_cluster] != shielded[crossing.right_cluster]
    wanted: Bools = (crossing.weights >= model.lowest_possible_link) | crossing.shared | doubt
    return wanted


def cut_apart(left: Indices, right: Indices, oversize: Iterable[Indices]) -> Bools:
    """Tell which pairs of records were in one oversize component: the question about that stands for all of them.

    One generic value among n records would otherwise be n (n - 1) / 2 questions.
    """
    apart = np.zeros(len(left), dtype=bool)
    for records in oversize:
        apart |= np.isin(left, records) & np.isin(right, records)
    return apart


def questions(
    crossing: Crossing,
    shielded: Bools,
    answered: Collection[tuple[int, int]],
    model: LinkageModel,
    key_of: Callable[[int], str],
) -> list[Question]:
    """Return the questions that pairs of clusters raise, but for pairs in `answered`: (lower, higher) cluster number.

    Give every pair between two clusters that `worth_asking` wants, or none of them.
    """
    groups: dict[tuple[int, int], list[_Pair]] = {}
    for pair in _pairs(crossing, key_of):
        one, other = pair.clusters
        clusters = (one, other) if one < other else (other, one)
        if clusters not in answered:
            groups.setdefault(clusters, []).append(pair)
    found = []
    for pairs in groups.values():
        if len(pairs) > 1:
            pairs.sort()
        kind, held = _kind(pairs, shielded, model)
        if kind is not None:
            best = pairs[0]
            evidence = tuple(dict.fromkeys(pair.records for pair in pairs))[:MOST_EVIDENCE]
            found.append(Question(kind, *best.records, *best.clusters, evidence, held))
    return found


def _pairs(crossing: Crossing, key_of: Callable[[int], str]) -> Iterable[_Pair]:
    columns = (getattr(crossing, name).tolist() for name in Crossing.__slots__)
    for left, right, of_left, of_right, weight, barred, shared in zip(*columns, strict=True):
        first, second = key_of(left), key_of(right)
        if first < second:
            yield _Pair(-weight, (first, second), (left, right), (of_left, of_right), barred, shared)
        else:
            yield _Pair(-weight, (second, first), (right, left), (of_right, of_left), barred, shared)


def _kind(pairs: list[_Pair], shielded: Bools, model: LinkageModel) -> tuple[ConflictKind | None, int]:
    """Return the most urgent question of two clusters' pairs (strongest first), and the cluster that it holds."""
    left, right = pairs[0].clusters
    if shielded[left] != shielded[right]:
        return "shield_in_doubt", right if shielded[left] else left
    if any(pair.shared for pair in pairs):
        return "shared_identifier", NOBODY
    strongest, barred = -pairs[0].weight, any(pair.barred for pair in pairs)
    if strongest >= model.link_threshold:
        return "constraint_broken" if barred else "bridge", NOBODY
    if strongest >= model.lowest_possible_link and not barred:
        return "possible_link", NOBODY
    return None, NOBODY


def contradicts(weight: int, *, must: bool, seen: tuple[int, ...], model: LinkageModel) -> bool:
    """Tell whether a pair's weight now speaks strongly against a decision, and more so than what the person saw."""
    if must:
        return weight < model.review_floor - MARGIN and all(weight < each - MARGIN for each in seen)
    return weight >= model.link_threshold + MARGIN and all(weight >= each + MARGIN for each in seen)


def authority_of(named: Iterable[str]) -> str:
    """Return the responsible authority of records that name these: the most frequent one, of several the first."""
    counts = Counter(filter(None, named))
    return min(counts, key=lambda name: (-counts[name], name), default="")
