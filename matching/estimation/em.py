"""Expectation maximisation over unique comparison vectors: the Fellegi-Sunter mixture of matches and non-matches.

Dempster, Laird and Rubin (1977); for record linkage Winkler (1988). Pairs with equal comparison vectors are one row
with a count, so a step costs as much as there are different vectors, not pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.estimation.probabilities import Counts, Probabilities, estimate, level_table, log_ratios

Levels = npt.NDArray[np.int8]
Posteriors = npt.NDArray[np.float64]

_TOLERANCE: Final = 1e-6
_EDGE: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Vectors:
    """Unique comparison vectors, shape (vectors, comparisons), with how many pairs have each.

    `counts` are pairs of unknown truth; `non_matches` pairs that are known not to match (two records of a source that
    holds each person once).
    """

    levels: Levels
    counts: Counts
    non_matches: Counts


@dataclass(frozen=True, slots=True)
class Free:
    """What EM may change: m, u, and which comparisons it looks at at all (shape (comparisons,))."""

    m: bool
    u: bool
    comparisons: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Fit:
    """The result of EM: m and u, the share of matches among the pairs of unknown truth, and each vector's posterior."""

    probabilities: Probabilities
    prior: float
    posteriors: Posteriors


def posteriors(levels: Levels, probabilities: Probabilities, prior: float, used: npt.NDArray[np.bool_]) -> Posteriors:
    """Return P(match | vector) of each row of `levels` from the comparisons in `used`."""
    ratios = log_ratios(probabilities)
    total = np.full(len(levels), np.log(prior) - np.log1p(-prior))
    for column in np.flatnonzero(used):
        total += ratios[column][levels[:, column]]
    return 1.0 / (1.0 + np.exp(-np.clip(total, -500.0, 500.0)))


def fit(vectors: Vectors, start: Probabilities, belief: Probabilities, free: Free, steps: int = 100) -> Fit:
    """Run EM from `start` until the share of matches stands still, at most `steps` times.

    `belief` is what little data falls back on (`probabilities.estimate`).
    """
    current, prior, pairs = start, 0.5, max(vectors.counts.sum(), _EDGE)
    matched = posteriors(vectors.levels, current, prior, free.comparisons)
    for _ in range(steps):
        current = _maximise(vectors, matched, current, belief, free)
        updated = float(np.clip((matched * vectors.counts).sum() / pairs, _EDGE, 1.0 - _EDGE))
        settled = abs(updated - prior) < _TOLERANCE
        prior = updated
        matched = posteriors(vectors.levels, current, prior, free.comparisons)
        if settled:
            break
    return Fit(current, prior, matched)


def _maximise(
    vectors: Vectors, matched: Posteriors, current: Probabilities, belief: Probabilities, free: Free
) -> Probabilities:
    """The M step: m and u from the pairs weighted by how much they are matches and non-matches."""
    m, u = current.m.copy(), current.u.copy()
    if free.m:
        counted = level_table(vectors.levels, matched * vectors.counts)
        m[free.comparisons] = estimate(counted, belief.m)[free.comparisons]
    if free.u:
        counted = level_table(vectors.levels, (1.0 - matched) * vectors.counts + vectors.non_matches)
        u[free.comparisons] = estimate(counted, belief.u)[free.comparisons]
    return Probabilities(m, u)
