from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.linkage.clustering import agglomerate, agglomerate_few, cluster_component

Matrix = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Component:
    """A component of n members: weights of all pairs, cannot-links, must-links."""

    n: int
    weights: dict[tuple[int, int], int]
    cannot: frozenset[tuple[int, int]]
    must: tuple[tuple[int, int], ...]
    threshold: int = 0


@st.composite
def components(draw: st.DrawFn, most: int = 7) -> Component:
    """Draw a component; few different weights, so that ties abound."""
    n = draw(st.integers(1, most))
    pairs = list(combinations(range(n), 2))
    weights = {pair: draw(st.sampled_from([-900, -100, -1, 0, 1, 100, 300])) for pair in pairs}
    some = st.lists(st.sampled_from(pairs), max_size=3, unique=True) if pairs else st.just([])
    return Component(n, weights, frozenset(draw(some)), tuple(draw(some)), draw(st.sampled_from([0, 50])))


def clusters(c: Component, order: list[int] | None = None) -> list[int]:
    """Cluster with the members given in another order; the labels come back in the order of c."""
    order = order or list(range(c.n))
    weights, cannot = np.zeros((c.n, c.n), np.int64), np.zeros((c.n, c.n), dtype=bool)
    for (a, b), weight in c.weights.items():
        weights[a, b] = weights[b, a] = weight
        cannot[a, b] = cannot[b, a] = (a, b) in c.cannot
    rank = {member: i for i, member in enumerate(order)}
    must = np.array([(rank[a], rank[b]) for a, b in c.must], np.int64).reshape(-1, 2)
    grid = np.ix_(order, order)
    labels = cluster_component(weights[grid], cannot[grid], must, c.threshold).tolist()
    return [order[labels[rank[member]]] for member in range(c.n)]


def textbook(c: Component) -> list[int]:
    """Average linkage said in the plainest way, with exact means."""
    groups = [{i} for i in range(c.n)]
    for a, b in c.must:
        one, other = (next(g for g in groups if member in g) for member in (a, b))
        if one is not other:
            groups.remove(other)
            one |= other
    while True:
        groups.sort(key=min)
        best: tuple[Fraction, int, int] | None = None
        for i, j in combinations(range(len(groups)), 2):
            between = [(min(a, b), max(a, b)) for a in groups[i] for b in groups[j]]
            mean = Fraction(sum(c.weights[pair] for pair in between), len(between))
            if mean >= c.threshold and not c.cannot.intersection(between) and (best is None or mean > best[0]):
                best = (mean, i, j)
        if best is None:
            return [min(next(g for g in groups if i in g)) for i in range(c.n)]
        groups[best[1]] |= groups.pop(best[2])


@given(components())
def test_clusters_are_those_of_textbook_average_linkage(c: Component) -> None:
    assert clusters(c) == textbook(c)


@given(components(12))
def test_constraints_are_never_broken(c: Component) -> None:
    labels = clusters(c)
    assert all(labels[a] == labels[b] for a, b in c.must)
    for group in set(labels):
        members = {i for i in range(c.n) if labels[i] == group}
        forced = Component(c.n, dict.fromkeys(c.weights, -1), frozenset(), c.must)
        for a, b in c.cannot:
            assert not {a, b} <= members or clusters(forced)[a] == clusters(forced)[b]


@given(components(), st.data())
def test_a_component_without_ties_is_clustered_alike_in_any_order(c: Component, data: st.DataObject) -> None:
    distinct = {pair: 1000 * weight + 7**i for i, (pair, weight) in enumerate(c.weights.items())}
    untied = Component(c.n, distinct, c.cannot, c.must, c.threshold)
    order = data.draw(st.permutations(range(c.n)))
    labels, reordered = clusters(untied), clusters(untied, list(order))
    assert [labels[a] == labels[b] for a, b in c.weights] == [reordered[a] == reordered[b] for a, b in c.weights]


