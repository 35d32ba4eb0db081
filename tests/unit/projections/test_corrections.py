"""Corrections: what the responsible authority found right is shown, and no later delivery undoes it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from projections.directory.explanation import explain_field
from projections.directory.fold import add_decision, add_identity, add_record, changes
from projections.directory.memory import InMemoryDirectory
from projections.directory.rulings import standing, view_of
from projections.directory.state import Batch
from projections.directory.views import IdentityView, RecordView
from schemas.catalogue import AnyEvent
from schemas.codec import decode_as, encode
from schemas.decisions import DecisionRetracted, Retraction, Shield, ShieldSet
from schemas.directory_decisions import CorrectedItems, Correction, CorrectionMade
from schemas.events import RecordObserved, record_event_id
from schemas.records import (
    Address,
    CurrentAddress,
    LastKnownAddress,
    LeftEngland,
    NameClaim,
    NoKnownAddress,
    PersonRecord,
    Whereabouts,
    WithheldAddress,
)
from tests.unit.projections.histories import CHILDREN, deliveries, identity_events, topic_of

CHILD, OTHER, KEY, HEALTH = *CHILDREN[:2], "school-1:1", "health-1:1"
HOME = CurrentAddress(address=Address(lines=("1 Mill Lane",), postcode="ZZ99 3CZ"))
SIX = (KEY, HEALTH, "school-1:2", "health-1:2", "school-1:3", "health-1:3")
WRONG, RIGHT = date(2014, 3, 2), date(2014, 2, 3)


def stated(version: int, born: date = WRONG, key: str = KEY) -> RecordObserved:
    fingerprint = f"{version:04}"
    person = PersonRecord(names=(NameClaim(family="Okafor", given="Ade"),), birth_date=born)
    return RecordObserved(
        event_id=record_event_id(key, "record.observed", version, fingerprint),
        subject=key,
        feed="feed-1",
        source_version=version,
        fingerprint=fingerprint,
        ingested_at=datetime(2026, 6, 1, tzinfo=UTC),
        data=person,
    )


def correction(hour: int = 9, **items: Any) -> CorrectionMade:
    said: dict[str, Any] = {
        "event_id": f"correction-{hour}",
        "subject": KEY,
        "by": "manager-3",
        "reason": "certificate",
    }
    records = items.pop("records", (KEY,))
    says = CorrectedItems(**(items or {"birth_date": RIGHT}))
    return CorrectionMade(
        **said, decided_at=datetime(2026, 6, 2, hour, tzinfo=UTC), data=Correction(records=records, says=says)
    )


def retraction(of: str) -> DecisionRetracted:
    said: dict[str, Any] = {"event_id": f"no-{of}", "subject": of, "by": "manager-3", "reason": "mistaken"}
    moment = datetime(2026, 6, 3, tzinfo=UTC)
    return DecisionRetracted(**said, decided_at=moment, data=Retraction(decision=of))


def fold(*batches: Sequence[AnyEvent]) -> InMemoryDirectory:
    state = InMemoryDirectory()
    for events in batches:
        batch = Batch()
        for event in events:
            value, topic = encode(event).value, topic_of(event)
            if topic == "identities":
                add_identity(batch, decode_as(value, IdentityView))
            elif topic == "decisions":
                add_decision(batch, view_of(value))
            else:
                add_record(batch, decode_as(value, RecordView), "schools")
        state.save(changes(batch, state))
    return state


def shown(state: InMemoryDirectory) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(state.entries[CHILD].document)
    return found


def born(state: InMemoryDirectory, child: str) -> date:
    return date.fromisoformat(json.loads(state.entries[child].document)["birth_date"]["value"]["date"])


def child(*members: str) -> list[AnyEvent]:
    return list(identity_events({}, {CHILD: frozenset(members)}, 1))


def test_a_corrected_item_is_shown_with_the_decision_as_its_source() -> None:
    entry = shown(fold([stated(1), correction(), *child(KEY)]))
    assert entry["birth_date"]["value"]["date"] == RIGHT.isoformat()
    assert entry["sources"][entry["birth_date"]["source"]]["event"] == "correction-9"
    assert entry["names"][0]["value"]["given"] == "Ade"


def test_no_later_delivery_of_any_source_undoes_a_correction() -> None:
    state = fold([stated(1), *child(KEY, HEALTH)], [correction()], [stated(2), stated(1, key=HEALTH)], [stated(3)])
    assert shown(state)["birth_date"]["value"]["date"] == RIGHT.isoformat()
    assert state.entries[CHILD].birth_date == RIGHT


@pytest.mark.parametrize(
    ("where", "day", "status"),
    [
        (HOME, 2, "left_england"),
        (HOME, 4, "current"),
        (WithheldAddress(), 4, "withheld"),
        (LastKnownAddress(address=HOME.address), 4, "left_england"),
    ],
)
def test_that_a_child_left_england_gives_way_only_to_who_says_later_that_it_lives_here(
    where: Whereabouts, day: int, status: str
) -> None:
    left = correction(whereabouts=LeftEngland(intends_return="unknown", since=date(2026, 6, 1)))  # said on 2 June
    said = stated(1).model_copy(
        update={"data": PersonRecord(whereabouts=where), "source_time": datetime(2026, 6, day, tzinfo=UTC)}
    )
    assert shown(fold([said, left, *child(KEY)]))["whereabouts"]["value"]["status"] == status
    assert shown(fold([said, *child(KEY)], [left]))["whereabouts"]["value"]["status"] == status


@pytest.mark.parametrize("cut", [True, False])
def test_after_a_split_only_the_child_with_most_of_the_records_keeps_a_correction(*, cut: bool) -> None:
    together, apart = {CHILD: frozenset(SIX)}, {CHILD: frozenset(SIX[:3]), OTHER: frozenset(SIX[3:])}
    made, split = identity_events({}, together, 1), identity_events(together, apart, 2)
    events = [*(stated(1, key=key) for key in SIX), correction(records=SIX[:5]), *made]
    state = fold(events, split) if cut else fold([*split, *events])
    assert {child: born(state, child) for child in apart} == {CHILD: RIGHT, OTHER: WRONG}
    halves = {CHILD: frozenset(SIX[:2]), OTHER: frozenset(SIX[2:4])}  # of the rest nothing is said any more
    assert {child: born(fold(events, split, identity_events(apart, halves, 3)), child) for child in halves} == {
        CHILD: WRONG,
        OTHER: WRONG,
    }, "nobody can say whose it is"
    assert born(fold(events, split, identity_events(apart, together, 3)), CHILD) == RIGHT


def test_a_later_correction_replaces_an_earlier_one_of_the_item_and_leaves_the_others() -> None:
    first = correction(9, sex="female", birth_date=date(2014, 1, 1))
    entry = shown(fold([stated(1), correction(10), first, *child(KEY)]))
    assert entry["birth_date"]["value"]["date"] == RIGHT.isoformat()
    assert entry["sex"]["value"] == "female"


def test_a_retracted_correction_gives_the_word_back_to_the_sources() -> None:
    state = fold([stated(1), correction(), *child(KEY)], [retraction("correction-9")])
    assert shown(state)["birth_date"]["value"]["date"] == WRONG.isoformat()


def test_a_death_that_a_source_states_wrongly_is_taken_back_or_put_right() -> None:
    dead = stated(1)
    dead = dead.model_copy(update={"data": dead.data.model_copy(update={"death_date": date(2026, 5, 1)})})
    said = shown(fold([dead, *child(KEY)]))
    assert said["death_date"]["value"] == "2026-05-01"
    assert "death_date" not in shown(fold([dead, correction(alive=True), *child(KEY)]))
    later = correction(10, death_date=date(2026, 5, 31))
    assert shown(fold([dead, correction(alive=True), later, *child(KEY)]))["death_date"]["value"] == "2026-05-31"
    with pytest.raises(ValidationError, match="alive"):
        CorrectedItems(alive=True, death_date=date(2026, 5, 1))


def test_a_field_that_was_corrected_is_explained_by_the_correction() -> None:
    state = fold([stated(1), correction(), correction(10, alive=True), *child(KEY)])
    live, standings = list(state.versions([KEY]).values()), standing(state.rulings_about([KEY]), state)
    told = explain_field("birth_date", live, standings, None).statements
    assert [(each.event, each.shown) for each in told] == [("correction-9", True), (stated(1).event_id, False)]
    assert "correction" in told[1].why
    assert explain_field("names", live, standings, None).statements[0].shown


def test_a_correction_of_the_address_does_not_show_through_a_shield() -> None:
    address = {"lines": ["9 Hidden Way"], "postcode": "ZZ99 3CZ"}
    moved = correction(whereabouts=CurrentAddress.model_validate({"address": address}))
    said: dict[str, Any] = {"event_id": "shield-1", "subject": KEY, "by": "manager-3", "reason": "threat"}
    shield = ShieldSet(**said, decided_at=datetime(2026, 6, 2, tzinfo=UTC), data=Shield(records=(KEY,)))
    state = fold([stated(1), moved, *child(KEY)], [shield])
    assert "Hidden" not in str(state.entries[CHILD])


@given(st.data())
def test_the_order_in_which_corrections_and_deliveries_arrive_does_not_matter(data: st.DataObject) -> None:
    events = [
        stated(1),
        stated(2, date(2013, 1, 1)),
        correction(9),
        correction(11, names=(NameClaim(family="Okafor", given="Ada"),)),
        correction(12, whereabouts=NoKnownAddress()),
        retraction("correction-11"),
        *child(KEY),
    ]
    assert fold(*data.draw(deliveries(events))).entries == fold(events).entries
