"""Decisions in the directory's fold: one result whatever the order, and no moment at which more is seen than may be."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from projections.directory.memory import InMemoryDirectory
from schemas.catalogue import AnyEvent
from schemas.events import RecordObserved
from schemas.records import (
    Address,
    Carer,
    ContactDetails,
    CurrentAddress,
    Education,
    Involvement,
    NameClaim,
    PersonRecord,
    PrimaryCare,
)
from tests.unit.projections.decision_events import clock, decisions, erased, severed, shield
from tests.unit.projections.histories import CHILDREN, KEYS, deliveries, histories, identity_events
from tests.unit.projections.test_directory_fold import fold, observed

HIDDEN = "Hidden"


def readable(state: InMemoryDirectory) -> str:
    """Return all that readers can reach, as text."""
    return repr((state.entries, state.gone, [shown and shown[:6] for _, shown in state.lineage.values()]))


def told(key: str, version: int = 1, **more: Any) -> RecordObserved:
    """Return a record whose every item that a shield hides holds the word HIDDEN."""
    contact = ContactDetails(
        telephone=(f"{HIDDEN} telephone",), email=f"{HIDDEN}@example.org", address=Address(town=f"{HIDDEN} town")
    )
    person = PersonRecord(
        names=(NameClaim(family="Shown", given="Child"),),
        birth_date=date(2014, 11, 3),
        sex="female",
        whereabouts=CurrentAddress(address=Address(lines=(f"1 {HIDDEN} Street",), postcode="ZZ99 3CZ")),
        carers=(Carer(name=NameClaim(family="Shown", given="Carer"), relationship=HIDDEN, contact=contact),),
        education=(Education(institution=f"{HIDDEN} School", contact=contact),),
        primary_care=PrimaryCare(practice=f"{HIDDEN} Surgery"),
        involvements=(Involvement(service=f"{HIDDEN} service", practitioner=HIDDEN, contact=contact),),
        responsible_authority=HIDDEN,
        **more,
    )
    return observed(key, person, version, day=version)


@settings(max_examples=150)
@given(st.data())
def test_any_order_repetition_and_batching_of_records_identities_and_decisions_gives_the_same_tables(
    data: st.DataObject,
) -> None:
    events: list[AnyEvent] = [*data.draw(histories()), *data.draw(decisions())]
    expected = fold([events])
    with patch("projections.directory.fold.DUE_AT_ONCE", data.draw(st.sampled_from([1, 2, 5_000]))):
        assert fold(data.draw(deliveries(events))) == expected


@settings(max_examples=60)
@given(st.data())
def test_once_a_shield_is_folded_no_reader_sees_a_hidden_item_whatever_comes_in_which_order(
    data: st.DataObject,
) -> None:
    history = [event for event in data.draw(histories()) if event.event_type.startswith("identity.")]
    set_ = shield(*KEYS)
    events: list[AnyEvent] = [*map(told, KEYS), *history, clock(date(2026, 5, 1)), set_]
    state, folded = InMemoryDirectory(), False
    for batch in data.draw(deliveries(events)):
        state, folded = fold([batch], state), folded or set_ in batch
        assert not folded or HIDDEN not in readable(state)
    assert all(row.postcode is None for row in state.entries.values())
    assert {row.child_number for row in state.entries.values()} == set(state.shielded)


def test_the_tables_of_the_tests_do_hold_what_a_shield_hides() -> None:
    history = fold([[*map(told, KEYS[:1])]])
    assert HIDDEN in repr(history.records)
    assert CHILDREN


@given(st.data())
def test_a_shield_on_a_child_who_came_back_after_an_erasure_holds_in_any_order(data: st.DataObject) -> None:
    key, child = KEYS[0], CHILDREN[0]
    events = [
        told(key, 1),
        *identity_events({}, {child: frozenset({key})}, 1),
        shield(key, name="before", day=1),
        erased((key, 1), day=4),
        told(key, 2),
        shield(key, name="after", day=6),
    ]
    state = fold(data.draw(deliveries(events)))
    assert state.entries[child].shielded
    assert HIDDEN not in readable(state)
    assert list(state.decisions) == ["after"]


def test_what_a_severance_cuts_leaves_steps_that_look_like_any_other() -> None:
    one, other, new = CHILDREN[:3]
    key, born_again = KEYS[:2]
    lives: list[dict[str, frozenset[str]]] = [
        {one: frozenset({key}), other: frozenset({born_again})},
        {one: frozenset({key, born_again})},
        {one: frozenset({key}), new: frozenset({born_again})},
    ]
    steps = [
        event for version, (a, b) in enumerate(pairwise([{}, *lives]), 1) for event in identity_events(a, b, version)
    ]
    for batches in ([*steps], [severed([key], [born_again])]), ([severed([key], [born_again])], steps):
        shown = {step.child_number: step for _, step in fold(batches).lineage.values() if step}
        assert [(step.kind, step.successors, step.causes) for step in shown.values()] == [("retired", (), ())]
        assert shown.keys() == {other}, "the number in use has lost nobody"
