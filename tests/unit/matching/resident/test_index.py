from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from matching.linkage.hashing import Hashes, Indices
from matching.resident.edges import EdgeTable
from matching.resident.index import BlockIndex

# Few different keys, of which many want the same slots: the first one, its neighbour, one amid, and the last.
KEYS = [(high << 32) + low for high in (0, 2**20, 2**31, 2**32 - 1) for low in range(1, 5)]
postings = st.lists(st.tuples(st.sampled_from(KEYS), st.integers(0, 30)), unique=True, max_size=60)


def arrays(pairs: list[tuple[int, int]]) -> tuple[Hashes, Indices]:
    return np.array([key for key, _ in pairs], np.uint64), np.array([rid for _, rid in pairs], np.int64)


def found(index: BlockIndex, keys: list[int]) -> dict[int, list[int]]:
    positions, rids = index.candidates(np.array(keys, np.uint64))
    result: dict[int, list[int]] = {key: [] for key in keys}
    for position, rid in zip(positions.tolist(), rids.tolist(), strict=True):
        result[keys[position]].append(rid)
    return {key: sorted(records) for key, records in result.items()}


@given(st.lists(postings, max_size=4), st.data())
def test_the_index_finds_what_was_added_and_not_removed(
    batches: list[list[tuple[int, int]]], data: st.DataObject
) -> None:
    index = BlockIndex()
    held: set[tuple[int, int]] = set()
    for batch in batches:
        index.add(*arrays([pair for pair in batch if pair not in held]))
        held |= set(batch)
        gone = data.draw(st.lists(st.sampled_from(sorted(held)), unique=True) if held else st.just([]))
        index.remove(*arrays([*gone, (5, 99)]))
        held -= set(gone)
        assert found(index, KEYS) == {key: sorted(rid for k, rid in held if k == key) for key in KEYS}
        assert len(index) == len(held)


@given(postings, st.sets(st.integers(0, 60)))
def test_adding_some_and_finding_all_is_adding_and_then_finding(pairs: list[tuple[int, int]], there: set[int]) -> None:
    one, other = BlockIndex(), BlockIndex()
    keys, rids = arrays(pairs)
    new = np.array([place not in there for place in range(len(pairs))], dtype=bool)
    for index in (one, other):
        index.add(keys[~new], rids[~new])
    other.add(keys[new], rids[new])
    at_once, after = (
        sorted(zip(positions.tolist(), records.tolist(), strict=True))
        for positions, records in (one.add_and_find(keys, rids, new), other.candidates(keys))
    )
    assert at_once == after
    assert len(one) == len(other) == len(pairs)


def test_the_index_grows_and_is_made_again_when_most_postings_are_gone() -> None:
    index = BlockIndex()
    rng = np.random.default_rng(1)
    keys = rng.integers(0, 2**64, 30_000, dtype=np.uint64, endpoint=False)
    keys[::3] = keys[0]
    rids = np.arange(30_000, dtype=np.int64)
    for start in range(0, 30_000, 7_000):
        index.add(keys[start : start + 7_000], rids[start : start + 7_000])
    assert len(index.candidates(keys[:1])[0]) == 10_000
    index.remove(keys[:20_000], rids[:20_000])
    assert len(index) == 10_000
    assert found(index, [int(keys[25_000])]) == {int(keys[25_000]): [25_000]}
    assert found(index, [int(keys[1])]) == {int(keys[1]): []}


def test_while_the_index_grows_all_is_found_where_it_is_now() -> None:
    index, rng = BlockIndex(), np.random.default_rng(2)
    keys = rng.integers(1, 2**64, 40_000, dtype=np.uint64)
    # Some want the same slots: the first one, one amid, and the last.
    keys[::200] = (
        (rng.choice(np.array([0, 2**31, 2**32 - 1], np.uint64), 200) << np.uint64(32)) + keys[::200] % 2**20 + 1
    )
    keys = rng.permutation(np.unique(keys))
    ends = [20_000, *range(20_100, 26_000, 100), len(keys)]
    for start, end in pairwise([0, *ends]):
        index.add(keys[start:end], np.arange(start, end))
        at, rids = index.candidates(keys[:end])
        assert (np.sort(at) == np.arange(end)).all()
        assert (at == rids).all()
    assert index.records_of(int(keys[9])) == [9]


def test_an_empty_index_finds_nothing() -> None:
    assert found(BlockIndex(), KEYS) == {key: [] for key in KEYS}
    assert found(BlockIndex(), []) == {}


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.dictionaries(
                st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda pair: pair[0] < pair[1]),
                st.integers(-500, 500),
                max_size=12,
            ),
            st.sets(st.integers(0, 9), max_size=3),
        ),
        max_size=5,
    )
)
def test_edges_hold_until_one_of_their_records_changes(
    steps: list[tuple[dict[tuple[int, int], int], set[int]]],
) -> None:
    table, versions = EdgeTable(), np.zeros(10, np.int32)
    table.reserve(10)
    held: dict[tuple[int, int], int] = {}
    for added, changed in steps:
        new = {pair: weight for pair, weight in added.items() if pair not in held}
        left, right = (np.array([pair[side] for pair in new], np.int64) for side in (0, 1))
        table.add(left, right, np.array(list(new.values()), np.int64), versions)
        held |= new
        rids = np.array(sorted(changed), np.int64)
        table.drop(rids, versions)
        versions[rids] += 1
        held = {pair: weight for pair, weight in held.items() if not changed.intersection(pair)}
        both = held | {(b, a): weight for (a, b), weight in held.items()}
        columns = (column.tolist() for column in table.of(np.arange(10), versions))
        assert sorted(zip(*columns, strict=True)) == sorted((a, b, weight) for (a, b), weight in both.items())
        table.compact(versions)


def test_stale_edges_are_cleared_away() -> None:
    table, versions = EdgeTable(), np.zeros(3, np.int32)
    table.reserve(3)
    for _ in range(5_000):
        table.add(np.array([0]), np.array([1]), np.array([7]), versions)
        table.drop(np.array([0]), versions)
        versions[0] += 1
        table.compact(versions)
    table.add(np.array([0]), np.array([2]), np.array([9]), versions)
    assert [column.tolist() for column in table.of(np.array([0]), versions)] == [[0], [2], [9]]
    assert table.capacity < 20_000
