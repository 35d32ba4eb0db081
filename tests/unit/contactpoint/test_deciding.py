"""Decisions by people: who suffices for what, and what the event then states."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contactpoint.explaining.sight import Sight
from contactpoint.reviewing.deciding import (
    Deciders,
    State,
    decide_link,
    decide_retraction,
    decide_severed,
    decide_shield,
    later_decisions,
)
from schemas.codec import decode, encode
from schemas.decisions import (
    AnyDecisionEvent,
    DecisionRetracted,
    ErasedRecord,
    Erasure,
    ErasureOrdered,
    EvidenceSeen,
    MustLinkDecided,
    Retraction,
)
from schemas.errors import RejectedError
from schemas.in_force import in_force
from schemas.two_people import Circumstances, why_two

NOW = datetime(2026, 3, 2, 9, 21, tzinfo=UTC)
ONE = Deciders("ann", "typing_error", NOW)
TWO = replace(ONE, approved_by="bob")
A, B, C, GONE = "school-1:1", "health-1:1", "yot-1:1", "school-1:9"


def state(*decisions: AnyDecisionEvent, shielded: tuple[str, ...] = ()) -> State:
    """A and B are one child, C another, GONE is no longer there."""
    return State(
        {A: "CHILD1", B: "CHILD1", C: "CHILD2", GONE: None},
        in_force(decisions),
        Sight(frozenset(shielded), with_right=True),
    )


def because(code: str) -> Deciders:
    return replace(ONE, reason=code)


def test_a_decision_whose_last_day_has_passed_is_not_made() -> None:
    with pytest.raises(RejectedError, match="has passed"):
        decide_link("must_link", (A, B), ONE, state(), expires=date(2026, 3, 1))
    decide_link("must_link", (A, B), ONE, state(), expires=NOW.date())
    with pytest.raises(
        RejectedError, match="has passed"
    ):  # a day that a person named has begun, whatever this clock says
        decide_link("must_link", (A, B), ONE, replace(state(), today=date(2027, 1, 2)), expires=date(2027, 1, 1))


def test_a_decision_names_its_records_in_order_and_what_the_person_saw() -> None:
    seen = EvidenceSeen(model="m", weight=640, levels=(3, 0))
    event = decide_link("must_link", (B, A), ONE, state(), seen=seen, expires=date(2027, 1, 1))
    assert decode(encode(event).value) == event
    assert isinstance(event, MustLinkDecided)
    assert (event.subject, event.data.records, event.data.seen) == (B, (B, A), seen)


@pytest.mark.parametrize(
    ("kind", "pair", "code"),
    [
        pytest.param("must_link", (A, C), "typing_error", id="merges two published children"),
        pytest.param("cannot_link", (A, B), "twins", id="splits a published child"),
    ],
)
def test_a_merge_or_a_split_of_published_children_needs_a_second_person(kind: Any, pair: Any, code: str) -> None:
    with pytest.raises(RejectedError, match="second person"):
        decide_link(kind, pair, because(code), state())
    assert decide_link(kind, pair, replace(because(code), approved_by="bob"), state()).approved_by == "bob"
    for herself in ("ann", "Ann", " ANN"):
        with pytest.raises(RejectedError, match="another person"):
            decide_link(kind, pair, replace(because(code), approved_by=herself), state())


@pytest.mark.parametrize(
    ("kind", "pair", "code"),
    [
        pytest.param("must_link", (A, B), "typing_error", id="confirms what is together"),
        pytest.param("cannot_link", (A, C), "namesakes", id="confirms what is apart"),
        pytest.param("must_link", (A, GONE), "typing_error", id="about a record that is gone"),
    ],
)
def test_one_person_may_confirm_what_is_so(kind: Any, pair: Any, code: str) -> None:
    assert decide_link(kind, pair, because(code), state()).approved_by is None
    with pytest.raises(RejectedError, match="second person"):
        decide_link(kind, pair, because(code), state(shielded=(A,)))


def test_going_against_a_decision_in_force_needs_a_second_person() -> None:
    apart = decide_link("cannot_link", (A, GONE), because("twins"), state())
    with pytest.raises(RejectedError, match="decision in force"):
        decide_link("must_link", (GONE, A), ONE, state(apart))
    severed = decide_severed([A], [GONE], replace(TWO, reason="adoption"))
    with pytest.raises(RejectedError, match="decision in force"):
        decide_link("must_link", (A, GONE), ONE, state(severed))


def test_a_shield_is_set_by_one_and_lifted_by_two() -> None:
    shield = decide_shield([A], because("threat"))
    with pytest.raises(RejectedError, match="lifts a shield"):
        decide_retraction(shield.event_id, because("threat_ended"), state(shield))
    lifted = decide_retraction(shield.event_id, replace(TWO, reason="threat_ended"), state(shield))
    assert in_force([shield, lifted]) == in_force([lifted, shield]) == {}


def test_severing_and_its_retraction_need_two() -> None:
    for people in (because("adoption"), replace(because("adoption"), approved_by="ann")):
        with pytest.raises(RejectedError):
            decide_severed([A], [C], people)
    severed = decide_severed([A, A], [C], replace(TWO, reason="adoption"))
    assert severed.data.former == (A,)
    with pytest.raises(RejectedError, match="second person"):
        decide_retraction(severed.event_id, because("mistaken"), state(severed))
    with pytest.raises(RejectedError, match="as former and as current"):
        decide_severed([A, C], [C], replace(TWO, reason="adoption"))


def test_a_retraction_of_what_holds_a_child_together_needs_two_and_of_a_confirmation_one() -> None:
    together = decide_link("must_link", (A, B), ONE, state())
    with pytest.raises(RejectedError, match="splits a published child"):
        decide_retraction(together.event_id, because("mistaken"), state(together))
    about_gone = decide_link("must_link", (A, GONE), ONE, state())
    assert decide_retraction(about_gone.event_id, because("mistaken"), state(about_gone)).subject == about_gone.event_id
    with pytest.raises(RejectedError, match="no decision"):
        decide_retraction("nothing", because("mistaken"), state())


def test_an_erasure_is_never_taken_back() -> None:
    data = Erasure(records=(ErasedRecord(key=A, source_version=3),))
    erasure = ErasureOrdered(event_id="e", subject=A, decided_at=NOW, by="ann", reason="ordered", data=data)
    with pytest.raises(RejectedError, match="cannot be taken back"):
        decide_retraction("e", because("mistaken"), state(erasure))
    retracted = DecisionRetracted(
        event_id="r", subject="e", decided_at=NOW, by="ann", reason="mistaken", data=Retraction(decision="e")
    )
    assert in_force([retracted, erasure]) == {"e": erasure}


def test_a_retraction_says_which_later_decisions_are_about_the_same_records() -> None:
    first = decide_link("must_link", (A, B), ONE, state())
    later = decide_link("cannot_link", (B, C), replace(because("twins"), decided_at=NOW.replace(hour=11)), state())
    assert later_decisions(first.event_id, state(first, later)) == [later.event_id]
    assert later_decisions(later.event_id, state(first, later)) == []


@pytest.mark.parametrize("code", ["", "because I say so", "twins"])
def test_a_reason_that_is_not_on_the_list_is_refused(code: str) -> None:
    with pytest.raises(RejectedError, match="known: same_address_and_school"):
        decide_link("must_link", (A, B), because(code), state())


@given(st.builds(Circumstances, *[st.booleans()] * 7))
def test_any_circumstance_that_calls_for_two_is_named(circumstances: Circumstances) -> None:
    flags = [getattr(circumstances, name) for name in Circumstances.__dataclass_fields__]
    assert len(why_two(circumstances)) == sum(flags)
