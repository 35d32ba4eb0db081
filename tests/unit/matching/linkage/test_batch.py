from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matching.linkage import resolution
from matching.linkage.batch import cluster_pairs, link_all, score_by_each, score_pairs
from matching.linkage.clustering import cluster_component
from matching.linkage.columns import columns_of
from matching.linkage.components import linked_components
from matching.linkage.constraints import Constraints, SourceRules
from matching.linkage.model import LinkageModel, SourcePolicy
from matching.linkage.scoring import score
from tests.unit.matching.worlds import DATES, GIVEN, NUMBERS, POSTCODES, SOURCES, SURNAMES, model, values

Row = tuple[str, ...]
Partition = set[frozenset[str]]
WORLDS = [
    model(),
    model(link_threshold=-100, policies=()),
    model(link_threshold=300, cluster_threshold=0, policies=(SourcePolicy("*", "soft", 200),)),
    model(link_threshold=-300, component_cap=4),
]
tables = st.lists(st.tuples(values, st.sampled_from(SOURCES)), max_size=16)
worlds = st.sampled_from(WORLDS)


def link(
    table: Sequence[tuple[Row, str]], world: LinkageModel, keys: Sequence[str], constraints: Constraints
) -> Partition:
    columns = columns_of(world, [row for row, _ in table], [source for _, source in table])
    return partition(link_all(columns, world, constraints, keys).clusters.tolist(), keys)


def partition(labels: Sequence[int], keys: Sequence[str]) -> Partition:
    return {frozenset(k for k, other in zip(keys, labels, strict=True) if other == label) for label in labels}


def key_names(n: int) -> list[str]:
    return [f"k{i:02}" for i in range(n)]


def by_hand(table: Sequence[tuple[Row, str]], world: LinkageModel, constraints: Constraints) -> Partition:
    """Cluster each component on its own, with no short cut for plain ones."""
    n = len(table)
    columns = columns_of(world, [row for row, _ in table], [source for _, source in table])
    pairs, _ = score_pairs(columns, world)
    rules = SourceRules(world, columns.source_names)
    left, right = (np.array([p[i] for p in combinations(range(n), 2)], np.int64) for i in range(2))
    weights, barred = rules.apply(score(columns, left, right, world), columns.sources[left], columns.sources[right])
    matrix, cannot = np.zeros((n, n), np.int64), np.zeros((n, n), dtype=bool)
    matrix[left, right] = matrix[right, left] = weights
    cannot[left, right] = cannot[right, left] = barred
    for a, b in constraints.cannot_link.tolist():
        cannot[a, b] = cannot[b, a] = True
    known, known_barred = rules.apply(pairs.weights, columns.sources[pairs.left], columns.sources[pairs.right])
    free = ~known_barred
    links = (pairs.left[free], pairs.right[free], known[free])
    labels, _ = linked_components(n, links, constraints.must_link, world.link_threshold, world.component_cap)
    result: Partition = set()
    for label in set(labels.tolist()):
        members = np.flatnonzero(labels == label)
        inside = np.array([p for p in constraints.must_link.tolist() if labels[p[0]] == label], np.int64).reshape(-1, 2)
        grid = np.ix_(members, members)
        local = cluster_component(matrix[grid], cannot[grid], np.searchsorted(members, inside), world.mean_threshold)
        result |= partition(local.tolist(), [f"k{i:02}" for i in members.tolist()])
    return result


@st.composite
def constrained(draw: st.DrawFn) -> tuple[list[tuple[Row, str]], Constraints]:
    table = draw(tables)
    pairs = list(combinations(range(len(table)), 2))
    some = st.lists(st.sampled_from(pairs), max_size=3, unique=True) if pairs else st.just([])
    must, cannot = (np.array(draw(some), np.int64).reshape(-1, 2) for _ in range(2))
    return table, Constraints(must, cannot)


@settings(deadline=None)
@given(constrained(), worlds)
def test_short_cuts_change_nothing(drawn: tuple[list[tuple[Row, str]], Constraints], world: LinkageModel) -> None:
    table, constraints = drawn
    assert link(table, world, key_names(len(table)), constraints) == by_hand(table, world, constraints)


