"""What the trail says was destroyed is compared with what the log ordered."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contactpoint.erasing.ordered import Destroying, unordered
from contactpoint.erasing.places import request_of
from projections.access.store import queries_request
from tests.unit.projections.decision_events import erased

ORDER = erased(("school:1", 1), children=("child-a", "child-b"))
NAME = request_of(ORDER)


def told(*entries: Destroying, before: date = date(2020, 5, 3)) -> list[tuple[int | None, str]]:
    return [(each.leaf, each.detail) for each in unordered(entries, {NAME: ORDER}, before)]


@given(st.lists(st.lists(st.sampled_from("klm"), min_size=1, max_size=3, unique=True), max_size=4))
def test_an_order_covers_as_many_keys_as_it_names_child_numbers_however_often_it_is_carried_out(
    keys: list[list[str]],
) -> None:
    seen = [{each for some in keys[: leaf + 1] for each in some} for leaf in range(len(keys))]
    found = told(*(Destroying(leaf, NAME, some, None) for leaf, some in enumerate(keys)))
    assert [leaf for leaf, _ in found] == [leaf for leaf, so_far in enumerate(seen) if len(so_far) > 2]


@given(st.dates(date(2019, 1, 1), date(2021, 12, 31)), st.integers(-40, 40))
def test_keys_of_months_go_by_an_entry_once_their_time_is_over_if_they_sealed_nothing_newer(
    day: date, newest: int
) -> None:
    month = day.replace(day=1)
    sealed = datetime(month.year, month.month, 1, tzinfo=UTC) + timedelta(days=newest)
    found = told(Destroying(0, queries_request(month), ["k"], sealed), before=day)
    assert bool(found) is (newest >= 0)
    assert "no day of the log" in told(Destroying(0, queries_request(day), ["k"], None), before=date.min)[0][1]
    assert told(Destroying(0, queries_request(day), ["k"], None), before=month - timedelta(days=1))


@pytest.mark.parametrize(
    "request_", ["erasure-other", "queries-before-2020-05-01", "2020-05", "x-2020-05", "", NAME + "x"]
)
def test_whatever_else_an_entry_names_is_no_order(request_: str) -> None:
    assert told(Destroying(7, request_, ["k"], None)) == [(7, f"key not ordered: the log has no order {request_}")]
