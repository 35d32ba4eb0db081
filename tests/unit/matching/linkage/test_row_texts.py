from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from matching.linkage.row_texts import RowTexts

texts = st.lists(st.text(max_size=6), max_size=5)


def block(rows: list[str]) -> tuple[bytes, list[int]]:
    encoded = [row.encode() for row in rows]
    return b"\x1f".join(encoded), list(map(len, encoded))


@given(st.lists(st.tuples(texts, st.dictionaries(st.integers(0, 9), st.text(max_size=6), max_size=4)), max_size=6))
def test_rows_read_back_as_they_were_last_written(steps: list[tuple[list[str], dict[int, str]]]) -> None:
    kept, expected = RowTexts(), list[str]()
    for more, changes in steps:
        kept.append(*block(more))
        expected += more
        changed = {rid: text for rid, text in changes.items() if rid < len(expected)}
        kept.overwrite(np.array(list(changed), np.int64), *block(list(changed.values())))
        for rid, text in changed.items():
            expected[rid] = text
        assert kept.rows(np.arange(len(kept))) == expected == [kept.row(rid) for rid in range(len(kept))]


def test_gaps_are_closed_up_once_they_are_most_of_the_block() -> None:
    kept = RowTexts()
    kept.append(*block(["some text"] * 2000))
    for number in range(50):
        kept.overwrite(np.arange(2000), *block([f"text {number}"] * 2000))
        assert kept.capacity < 2 * 2000 * 10 + 2000 * 8
    assert set(kept.rows(np.arange(2000))) == {"text 49"}
