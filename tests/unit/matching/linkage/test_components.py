from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from matching.linkage.components import connected_components, linked_components

NO_PAIRS = np.empty((0, 2), np.int64)
edges = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11), st.integers(-3, 12)), max_size=25)


def labels_of(drawn: list[tuple[int, int, int]], must: list[tuple[int, int]], cap: int) -> list[int]:
    left, right, bits = (np.array([edge[i] for edge in drawn], np.int64) for i in range(3))
    must_link = np.array(must, np.int64).reshape(-1, 2)
    labels: list[int] = linked_components(12, (left, right, 100 * bits), must_link, 0, cap)[0].tolist()
    return labels


def reach(pairs: list[tuple[int, int]], start: int) -> set[int]:
    reached, todo = {start}, [start]
    while todo:
        here = todo.pop()
        fresh = {b for pair in pairs for a, b in (pair, pair[::-1]) if a == here} - reached
        reached |= fresh
        todo.extend(fresh)
    return reached


@given(edges)
def test_components_are_what_can_be_reached(drawn: list[tuple[int, int, int]]) -> None:
    pairs = [(a, b) for a, b, _ in drawn]
    left, right = (np.array([pair[i] for pair in pairs], np.int64) for i in range(2))
    labels = connected_components(12, left, right).tolist()
    assert [{j for j in range(12) if labels[j] == labels[i]} for i in range(12)] == [reach(pairs, i) for i in range(12)]
    assert list(dict.fromkeys(labels)) == list(range(len(set(labels))))


@given(edges, st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=2))
def test_links_below_the_threshold_do_not_connect_but_must_links_do(
    drawn: list[tuple[int, int, int]], must: list[tuple[int, int]]
) -> None:
    labels = labels_of(drawn, must, cap=12)
    pairs = [(a, b) for a, b, bits in drawn if bits >= 0] + must
    assert [{j for j in range(12) if labels[j] == labels[i]} for i in range(12)] == [reach(pairs, i) for i in range(12)]


@given(edges, st.integers(1, 5))
def test_no_component_is_larger_than_the_cap_and_small_ones_stay_whole(
    drawn: list[tuple[int, int, int]], cap: int
) -> None:
    capped, whole = labels_of(drawn, [], cap), labels_of(drawn, [], 12)
    assert max(map(capped.count, capped)) <= cap
    for i in range(12):
        if whole.count(whole[i]) <= cap:
            assert {j for j in range(12) if capped[j] == capped[i]} == {j for j in range(12) if whole[j] == whole[i]}
        else:
            assert {whole[j] for j in range(12) if capped[j] == capped[i]} == {whole[i]}


def test_an_oversize_component_falls_apart_at_its_weakest_links_first() -> None:
    chain = [(0, 1, 9), (1, 2, 9), (2, 3, 1), (3, 4, 9), (4, 5, 9)]
    labels = labels_of(chain, [], cap=4)
    assert [labels[i] == labels[i + 1] for i in range(5)] == [True, True, False, True, True]


def test_must_links_are_never_cut() -> None:
    labels = labels_of([], [(i, i + 1) for i in range(6)], cap=2)
    assert labels.count(labels[0]) == 7
    assert connected_components(0, NO_PAIRS[:, 0], NO_PAIRS[:, 1]).tolist() == []
