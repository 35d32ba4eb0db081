"""The register of requests and complaints: what may follow what, and when a request is late."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contactpoint.requests.register import LAWS, MOST_MONTHS, REASONS, add_months, check, register, request_of
from schemas.decisions import DecisionEvent, kind_of
from schemas.errors import RejectedError
from schemas.requests import (
    Extension,
    Opening,
    RequestAnswered,
    RequestClosed,
    RequestExtended,
    RequestKind,
    RequestOpened,
    RequestRefused,
)

RECEIVED = date(2026, 1, 31)
DUE = date(2026, 2, 28)


def envelope(number: int, reason: str) -> dict[str, Any]:
    decided = datetime(2026, 2, 1, tzinfo=UTC) + timedelta(hours=number)
    return {"event_id": f"{number:032x}", "subject": "Q1", "decided_at": decided, "by": "clerk-2", "reason": reason}


def opened() -> RequestOpened:
    data = Opening(kind="access", child_number="1P363AQQSXXVB", requester="parent", received=RECEIVED, due=DUE)
    return RequestOpened(**envelope(0, "letter"), data=data)


STEPS: dict[str, DecisionEvent] = {
    "extend": RequestExtended(**envelope(1, "complex"), data=Extension(due=date(2026, 4, 30))),
    "answer": RequestAnswered(**envelope(2, "report_given")),
    "refuse": RequestRefused(**envelope(3, "no_authority")),
    "tell": RequestClosed(**envelope(4, "told")),
    "withdraw": RequestClosed(**envelope(5, "withdrawn")),
}


@pytest.mark.parametrize(
    ("steps", "state", "due"),
    [
        ([], "open", DUE),
        (["extend"], "open", date(2026, 4, 30)),
        (["answer"], "answered", DUE),
        (["refuse", "tell"], "closed", DUE),
        (["withdraw"], "closed", DUE),
        (["answer", "extend", "refuse"], "answered", DUE),  # what may not follow changes nothing
        (["tell"], "open", DUE),
        (["withdraw", "answer"], "closed", DUE),
    ],
)
def test_a_request_is_what_its_steps_make_it(steps: list[str], state: str, due: date) -> None:
    found = register([opened(), *(STEPS[step] for step in steps)])["Q1"]
    assert (found.state, found.due) == (state, due)


def test_a_request_is_late_from_the_day_after_it_was_due_until_it_is_answered_or_refused() -> None:
    waiting = register([opened()])["Q1"]
    assert [waiting.overdue(DUE), waiting.overdue(DUE + timedelta(days=1))] == [False, True]
    assert not register([opened(), STEPS["refuse"]])["Q1"].overdue(date(2030, 1, 1))


@pytest.mark.parametrize("due", [DUE, date(2026, 5, 1)])
def test_an_extension_ends_after_the_old_day_and_within_three_months_of_receipt(due: date) -> None:
    later = RequestExtended(**envelope(1, "complex"), data=Extension(due=due))
    with pytest.raises(RejectedError, match="the new day"):
        check(register([opened()])["Q1"], later)


def test_a_step_of_an_erased_request_changes_nothing_and_is_refused_in_words() -> None:
    assert register([STEPS["answer"]]) == {}
    with pytest.raises(RejectedError, match="erased"):
        request_of(register([STEPS["answer"]]), "Q1")


@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=8))
def test_whatever_is_tried_a_request_ends_once_and_every_step_that_counts_says_who_and_when(tried: list[str]) -> None:
    found = register([opened(), *(STEPS[step] for step in tried)])["Q1"]
    ends = [each for each in found.events if isinstance(each, RequestAnswered | RequestRefused)]
    assert len(ends) <= 1
    assert (found.state == "open") == (found.ended_at is None)
    assert all(each.by and each.reason in REASONS[kind_of(each)] for each in found.events)


@given(st.dates(date(1900, 1, 1), date(2200, 1, 1)), st.integers(1, MOST_MONTHS))
def test_months_later_is_the_corresponding_day_or_the_month_s_last(day: date, count: int) -> None:
    later = add_months(day, count)
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == count
    assert later.day == day.day or (later + timedelta(days=1)).day == 1


def test_every_kind_of_request_rests_on_a_law_or_says_that_it_is_a_choice() -> None:
    assert set(LAWS) == set(get_args(RequestKind))
    assert all("art." in law or "own choice" in law for law in LAWS.values())
