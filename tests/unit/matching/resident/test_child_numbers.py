from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from matching.resident.child_numbers import child_numbers
from schemas.identity import child_number


@given(st.lists(st.text()))
def test_many_founders_get_the_numbers_that_each_gets_alone(founders: list[str]) -> None:
    assert child_numbers(founders) == list(map(child_number, founders))