@given(components(5), components(5))
def test_two_components_apart_are_clustered_as_each_alone(one: Component, other: Component) -> None:
    n = one.n
    weights = {(a, b): -10_000 for a in range(n) for b in range(n, n + other.n)} | one.weights
    weights |= {(a + n, b + n): weight for (a, b), weight in other.weights.items()}
    cannot = one.cannot | {(a + n, b + n) for a, b in other.cannot}
    both = Component(n + other.n, weights, cannot, one.must + tuple((a + n, b + n) for a, b in other.must), 0)
    alone = [Component(c.n, c.weights, c.cannot, c.must, 0) for c in (one, other)]
    assert clusters(both) == clusters(alone[0]) + [label + n for label in clusters(alone[1])]


@pytest.mark.parametrize(
    ("weights", "cannot", "must", "expected"),
    [
        pytest.param([500, 500, 500], [], [], [0, 0, 0], id="all agree"),
        pytest.param(
            [500, -900, 500], [], [], [0, 0, 2], id="a bridge joins only its better side; a tie goes to the first"
        ),
        pytest.param(
            [500, -900, 600], [], [], [0, 1, 1], id="the better side is joined first, the mean keeps the other out"
        ),
        pytest.param([500, -400, 500], [], [], [0, 0, 0], id="the mean of 500 and -400 still carries"),
        pytest.param([500, 500, 900], [(0, 1)], [], [0, 1, 1], id="a later, better claimant displaces the occupant"),
        pytest.param(
            [-900, -900, 500], [], [(0, 1)], [0, 0, 2], id="a must-link beats any weight, then counts in the mean"
        ),
        pytest.param(
            [500, 500, 500], [(0, 1)], [(0, 1)], [0, 0, 0], id="a must-link beats a cannot-link on the same pair"
        ),
    ],
)
def test_known_components(
    weights: list[int], cannot: list[tuple[int, int]], must: list[tuple[int, int]], expected: list[int]
) -> None:
    pairs = dict(zip([(0, 1), (0, 2), (1, 2)], weights, strict=True))
    assert clusters(Component(3, pairs, frozenset(cannot), tuple(must))) == expected


def test_a_large_component_is_clustered_in_one_go() -> None:
    n = 300
    person = np.arange(n) % 100
    weights = np.where(person[:, None] == person[None, :], 500, -500).astype(np.int64)
    labels = cluster_component(weights, np.zeros((n, n), dtype=bool), np.empty((0, 2), np.int64), 0)
    assert labels.tolist() == person.tolist()


def plainly_joined(sums: Matrix, sizes: Matrix, barred: Matrix, threshold: int) -> list[tuple[int, int]]:
    """Return the joins found by looking at all pairs of groups at each step."""
    joins: list[tuple[int, int]] = []
    live = list(range(len(sums)))
    while pairs := [(i, j) for i, j in combinations(live, 2) if not barred[i, j]]:
        means = [Fraction(int(sums[pair]), int(sizes[pair[0]] * sizes[pair[1]])) for pair in pairs]
        if max(means) < threshold:
            break
        kept, joined = pairs[means.index(max(means))]
        joins.append((kept, joined))
        live.remove(joined)
        sums[kept] += sums[joined]
        sums[:, kept] = sums[kept]
        sizes[kept] += sizes[joined]
        barred[kept] |= barred[joined]
        barred[:, kept] = barred[kept]
    return joins


@given(st.integers(2, 24), st.integers(1, 400), st.integers(0, 2**32), st.sampled_from([-900, 0, 50]))
def test_groups_join_in_the_order_of_a_look_at_all_pairs_at_each_step(n: int, span: int, seed: int, least: int) -> None:
    dice = np.random.default_rng(seed)
    sums = np.triu(dice.integers(-span, span + 1, (n, n)), 1)
    barred = np.triu(dice.random((n, n)) < dice.choice([0.0, 0.1]), 1)
    sums, barred, sizes = sums + sums.T, barred | barred.T, dice.integers(1, 3, n)
    expected = plainly_joined(sums.copy(), sizes.copy(), barred.copy(), least)
    assert list(agglomerate_few(sums, sizes, barred, least)) == expected
    assert list(agglomerate(sums, sizes, barred, least)) == expected
