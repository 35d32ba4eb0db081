"""What agreement is worth: level codes to match weights, match weight to match probability (Fellegi and Sunter 1969).

The total weight of a pair is the prior's weight plus the weight of the observed level of each comparison, in centibits:
100 log2 of the odds that the two records are one child. Comparisons are taken as independent given match or non-match.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from matching.linkage.columns import RecordColumns
from matching.linkage.comparisons import compare
from matching.linkage.hashing import Indices
from matching.linkage.model import CENTIBITS, MAX_LEVELS, LinkageModel, Sign
from matching.linkage.similarity import Levels

Weights = npt.NDArray[np.int64]


def weight_table(model: LinkageModel) -> npt.NDArray[np.int64]:
    """Return the match weight of each level code, shape (comparisons, MAX_LEVELS); codes not in use have 0."""
    table = np.zeros((len(model.comparisons), MAX_LEVELS), np.int64)
    for row, weights in zip(table, model.level_weights, strict=True):
        row[: len(weights)] = weights
    return table


def total_weights(levels: Levels, model: LinkageModel) -> Weights:
    """Return the total match weight of pairs from their level codes, shape (pairs, comparisons)."""
    total = np.full(len(levels), model.prior_weight, np.int64)
    for codes, table in zip(levels.T, weight_table(model), strict=True):
        total += table[codes]
    return total


def leave_doubt(levels: Levels, weights: Weights, model: LinkageModel) -> npt.NDArray[np.bool_]:
    """Tell which pairs may be one child where one side is shielded: by their weight, or by a sign at any weight."""
    doubt: npt.NDArray[np.bool_] = weights >= model.lowest_doubt
    for sign in model.shield_signs:
        doubt |= _holds(sign, levels, model)
    return doubt


def _holds(sign: Sign, levels: Levels, model: LinkageModel) -> npt.NDArray[np.bool_]:
    places = {comparison.name: place for place, comparison in enumerate(model.comparisons)}
    holds = np.ones(len(levels), dtype=bool)
    for name, codes in sign.when:
        wanted = np.zeros(MAX_LEVELS, dtype=bool)
        wanted[list(codes)] = True
        holds &= wanted[levels[:, places[name]]]
    return holds


def score(columns: RecordColumns, left: Indices, right: Indices, model: LinkageModel) -> Weights:
    """Compare pairs of rows and return their total match weights."""
    return total_weights(compare(columns, left, right, model), model)


def match_probability(weight: float) -> float:
    """Return the probability that a pair of this total weight is one child: odds / (1 + odds), odds 2^(weight/100)."""
    bits = min(max(weight / CENTIBITS, -1000.0), 1000.0)
    return 1.0 / (1.0 + math.pow(2.0, -bits))
