"""Expectation maximisation over unique comparison vectors: the Fellegi-Sunter mixture of matches and non-matches.

Dempster, Laird and Rubin (1977); for record linkage Winkler (1988). Pairs with equal comparison vectors are one row
with a count, so a step costs as much as there are different vectors, not pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.estimation.probabilities import Counts, Probabilities, Table, estimate, level_table

Levels = npt.NDArray[np.int8]
Posteriors = npt.NDArray[np.float64]

_TOLERANCE: Final = 1e-4
_LEAST_PRIOR: Final = 1e-8
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
    """What EM may change: m, the u of some comparisons, and which comparisons it looks at at all.

    `u` and `comparisons` have shape (comparisons,).
    """

    m: bool
    u: npt.NDArray[np.bool_]
    comparisons: npt.NDArray[np.bool_]


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
class Kin:
    """Non-matches who share a home, a surname, or (twins) a birth date: to strangers they are a class of their own.

    Taken for strangers, so many agreements at once look like one person recorded twice. `shared` tells which
    comparisons a family may agree in; in the others (forenames) its members are as strangers. `u` is P(level | kin)
    of the shared ones (comparisons, MAX_LEVELS), `share` the share of kin among non-matches.
    """

    shared: npt.NDArray[np.bool_]
    u: Table
    share: float


@dataclass(frozen=True, slots=True)
class Fit:
    """The result of EM: m and u, the share of matches among the pairs of unknown truth, and each vector's posterior.

    Where non-matches were fitted as two classes, u is that of strangers, and `kin` is the other class.
    """

    probabilities: Probabilities
    prior: float
    posteriors: Posteriors
    kin: Kin | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """P(match | vector) of each vector, P(not moved | vector, match), and P(kin | vector, no match)."""

    matched: Posteriors
    stayed: Posteriors
    akin: Posteriors


def judge(
    levels: Levels,
    probabilities: Probabilities,
    prior: float,
    used: npt.NDArray[np.bool_],
    moves: Moves | None = None,
    kin: Kin | None = None,
) -> Judged:
    """Return what the comparisons in `used` say about each row of `levels`."""
    ours, stay = _likelihood_of_match(levels, probabilities.m, used, moves)
    others, akin = _likelihood_of_others(levels, probabilities.u, used, kin)
    matched = _probability(np.log(prior) - np.log1p(-prior) + ours - others)
    return Judged(matched, stay, akin)


def _likelihood_of_match(
    levels: Levels, m: Table, used: npt.NDArray[np.bool_], moves: Moves | None
) -> tuple[Posteriors, Posteriors]:
    """Return ln P(vector | match), and P(not moved | vector, match)."""
    log_m = np.log(m)
    if moves is None or not (moves.places & used).any() or moves.share <= 0.0:
        return _summed(log_m, levels, used), np.ones(len(levels))
    stay = np.log1p(-moves.share) + _summed(log_m, levels, used & moves.places)
    move = np.log(moves.share) + _summed(np.log(moves.elsewhere), levels, used & moves.places)
    either = np.logaddexp(stay, move)
    return _summed(log_m, levels, used & ~moves.places) + either, np.exp(stay - either)


def _likelihood_of_others(
    levels: Levels, u: Table, used: npt.NDArray[np.bool_], kin: Kin | None
) -> tuple[Posteriors, Posteriors]:
    """Return ln P(vector | no match), and P(kin | vector, no match)."""
    log_u = np.log(u)
    if kin is None:
        return _summed(log_u, levels, used), np.zeros(len(levels))
    strangers = np.log1p(-kin.share) + _summed(log_u, levels, used & kin.shared)
    akin = np.log(kin.share) + _summed(np.log(kin.u), levels, used & kin.shared)
    either = np.logaddexp(strangers, akin)
    return _summed(log_u, levels, used & ~kin.shared) + either, np.exp(akin - either)


def posteriors(
    levels: Levels,
    probabilities: Probabilities,
    prior: float,
    used: npt.NDArray[np.bool_],
    moves: Moves | None = None,
    kin: Kin | None = None,
) -> Posteriors:
    """Return P(match | vector) of each row of `levels` from the comparisons in `used`."""
    return judge(levels, probabilities, prior, used, moves, kin).matched


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
    steps: int = 400,
    kin: Kin | None = None,
) -> Fit:
    """Run EM from `start` until the share of matches stands still, at most `steps` times.

    Still means in proportion to itself: where EM first finds hardly any matches and then more and more, each step
    adds little to a small share.

    `belief` is what little data falls back on (`probabilities.estimate`). With `kin` to start from, non-matches are
    strangers or kin.
    """
    current, prior, pairs = start, 0.5, max(vectors.counts.sum(), _EDGE)
    said = judge(vectors.levels, current, prior, free.comparisons, moves, kin)
    for _ in range(steps):
        current, kin = _maximise(vectors, said, current, belief, free, kin)
        updated = float(np.clip((said.matched * vectors.counts).sum() / pairs, _EDGE, 1.0 - _EDGE))
        settled = abs(updated - prior) < _TOLERANCE * max(min(updated, 1.0 - updated), _LEAST_PRIOR)
        prior = updated
        said = judge(vectors.levels, current, prior, free.comparisons, moves, kin)
        if settled:
            break
    return Fit(current, prior, said.matched, kin)


def _maximise(
    vectors: Vectors, said: Judged, current: Probabilities, belief: Probabilities, free: Free, kin: Kin | None
) -> tuple[Probabilities, Kin | None]:
    """The M step: m and u from the pairs weighted by how much they are matches and non-matches."""
    m, u = current.m.copy(), current.u.copy()
    if free.m:
        counted = level_table(vectors.levels, said.matched * vectors.counts)
        m[free.comparisons] = estimate(counted, belief.m)[free.comparisons]
    others = (1.0 - said.matched) * vectors.counts + vectors.non_matches
    as_one = free.u if kin is None else free.u & ~kin.shared
    u[as_one] = estimate(level_table(vectors.levels, others), belief.u)[as_one]
    if kin is not None and (free.u & kin.shared).any():
        own = free.u & kin.shared
        u[own] = estimate(level_table(vectors.levels, others * (1.0 - said.akin)), belief.u)[own]
        theirs = estimate(level_table(vectors.levels, others * said.akin), kin.u)
        share = float(np.clip((others * said.akin).sum() / max(others.sum(), _EDGE), _EDGE, 1.0 - _EDGE))
        kin = Kin(kin.shared, np.where(own[:, None], theirs, kin.u), share)
    return Probabilities(m, u), kin
