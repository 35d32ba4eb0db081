from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.linkage.columns import SEPARATOR, RecordColumns, columns_of, vague, with_alternates
from matching.linkage.hashing import combine, combine_unordered, hash_text, hash_texts
from tests.unit.matching.worlds import model, values


def test_hashes_are_the_same_in_every_process() -> None:
    assert hash_text("ANNA") == 0xD70088A891F8DB95
    assert hash_text("") == 0


@given(st.lists(st.text(max_size=4)))
def test_values_hash_alike_alone_and_in_bulk(texts: list[str]) -> None:
    assert hash_texts(texts).tolist() == [hash_text(text) for text in texts]


def test_combined_hashes_keep_order_or_not_and_miss_what_is_missing() -> None:
    a, b = hash_texts(["A", "", "A"]), hash_texts(["B", "B", ""])
    assert combine(a, b)[0] != combine(b, a)[0]
    assert combine_unordered(a, b)[0] == combine_unordered(b, a)[0]
    assert combine(a, b)[1:].tolist() == combine_unordered(a, b)[1:].tolist() == [0, 0]


@given(st.lists(values, max_size=30), st.lists(values, max_size=30), st.data())
def test_rows_are_kept_as_they_were_last_written(
    first: list[tuple[str, ...]], second: list[tuple[str, ...]], data: st.DataObject
) -> None:
    columns = RecordColumns(model())
    columns.append([SEPARATOR.join(row) for row in first], ["a"] * len(first))
    rids = columns.append([SEPARATOR.join(row) for row in second], ["b"] * len(second))
    expected = first + second
    again = data.draw(st.lists(st.sampled_from(range(len(expected))), unique=True) if expected else st.just([]))
    new = ("X|Y", "", "20010101", "", "")
    columns.overwrite(np.array(again, np.int64), columns.fill([SEPARATOR.join(new)] * len(again)))
    for rid in again:
        expected[rid] = new
    every = np.arange(len(expected))
    assert rids.tolist() == list(range(len(first), len(expected)))
    assert columns.hashes(every).tolist() == [hash_texts(row).tolist() for row in expected]
    for field in range(5):
        assert columns.texts(every, field) == [row[field] for row in expected]
        assert with_alternates(columns.flags(every), field).tolist() == ["|" in row[field] for row in expected]
    assert vague(columns.flags(every), 2).tolist() == [row[2] == "20010101" for row in expected]
    assert columns.sources.tolist() == [0] * len(first) + [int(bool(first))] * len(second)
    columns.spread()
    assert [columns.texts(every, field) for field in range(5)] == [
        [row[field] for row in expected] for field in range(5)
    ]


def test_a_change_ends_the_spread_form() -> None:
    columns = columns_of(model(), [("A", "B", "", "", "")], ["s"])
    columns.spread()
    columns.append([SEPARATOR.join(("C", "D", "", "", ""))], ["s"])
    assert columns.whole is None
    assert columns.texts(np.array([0, 1]), 0) == ["A", "C"]


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="every row needs 5 values"):
        columns_of(model(), [("A", "B")], ["s"])
