"""Expectation maximisation over unique comparison vectors: the Fellegi-Sunter mixture of matches and non-matches.

Dempster, Laird and Rubin (1977); for record linkage Winkler (1988). Pairs with equal comparison vectors are one row
with a count, so a step costs as much as there are different vectors, not pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.estimation.probabilities import Counts, Probabilities, Table, estimate, level_table, log_ratios

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


@dataclass(frozen=True, slots=True)
class Moves:
    """People who moved house between two records: then postcode and address both are those of strangers.

    `places` tells which comparisons compare where somebody lives, `elsewhere` is P(level) of two unrelated homes
    (comparisons, MAX_LEVELS), `share` how many matches have moved. Without this, pairs of movers look like non-matches
    twice over, and fill a rule's class of non-matches where it has few others.
    """

    places: npt.NDArray[np.bool_]
    elsewhere: Table
    share: float


@dataclass(frozen=True, slots=True)
class Judged:
    """P(match | vector) of each vector, and P(match and not moved | vector)."""

    matched: Posteriors
    stayed: Posteriors


def judge(
    levels: Levels,
    probabilities: Probabilities,
    prior: float,
    used: npt.NDArray[np.bool_],
    moves: Moves | None = None,
) -> Judged:
    """Return what the comparisons in `used` say about each row of `levels`."""
    ratios = log_ratios(probabilities)
    odds = np.full(len(levels), np.log(prior) - np.log1p(-prior))
    if moves is None or not (moves.places & used).any() or moves.share <= 0.0:
        matched = _probability(odds + _summed(ratios, levels, used))
        return Judged(matched, matched)
    elsewhere = np.log(moves.elsewhere) - np.log(probabilities.u)
    stay = np.log1p(-moves.share) + _summed(ratios, levels, used & moves.places)
    either = np.logaddexp(stay, np.log(moves.share) + _summed(elsewhere, levels, used & moves.places))
    matched = _probability(odds + _summed(ratios, levels, used & ~moves.places) + either)
    return Judged(matched, matched * np.exp(stay - either))


def posteriors(
    levels: Levels,
    probabilities: Probabilities,
    prior: float,
    used: npt.NDArray[np.bool_],
    moves: Moves | None = None,
) -> Posteriors:
    """Return P(match | vector) of each row of `levels` from the comparisons in `used`."""
    return judge(levels, probabilities, prior, used, moves).matched


def _summed(table: Table, levels: Levels, used: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return the sum over the comparisons in `used` of the table's entry for each row's level."""
    total = np.zeros(len(levels))
    for column in np.flatnonzero(used):
        total += table[column][levels[:, column]]
    return total


def _probability(log_odds: npt.NDArray[np.float64]) -> Posteriors:
    probability: Posteriors = 1.0 / (1.0 + np.exp(-np.clip(log_odds, -500.0, 500.0)))
    return probability


def fit(
    vectors: Vectors,
    start: Probabilities,
    belief: Probabilities,
    free: Free,
    moves: Moves | None = None,
    steps: int = 100,
) -> Fit:
    """Run EM from `start` until the share of matches stands still, at most `steps` times.

    `belief` is what little data falls back on (`probabilities.estimate`).
    """
    current, prior, pairs = start, 0.5, max(vectors.counts.sum(), _EDGE)
    matched = posteriors(vectors.levels, current, prior, free.comparisons, moves)
    for _ in range(steps):
        current = _maximise(vectors, matched, current, belief, free)
        updated = float(np.clip((matched * vectors.counts).sum() / pairs, _EDGE, 1.0 - _EDGE))
        settled = abs(updated - prior) < _TOLERANCE
        prior = updated
        matched = posteriors(vectors.levels, current, prior, free.comparisons, moves)
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
