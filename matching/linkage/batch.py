"""Linkage of a whole table at once: all candidate pairs, scored in chunks, then clusters.

This is what `contactpoint link` runs, what training and `make accuracy` measure, and the oracle that the resident
owner is tested against.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from matching.linkage.candidates import CHUNK, candidate_pairs, encode_pairs
from matching.linkage.columns import RecordColumns
from matching.linkage.components import Labels
from matching.linkage.constraints import Constraints, SourceRules
from matching.linkage.hashing import Indices
from matching.linkage.marks import Marks, VerifiedNumbers
from matching.linkage.model import LinkageModel
from matching.linkage.reaching import ANYTHING, compare_down_to
from matching.linkage.resolution import Nodes, Resolution, ScoredPairs, resolve
from matching.linkage.scoring import Weights, score, total_weights
from matching.linkage.similarity import Levels
from matching.linkage.twins import Twins

NO_CONSTRAINTS: Final = Constraints()


@dataclass(frozen=True, slots=True)
class PairTable:
    """Candidate pairs (left < right row numbers), their total weights and level codes (pairs, comparisons)."""

    left: Indices
    right: Indices
    weights: Weights
    levels: Levels

    def only(self, chosen: npt.NDArray[np.bool_]) -> PairTable:
        """Return some of the pairs."""
        return PairTable(self.left[chosen], self.right[chosen], self.weights[chosen], self.levels[chosen])


@dataclass(frozen=True, slots=True)
class LinkedTable:
    """The outcome for a table: each row's cluster (the number of its first row) and the pairs that were kept."""

    clusters: Labels
    pairs: PairTable
    compared_pairs: int
    resolution: Resolution


def score_pairs(
    columns: RecordColumns,
    model: LinkageModel,
    *,
    floor: int | None = None,
    chunk: int = CHUNK,
    progress: Callable[[int], None] | None = None,
    verified: Marks | None = None,
    beside: bool = False,
) -> tuple[PairTable, int]:
    """Compare all candidate pairs; return those at or above `floor` (default: the model's) and how many were compared.

    With the marks of `verified` numbers, pairs that share one are kept whatever they weigh.
    At most about `chunk` pairs are worked on at a time; `progress` is told the number compared so far. `beside` as in
    `candidate_pairs`.
    """
    lowest = model.review_floor if floor is None else floor
    (pairs,), compared = score_by_each(
        columns, [model], lowest, chunk=chunk, progress=progress, verified=verified, beside=beside
    )
    return pairs, compared


def score_by_each(
    columns: RecordColumns,
    models: Sequence[LinkageModel],
    floor: int,
    *,
    chunk: int = CHUNK,
    progress: Callable[[int], None] | None = None,
    verified: Marks | None = None,
    beside: bool = False,
) -> tuple[list[PairTable], int]:
    """Compare all candidate pairs once for models that differ in nothing but weights; return a table for each.

    All hold the same pairs, in order of row numbers: those at or above `floor` by any of the models.
    """
    none = _empty(models[0])
    kept: list[list[Any]] = [[none.left], [none.right], [none.levels], *([none.weights] for _ in models)]
    numbers = VerifiedNumbers(models[0])
    columns.spread()
    compared = 0
    for left, right in candidate_pairs(columns, models[0], chunk, beside=beside):
        compared += len(left)
        lowest = np.full(len(left), floor, np.int64)
        if verified is not None:
            lowest[numbers.shared(columns, verified, left, right)] = ANYTHING
        at, levels = compare_down_to(columns, left, right, models, lowest)
        weights = [total_weights(levels, model) for model in models]
        enough = np.logical_or.reduce([each >= lowest[at] for each in weights])
        found: list[Any] = [left[at], right[at], levels, *weights]
        for parts, values in zip(kept, found, strict=True):
            parts.append(values[enough])
        if progress is not None:
            progress(compared)
    # A column at a time: the parts of one are let go before the next is joined.
    joined: list[Any] = [np.concatenate(kept.pop(0)) for _ in range(len(kept))]
    order = np.argsort(encode_pairs(*joined[:2]))
    left, right, levels, *weighed = (each[order] for each in joined)
    return [PairTable(left, right, each, levels) for each in weighed], compared


def cluster_pairs(
    columns: RecordColumns,
    pairs: PairTable,
    model: LinkageModel,
    constraints: Constraints = NO_CONSTRAINTS,
    keys: Sequence[str] | None = None,
    verified: Marks | None = None,
) -> Resolution:
    """Return the clusters of all rows from their scored pairs; `keys` (record keys) settle ties, else row order.

    `verified` are the rows' marks (`marks`).
    """
    twins, marks = Twins(model), np.zeros(len(columns), np.uint8) if verified is None else verified
    ranks = np.arange(len(columns)) if keys is None else _ranks(keys)
    nodes = Nodes(
        columns.sources,
        lambda members: members[np.argsort(ranks[members])],
        lambda left, right: score(columns, left, right, model),
        twins.among(columns, marks),
    )
    rules = SourceRules(model, columns.source_names)
    return resolve(nodes, ScoredPairs(pairs.left, pairs.right, pairs.weights), model, rules, constraints)


def link_all(
    columns: RecordColumns,
    model: LinkageModel,
    constraints: Constraints = NO_CONSTRAINTS,
    keys: Sequence[str] | None = None,
    progress: Callable[[int], None] | None = None,
    verified: Marks | None = None,
    scored: tuple[PairTable, int] | None = None,
    *,
    beside: bool = False,
) -> LinkedTable:
    """Link a whole table: compare its candidate pairs, keep those above the review floor, cluster.

    `scored` are pairs that were compared before, all from the floor up, and how many were compared. `beside` as in
    `candidate_pairs`.
    """
    pairs, compared = scored or score_pairs(columns, model, progress=progress, verified=verified, beside=beside)
    if scored is not None:
        pairs = pairs.only(pairs.weights >= model.review_floor)
    resolution = cluster_pairs(columns, pairs, model, constraints, keys, verified)
    _, firsts, inverse = np.unique(resolution.labels, return_index=True, return_inverse=True)
    return LinkedTable(firsts[inverse].astype(np.int64, copy=False), pairs, compared, resolution)


def _ranks(keys: Sequence[str]) -> Indices:
    ranks = np.empty(len(keys), np.int64)
    ranks[np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)] = np.arange(len(keys))
    return ranks


def _empty(model: LinkageModel) -> PairTable:
    none = np.empty(0, np.int64)
    return PairTable(none, none, none, np.empty((0, len(model.comparisons)), np.int8))
