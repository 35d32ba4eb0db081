"""The audit trail's fold: names of items and never values, one row an event whatever comes twice."""

from __future__ import annotations

from datetime import UTC, date, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.audit_trail.fold import (
    ITEMS,
    SourceEventRow,
    changed_items,
    earliest,
    identity_event_row,
    source_event_row,
)
from projections.audit_trail.views import IdentityEventView, RecordEventView
from schemas.catalogue import AnyEvent
from schemas.codec import decode_as, encode
from schemas.errors import RejectedError
from schemas.events import MergedInto, RecordMerged, RecordObserved, record_event_id
from schemas.records import NameClaim, PersonRecord
from tests.strategies import person_records, record_events
from tests.unit.projections.histories import CHILDREN, identity_events

MARK = "Marked"


def row_of(event: AnyEvent, offset: int = 0) -> SourceEventRow:
    return source_event_row(decode_as(encode(event).value, RecordEventView), "source.schools", 1, offset)


def observed(person: PersonRecord, ingested_at: datetime = datetime(2026, 6, 1, tzinfo=UTC)) -> RecordObserved:
    return RecordObserved(
        event_id=record_event_id("school-1:1", "record.observed", 1, "ff"),
        subject="school-1:1",
        feed="feed-1",
        source_version=1,
        fingerprint="ff",
        ingested_at=ingested_at,
        data=person,
    )


@given(person_records)
def test_a_row_names_the_items_that_an_event_holds(person: PersonRecord) -> None:
    present = {name for name in ITEMS if getattr(person, name) not in {None, ()}}
    items = row_of(observed(person)).items
    assert set(items.strip("{}").replace('"', "").split(",")) - {""} == present


def test_a_row_holds_no_value_of_the_record() -> None:
    person = PersonRecord(names=(NameClaim(family=MARK),), birth_date=date(2014, 11, 3), responsible_authority=MARK)
    row = row_of(observed(person))
    assert MARK not in repr(row)
    assert "2014" not in repr(row)


@given(record_events(), st.integers(0, 5))
def test_the_place_in_the_log_changes_only_the_last_three_columns(event: AnyEvent, offset: int) -> None:
    assert row_of(event, offset)[:-3] == row_of(event, offset + 1)[:-3]


@given(st.permutations([datetime(2026, 6, day, tzinfo=UTC) for day in range(1, 5)]))
def test_of_an_event_that_was_received_several_times_the_first_receipt_is_kept(received: list[datetime]) -> None:
    rows = [row_of(observed(PersonRecord(), moment)) for moment in received]
    assert [row.ingested_at for row in earliest(rows).values()] == [datetime(2026, 6, 1, tzinfo=UTC)]


def merged(data: bytes) -> bytes:
    event = RecordMerged(
        event_id="e1",
        subject="school-1:1",
        feed="feed-1",
        source_version=1,
        fingerprint="",
        ingested_at=datetime(2026, 6, 1, tzinfo=UTC),
        data=MergedInto(survivor="school-1:2"),
    )
    return encode(event).value.replace(b'{"survivor":"school-1:2"}', data)


def test_a_merged_record_names_its_survivor() -> None:
    view = decode_as(merged(b'{"survivor":"school-1:2"}'), RecordEventView)
    assert source_event_row(view, "source.schools", 0, 0).survivor == "school-1:2"


@pytest.mark.parametrize("data", [b"{}", b'{"survivor":7}'], ids=["none", "number"])
def test_a_merged_record_without_a_survivor_is_refused(data: bytes) -> None:
    with pytest.raises(RejectedError, match="names no survivor"):
        source_event_row(decode_as(merged(data), RecordEventView), "source.schools", 0, 0)


def test_changed_items_are_those_that_differ() -> None:
    before = PersonRecord(sex="female", birth_date=date(2014, 11, 3))
    after = PersonRecord(sex="female", birth_date=date(2014, 3, 11), names=(NameClaim(family="Doe"),))
    assert changed_items(before, after) == ["names", "birth_date"]
    assert changed_items(None, after) == ["names", "birth_date", "sex"]


def test_an_identity_row_keeps_membership_before_and_after_with_the_evidence() -> None:
    before = {CHILDREN[0]: frozenset({"school-1:1"})}
    after = {CHILDREN[0]: frozenset({"school-1:1", "health-1:1"})}
    [event] = identity_events(before, after, 2)
    row = identity_event_row(decode_as(encode(event).value, IdentityEventView))
    assert row.members == '{"health-1:1","school-1:1"}'
    assert msgspec.json.decode(row.before) == [{"child_number": CHILDREN[0], "members": ["school-1:1"]}]
    assert msgspec.json.decode(row.evidence) == [
        {"left": "health-1:1", "right": "school-1:1", "weight": 1200, "levels": [3, 0, 2]}
    ]
