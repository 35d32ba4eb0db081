"""m and u of all comparisons as arrays, and how they go into a model and come out of it.

A table has shape (comparisons, MAX_LEVELS): column 0, the null level, is 1 in both m and u, so that a missing value is
no evidence; unused columns are 1 too and are never looked at.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.linkage.model import MAX_LEVELS, Comparison, LinkageModel

Table = npt.NDArray[np.float64]
Counts = npt.NDArray[np.float64]

SMALLEST: Final = 1e-9
"""No estimated probability is taken as smaller."""

_BELIEF: Final = 2e-4


@dataclass(frozen=True, slots=True)
class Probabilities:
    """P(level | match) and P(level | non-match) of every comparison, each of shape (comparisons, MAX_LEVELS)."""

    m: Table
    u: Table


def starting_probabilities(model: LinkageModel) -> Probabilities:
    """Return the m and u that stand in a model: those of the comparison kinds, if it was never trained."""
    m, u = np.ones((2, len(model.comparisons), MAX_LEVELS))
    for i, comparison in enumerate(model.comparisons):
        used = slice(1, len(comparison.levels))
        m[i, used] = [level.m_probability for level in comparison.levels[1:]]
        u[i, used] = [level.u_probability for level in comparison.levels[1:]]
    return Probabilities(m, u)


def with_probabilities(model: LinkageModel, probabilities: Probabilities, prior: float) -> LinkageModel:
    """Return the model with these m and u and this probability that two candidate records match."""
    return replace(
        model,
        comparisons=tuple(
            _trained(comparison, m, u)
            for comparison, m, u in zip(model.comparisons, probabilities.m, probabilities.u, strict=True)
        ),
        probability_two_random_records_match=float(np.clip(prior, SMALLEST, 1.0 - SMALLEST)),
    )


def level_table(levels: npt.NDArray[np.int8], weights: npt.NDArray[np.float64]) -> Counts:
    """Return how much weight falls on each level of each comparison, shape (comparisons, MAX_LEVELS).

    `levels` has shape (rows, comparisons), `weights` one number a row.
    """
    return np.array([np.bincount(column, weights, MAX_LEVELS)[:MAX_LEVELS] for column in levels.T])


def estimate(counts: Counts, start: Table) -> Table:
    """Return the probabilities of the levels from (expected) counts, null left out.

    `start` counts as a few observations (a Dirichlet prior), so that a level that was never seen stays possible and
    little data changes little: one, or the share _BELIEF of all where that is more. So a level that neither matches
    nor non-matches ever show keeps the weight that it started with, however many of each there are.
    """
    table = np.ones_like(start)
    used = _used(start)
    totals = np.where(used, counts, 0.0).sum(axis=1, keepdims=True)
    strength = np.maximum(1.0, _BELIEF * totals)
    table[used] = np.maximum((counts + strength * start) / (totals + strength), SMALLEST)[used]
    return table


def log_ratios(probabilities: Probabilities) -> Table:
    """Return ln(m/u) of every level: 0 for the null level and unused ones."""
    ratios: Table = np.log(probabilities.m) - np.log(probabilities.u)
    return ratios


def _used(start: Table) -> npt.NDArray[np.bool_]:
    """Tell which columns are levels: a start of 1 stands only in the null column and in unused ones."""
    used: npt.NDArray[np.bool_] = start < 1.0
    used[:, 0] = False
    return used


def _trained(comparison: Comparison, m: Table, u: Table) -> Comparison:
    used = slice(1, len(comparison.levels))
    return comparison.with_probabilities(tuple(map(rounded, m[used])), tuple(map(rounded, u[used])))


def rounded(value: float) -> float:
    """Return six significant digits: a model file a person can read, and one that hangs on no sum's last bit."""
    return float(f"{value:.6g}")