@settings(deadline=None)
@given(tables, worlds, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(
    table: list[tuple[Row, str]], world: LinkageModel, rng: random.Random
) -> None:
    keys = key_names(len(table))
    order = list(range(len(table)))
    rng.shuffle(order)
    shuffled = link([table[i] for i in order], world, [keys[i] for i in order], Constraints())
    assert shuffled == link(table, world, keys, Constraints())


@settings(deadline=None)
@given(tables)
def test_a_unique_source_never_holds_a_child_twice(table: list[tuple[Row, str]]) -> None:
    world = model(link_threshold=-300, policies=(SourcePolicy("*", "hard"),))
    keys = key_names(len(table))
    source = {key: source for key, (_, source) in zip(keys, table, strict=True)}
    for cluster in link(table, world, keys, Constraints()):
        assert len({source[key] for key in cluster}) == len(cluster)


@settings(deadline=None)
@given(constrained())
def test_decisions_hold(drawn: tuple[list[tuple[Row, str]], Constraints]) -> None:
    table, constraints = drawn
    clusters = link(table, model(policies=()), key_names(len(table)), constraints)
    of = {int(key[1:]): cluster for cluster in clusters for key in cluster}
    assert all(of[a] is of[b] for a, b in constraints.must_link.tolist())
    if not len(constraints.must_link):
        assert all(of[a] is not of[b] for a, b in constraints.cannot_link.tolist())


def test_small_chunks_give_the_same_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(1)
    pools = (GIVEN, SURNAMES, DATES, POSTCODES, NUMBERS)
    rows = [tuple(rng.choice(pool) for pool in pools) for _ in range(60)]
    columns = columns_of(WORLDS[1], rows, [f"s{i}" for i in range(60)])
    pairs, compared = score_pairs(columns, WORLDS[1])
    whole = cluster_pairs(columns, pairs, WORLDS[1])
    monkeypatch.setattr(resolution, "CHUNK", 3)
    seen: list[int] = []
    in_parts, again = score_pairs(columns, WORLDS[1], chunk=5, progress=seen.append)
    parted = cluster_pairs(columns, in_parts, WORLDS[1])
    assert (again, len(in_parts.left), seen[-1]) == (compared, len(pairs.left), compared)
    clusters = partition(whole.labels.tolist(), key_names(60))
    assert partition(parted.labels.tolist(), key_names(60)) == clusters
    assert max(map(len, clusters)) > 2


def test_pairs_below_the_floor_are_compared_but_not_kept() -> None:
    rows = [("ANNA", "SMITH", "20010203", "AB12CD", "1234567881"), ("BEN", "SMITH", "20010203", "XY99ZZ", "9434765919")]
    columns = columns_of(model(), rows, ["a", "b"])
    pairs, compared = score_pairs(columns, model())
    everything, _ = score_pairs(columns, model(), floor=-10_000)
    assert (len(pairs.left), compared) == (0, 1)
    assert everything.weights.tolist() == score(columns, np.array([0]), np.array([1]), model()).tolist()


@given(tables, st.sampled_from([-600, 0, 500]))
def test_models_that_differ_in_weights_alone_find_in_one_comparison_what_each_finds(
    table: list[tuple[Row, str]], floor: int
) -> None:
    columns = columns_of(model(), [row for row, _ in table], [source for _, source in table])
    models = [model(), replace(model(), probability_two_random_records_match=1e-4)]
    tables, _ = score_by_each(columns, models, floor, chunk=5)
    for each, found in zip(models, tables, strict=True):
        alone, _ = score_pairs(columns, each, floor=floor)
        enough = found.weights >= floor
        for name in ("left", "right", "weights", "levels"):
            assert np.array_equal(getattr(found, name)[enough], getattr(alone, name))


def test_an_empty_table_has_no_clusters() -> None:
    linked = link_all(columns_of(model(), [], []), model())
    assert (len(linked.clusters), linked.compared_pairs, len(linked.pairs.left)) == (0, 0, 0)


def test_a_cluster_is_called_after_its_first_row() -> None:
    anna, ben = ("ANNA", "SMITH", "20010203", "AB12CD", ""), ("BEN", "JONES", "19991231", "XY99ZZ", "")
    columns = columns_of(model(), [ben, anna, ben, anna], ["a", "b", "c", "d"])
    assert link_all(columns, model()).clusters.tolist() == [0, 1, 0, 1]
