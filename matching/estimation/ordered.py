"""Dates whose weight never falls as agreement grows.

m and u are counted on blocked pairs, and several blocking rules ask for the same birth date: half of the non-matches
have it, so that it seems to say little, and a date whose day and month changed places much. But a closer agreement is
never worse evidence. Levels that are counted out of order are therefore taken as one level.
"""

from __future__ import annotations

from dataclasses import replace

from matching.estimation.probabilities import rounded
from matching.linkage.model import Comparison, LinkageModel

Counts = tuple[float, float]
"""What falls on some levels, of matches and of non-matches, each as a share of its own kind."""


def with_dates_in_order(model: LinkageModel) -> LinkageModel:
    """Return the model with the levels of its date comparisons in order; all other comparisons stay as they are."""
    prior = model.probability_two_random_records_match
    comparisons = (_in_order(each, prior) if each.kind == "date" else each for each in model.comparisons)
    return replace(model, comparisons=tuple(comparisons))


def _in_order(comparison: Comparison, prior: float) -> Comparison:
    """Return the comparison with the likeliest m and u, each with the same sum, whose ratio never falls.

    That is the isotonic regression of the matching share of each level's pairs, by pooling adjacent violators (Dykstra,
    Kochar and Robertson 1995; Westling, Downes and Small 2023, the likelihood ratio order). Levels of a pool share its
    m and u by how many of all pairs they hold, `prior` of which match. The null level has no place in the order.
    """
    counted = [(level.m_probability, level.u_probability) for level in comparison.levels[1:]]
    shared = [each for pool in _pools(counted) for each in _shared(pool, prior)]
    m, u = zip(*shared, strict=True)
    return comparison.with_probabilities(m, u)


def _pools(levels: list[Counts]) -> list[list[Counts]]:
    """Return the levels in runs, of which each next one has a greater ratio of m to u."""
    pools: list[list[Counts]] = []
    for level in levels:
        pool = [level]
        while pools and not _less(_total(pools[-1]), _total(pool)):
            pool = pools.pop() + pool
        pools.append(pool)
    return pools


def _less(one: Counts, other: Counts) -> bool:
    return one[0] * other[1] < other[0] * one[1]


def _total(pool: list[Counts]) -> Counts:
    return sum(m for m, _ in pool), sum(u for _, u in pool)


def _shared(pool: list[Counts], prior: float) -> list[Counts]:
    if len(pool) == 1:
        return pool
    m, u = _total(pool)
    pairs = [prior * each[0] + (1.0 - prior) * each[1] for each in pool]
    return [(rounded(m * each / sum(pairs)), rounded(u * each / sum(pairs))) for each in pairs]
