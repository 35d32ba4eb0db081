"""Comparing only as far as a pair can still reach a weight: most candidates agree in little more than their key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.linkage.columns import RecordColumns, with_alternates
from matching.linkage.comparisons import levels_of
from matching.linkage.hashing import MISSING, Indices
from matching.linkage.model import NULL_LEVEL, LinkageModel
from matching.linkage.row_pairs import RowPairs
from matching.linkage.similarity import DIFFERENT, Levels

ANYTHING: Final = -(1 << 40)
"""No pair weighs less."""

_LONG: Final = ("address", "short_string")
_WORTH_LEAVING_OUT: Final = 0.1  # of the pairs, from which it pays to copy the others


def compare_down_to(
    columns: RecordColumns, left: Indices, right: Indices, models: Sequence[LinkageModel], lowest: npt.NDArray[np.int64]
) -> tuple[Indices, Levels]:
    """Return which pairs can weigh `lowest` (one for each) by one of the models, and their level codes.

    The models differ in weights alone. Comparisons come one after another, first those that can take most away.
    """
    model = models[0]
    weights = [np.max([each.level_weights[i] for each in models], axis=0) for i in range(len(model.comparisons))]
    pairs, at = RowPairs(columns, left, right), np.arange(len(left))
    levels = np.zeros((len(weights), len(left)), np.int8)
    begin = max(each.prior_weight + sum(max(0, one.weight) for one in each.adjustments) for each in models)
    most = np.full(len(left), begin + sum(int(each.max()) for each in weights))
    for i in sorted(range(len(weights)), key=lambda place: weights[place][DIFFERENT] - weights[place].max()):
        levels[i] = levels_of(pairs, model.comparisons[i], model)
        most += (weights[i] - weights[i].max())[levels[i]]
        can = np.flatnonzero(most >= lowest)
        if len(at) - len(can) > _WORTH_LEAVING_OUT * len(at):
            pairs, at, levels, most, lowest = pairs.only(can), at[can], levels[:, can], most[can], lowest[can]
    return at, levels.T


def compare_what_can_reach(
    columns: RecordColumns, left: Indices, right: Indices, model: LinkageModel, missing: npt.NDArray[np.int64]
) -> tuple[Indices, Levels]:
    """Return which pairs can have the weight that they are `missing` (beyond the prior's), and their level codes.

    Long texts are compared last, and only those of pairs that can still have it: most pairs of a large block agree in
    little more than its key.
    """
    pairs, at = RowPairs(columns, left, right), np.arange(len(left))
    levels = np.zeros((len(model.comparisons), len(left)), np.int8)
    late = [i for i, comparison in enumerate(model.comparisons) if comparison.kind in _LONG]
    most = np.full(len(left), sum(max(0, each.weight) for each in model.adjustments), np.int64)
    for i, comparison in enumerate(model.comparisons):
        weights = model.level_weights[i]
        if i in late:
            most += _most(pairs, model.field_index[comparison.fields[0]], weights)
        else:
            levels[i] = levels_of(pairs, comparison, model)
            most += np.array(weights)[levels[i]]
    if late:
        at = np.flatnonzero(most >= missing)
        pairs, levels = pairs.only(at), levels[:, at]
    for i in late:
        levels[i] = levels_of(pairs, model.comparisons[i], model)
    return at, levels.T


def _most(pairs: RowPairs, field: int, weights: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Return the highest weight that a comparison can give, seen from which values are equal and which are missing."""
    left, right = pairs.hashes(field)
    several = with_alternates(pairs.flags, field)
    alike = np.where(several[pairs.left] | several[pairs.right], max(weights[1:]), max(weights[1:-1]))
    missing = np.minimum(left, right) == MISSING
    return np.where(missing, weights[NULL_LEVEL], np.where(left == right, max(weights), alike))
