"""Comparing only as far as a pair can still reach a weight: most candidates agree in little more than their key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.linkage.columns import RecordColumns
from matching.linkage.comparisons import levels_of
from matching.linkage.hashing import Indices
from matching.linkage.model import LinkageModel
from matching.linkage.row_pairs import RowPairs
from matching.linkage.similarity import DIFFERENT, Levels

ANYTHING: Final = -(1 << 40)
"""No pair weighs less."""

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
    begin = max(each.prior_weight for each in models)
    most = np.full(len(left), begin + sum(int(each.max()) for each in weights))
    for i in sorted(range(len(weights)), key=lambda place: weights[place][DIFFERENT] - weights[place].max()):
        levels[i] = levels_of(pairs, model.comparisons[i], model)
        most += (weights[i] - weights[i].max())[levels[i]]
        can = np.flatnonzero(most >= lowest)
        if len(at) - len(can) > _WORTH_LEAVING_OUT * len(at):
            pairs, at, levels, most, lowest = pairs.only(can), at[can], levels[:, can], most[can], lowest[can]
    return at, levels.T
