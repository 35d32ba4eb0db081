from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import lines
from connectors.lines import bounded_lines

ANY_END = re.compile(rb"\r\n|\r|\n")


@given(st.lists(st.binary(max_size=20).map(lambda part: ANY_END.sub(b"x", part)), max_size=8), st.integers(1, 9))
def test_lines_are_the_same_for_every_size_of_read(parts: list[bytes], size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "_CHUNK", size)
        found = [line.content for line in bounded_lines(io.BytesIO(b"\r\n".join(parts)), ANY_END, 100)]
    assert found == (parts if parts and parts[-1] else parts[:-1])


def test_of_an_overlong_line_the_first_part_is_kept_and_the_next_line_follows() -> None:
    found = list(bounded_lines(io.BytesIO(b"a" * 300_000 + b"\nb\n"), ANY_END, 10))
    assert [(line.content, line.number, line.overlong) for line in found] == [(b"a" * 10, 1, True), (b"b", 2, False)]
