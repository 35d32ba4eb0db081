"""All that speaks for and against a few records being one child: every pair compared, and what stands between them.

Clustering works on millions of records and keeps no reasons. This is the same evidence for the few records of one
explanation, in a form from which single pieces can be taken away to see what follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.linkage.candidates import candidate_pairs
from matching.linkage.clustering import cluster_component
from matching.linkage.columns import RecordColumns, columns_of
from matching.linkage.comparisons import compare
from matching.linkage.components import Labels, connected_components
from matching.linkage.constraints import SourceRules
from matching.linkage.hashing import Indices
from matching.linkage.model import LinkageModel
from matching.linkage.scoring import Weights, total_weights
from matching.linkage.similarity import Levels
from matching.linkage.twins import Twins

Bools = npt.NDArray[np.bool_]

SOURCE_RULE: Final = "source"
"""The `decision` of a barrier that no person raised: the source holds each person once."""

TWINS_RULE: Final = "twins"
"""Likewise: they are children born together, or have verified NHS numbers of their own (`twins.Twins`)."""

RULE_WORDS: Final[Mapping[str, str]] = {
    SOURCE_RULE: "the source holds each person once",
    TWINS_RULE: "the twins rule: born together, or birth orders or verified numbers of their own",
}
RULES: Final = frozenset(RULE_WORDS)

Compared = tuple[str, str, Sequence[str], int]
"""A record: its key, its source, its values in field order, and which of its numbers are verified (`marks`)."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """A pair of members that must or must not be one child, and the decision (or source event) that says so."""

    left: int
    right: int
    decision: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """The evidence among n records, numbered in order of their keys.

    `left`, `right`: all pairs, left < right. `levels` (pairs, comparisons) and `weights` (centibits, the penalty of a
    source policy taken off) of each; `found` tells which of them a blocking rule brings together. `detours` are pairs
    that other records, which are not here, connect into one component.
    """

    model: LinkageModel
    keys: tuple[str, ...]
    left: Indices
    right: Indices
    levels: Levels
    weights: Weights
    penalties: Weights
    found: Bools
    must: tuple[Constraint, ...] = ()
    cannot: tuple[Constraint, ...] = ()
    detours: tuple[tuple[int, int], ...] = ()

    @property
    def neutral(self) -> int:
        """Centibits of a pair about which nothing is known: the prior."""
        return self.model.prior_weight

    def pair(self, left: int, right: int) -> int:
        """Return the place of a pair of members."""
        a, b, n = min(left, right), max(left, right), len(self.keys)
        return a * n - a * (a + 1) // 2 + b - a - 1

    def with_levels(self, levels: Levels) -> Evidence:
        """Return the evidence as it were with these levels."""
        return replace(self, levels=levels, weights=total_weights(levels, self.model) - self.penalties)


def evidence_among(
    model: LinkageModel,
    records: Sequence[Compared],
    must: Iterable[tuple[str, str, str]] = (),
    cannot: Iterable[tuple[str, str, str]] = (),
) -> Evidence:
    """Compare records, given in any order.

    `must` and `cannot` are (key, key, decision); those that speak of other records are passed over.
    """
    ordered = sorted(records)
    keys = tuple(key for key, _, _, _ in ordered)
    columns = columns_of(model, [values for _, _, values, _ in ordered], [source for _, source, _, _ in ordered])
    marks = np.array([verified for _, _, _, verified in ordered], np.uint8)
    n = len(keys)
    pairs = np.array(list(combinations(range(n), 2)), np.int64).reshape(-1, 2)
    left, right = pairs[:, 0], pairs[:, 1]
    levels = compare(columns, left, right, model)
    raw = total_weights(levels, model)
    rules = SourceRules(model, columns.source_names)
    weights, barred = rules.apply(raw, columns.sources[left], columns.sources[right])
    barriers = [Constraint(a, b, SOURCE_RULE) for a, b in pairs[barred].tolist()]
    twins = Twins(model).among(columns, marks).apart_in_components(left, right, np.zeros(len(left), np.int64))
    barriers += [Constraint(a, b, TWINS_RULE) for a, b in pairs[twins].tolist()]
    place = {key: i for i, key in enumerate(keys)}
    return Evidence(
        model,
        keys,
        left,
        right,
        levels,
        weights,
        raw - weights,
        _found(model, columns, n, left, right),
        _constraints(must, place),
        (*barriers, *_constraints(cannot, place)),
    )


def group(evidence: Evidence) -> Labels:
    """Return a label for each record: what clustering makes of these records alone.

    Links come from pairs that blocking found; groups that no chain of links connects stay apart whatever they weigh.
    """
    matrix, barred, must = matrices(evidence)
    return cluster_component(matrix, barred, must, evidence.model.mean_threshold)


def matrices(evidence: Evidence) -> tuple[Weights, Bools, Indices]:
    """Return the weights and barriers between each two records as matrices, and the must-links as pairs."""
    n = len(evidence.keys)
    matrix, barred = np.zeros((n, n), np.int64), np.zeros((n, n), dtype=bool)
    matrix[evidence.left, evidence.right] = matrix[evidence.right, evidence.left] = evidence.weights
    for each in evidence.cannot:
        barred[each.left, each.right] = barred[each.right, each.left] = True
    must = np.array([(each.left, each.right) for each in evidence.must], np.int64).reshape(-1, 2)
    components = _components(evidence)
    return matrix, barred | (components[:, None] != components[None, :]), must


def connected_as(evidence: Evidence, groups: Iterable[Sequence[int]]) -> Evidence:
    """Return the evidence for records that are known to be these groups.

    Where the links among a group's own records do not connect it, others did that have gone to another child.
    """
    components = _components(evidence)
    detours = [pair for group in groups if len({int(components[i]) for i in group}) > 1 for pair in pairwise(group)]
    return replace(evidence, detours=tuple(detours))


def _components(evidence: Evidence) -> Labels:
    # A link that a person forbids still makes one component: whom else its ends may join is a question of means.
    linked = evidence.found & (evidence.weights >= evidence.model.link_threshold) & ~_barred_by_rule(evidence)
    stated = [(each.left, each.right) for each in evidence.must]
    others = np.array([*stated, *evidence.detours], np.int64).reshape(-1, 2)
    return connected_components(
        len(evidence.keys),
        np.concatenate([evidence.left[linked], others[:, 0]]),
        np.concatenate([evidence.right[linked], others[:, 1]]),
    )


def _barred_by_rule(evidence: Evidence) -> Bools:
    barred = np.zeros(len(evidence.left), dtype=bool)
    barred[[evidence.pair(each.left, each.right) for each in evidence.cannot if each.decision in RULES]] = True
    return barred


def _found(model: LinkageModel, columns: RecordColumns, n: int, left: Indices, right: Indices) -> Bools:
    found = np.zeros((n, n), dtype=bool)
    for a, b in candidate_pairs(columns, model):
        found[a, b] = True
    among: Bools = found[left, right]
    return among


def _constraints(pairs: Iterable[tuple[str, str, str]], place: dict[str, int]) -> tuple[Constraint, ...]:
    inside = {
        Constraint(min(place[left], place[right]), max(place[left], place[right]), decision)
        for left, right, decision in pairs
        if left in place and right in place and left != right
    }
    return tuple(sorted(inside, key=lambda each: (each.left, each.right, each.decision)))
