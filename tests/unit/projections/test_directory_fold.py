"""The directory's fold: one result whatever the order, and nothing in it that readers may not see."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from projections.directory.child import outcome
from projections.directory.entry import SENSITIVE_SERVICE
from projections.directory.fold import add_decision, add_identity, add_record, fold_into, record_version
from projections.directory.memory import InMemoryDirectory
from projections.directory.rulings import CONSENT, Ruling, Standing, view_of
from projections.directory.state import Batch, EntryRow, IdentityVersion, RecordVersion
from projections.directory.views import IdentityView, RecordView
from schemas.catalogue import AnyEvent
from schemas.codec import decode_as, encode
from schemas.events import AnyIdentityEvent, RecordObserved, RecordWithdrawn, record_event_id
from schemas.records import (
    Address,
    Carer,
    ContactDetails,
    CurrentAddress,
    Education,
    Identifier,
    Involvement,
    LastKnownAddress,
    LeftEngland,
    NameClaim,
    NoKnownAddress,
    PersonRecord,
    PrimaryCare,
    WithheldAddress,
)
from schemas.topics import DECISIONS, IDENTITIES
from tests.strategies import person_records
from tests.unit.projections.histories import CHILDREN, deliveries, histories, identity_events, kind_of, topic_of

HIDDEN = "HiddenProvider"
CHILD = CHILDREN[0]


def observed(key: str, person: PersonRecord, version: int = 1, day: int | None = None) -> RecordObserved:
    fingerprint = f"{version:04}"
    return RecordObserved(
        event_id=record_event_id(key, "record.observed", version, fingerprint),
        subject=key,
        feed="feed-1",
        source_version=version,
        fingerprint=fingerprint,
        source_time=None if day is None else datetime(2026, 1, day, tzinfo=UTC),
        ingested_at=datetime(2026, 6, 1, tzinfo=UTC),
        data=person,
    )


def withdrawn(key: str, version: int) -> RecordWithdrawn:
    return RecordWithdrawn(
        event_id=record_event_id(key, "record.withdrawn", version, ""),
        subject=key,
        feed="feed-1",
        source_version=version,
        fingerprint="",
        ingested_at=datetime(2026, 6, 1, tzinfo=UTC),
    )


def fold(batches: Iterable[Sequence[AnyEvent]], state: InMemoryDirectory | None = None) -> InMemoryDirectory:
    state = state or InMemoryDirectory()
    for events in batches:
        batch = Batch()
        for event in events:
            value = encode(event).value
            topic = topic_of(event)
            if topic == IDENTITIES:
                add_identity(batch, decode_as(value, IdentityView))
            elif topic == DECISIONS:
                add_decision(batch, view_of(value))
            else:
                add_record(batch, decode_as(value, RecordView), kind_of(event.subject))
        fold_into(state, batch)
    return state


def version_of(event: RecordObserved) -> RecordVersion:
    return record_version(decode_as(encode(event).value, RecordView), kind_of(event.subject))


def test_a_step_that_is_told_again_after_a_restore_keeps_its_first_time_whatever_the_batches() -> None:
    before, after = {CHILD: frozenset({"school-1:1"})}, {CHILDREN[1]: frozenset({"school-1:1"})}
    told = [*identity_events({}, before, 1), *identity_events(before, after, 2)]
    again = [event.model_copy(update={"decided_at": datetime(2027, 1, 1, tzinfo=UTC)}) for event in told]
    assert fold([[*told, *again]]).lineage == fold([told, again]).lineage == fold([told]).lineage != {}


def document(*events: RecordObserved) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(entry_of(*events).document)
    return found


def entry_of(*events: RecordObserved, today: date | None = None) -> EntryRow:
    """Return the entry of a child with these records; consent is given to show its sensitive services."""
    live = [version_of(event) for event in events]
    identity = IdentityVersion(CHILD, 1, "identity.created", tuple(event.subject for event in events))
    row = outcome(identity, live, [consent(*identity.members)], today).entry
    assert row is not None
    return row


def consent(*records: str) -> Standing:
    ruling = Ruling("consent-1", CONSENT, datetime(2026, 1, 1, tzinfo=UTC), records, scope="sensitive_services")
    return Standing(ruling, None)


def children(*members: str, version: int = 1) -> list[AnyIdentityEvent]:
    return identity_events({}, {CHILD: frozenset(members)}, version)


@given(st.data())
def test_any_order_repetition_and_batching_of_the_events_gives_the_same_tables(data: st.DataObject) -> None:
    events = data.draw(histories())
    assert fold(data.draw(deliveries(events))) == fold([events])


@given(histories())
def test_an_entry_is_a_function_of_the_newest_versions_alone(events: list[AnyEvent]) -> None:
    state = fold([[event] for event in events])
    expected = {}
    for child, identity in state.children.items():
        records = [state.records[key] for key in identity.members if key in state.records]
        row = outcome(identity, [record for record in records if record.person], [], None).entry
        if row is not None:
            expected[child] = row
    assert state.entries == expected


@given(histories())
def test_memberships_are_those_of_the_newest_identity_events(events: list[AnyEvent]) -> None:
    state = fold([[event] for event in events])
    assert state.memberships == {(key, child) for child, last in state.children.items() for key in last.members}


@given(st.lists(st.tuples(st.sampled_from(["school-1:1", "health-1:1", "yot-1:1"]), person_records), min_size=1))
def test_an_entry_holds_no_supplier_identifier_and_no_unlisted_item(people: list[tuple[str, PersonRecord]]) -> None:
    marked = [
        observed(key, person.model_copy(update={"identifiers": (Identifier(scheme="nhs", value="9990001006"),)}))
        for key, person in dict(people).items()
    ]
    entry = document(*marked)
    assert set(entry) <= {
        *("child_number", "sources", "names", "sex", "birth_date", "whereabouts", "carers", "education"),
        *("primary_care", "involvements", "lead_professional", "assessment", "responsible_authority", "death_date"),
    }
    assert "9990001006" not in json.dumps(entry)


sensitive_involvements = st.builds(
    Involvement,
    service=st.just(f"{HIDDEN} service"),
    organisation=st.just(f"{HIDDEN} organisation"),
    practitioner=st.just(f"{HIDDEN} practitioner"),
    contact=st.just(ContactDetails(telephone=(f"{HIDDEN} 1",), email=f"{HIDDEN}@example.org")),
    start=st.none() | st.dates(),
    sensitive=st.just(True),
    lead_professional=st.booleans(),
    holds_assessment=st.booleans(),
)


@given(st.lists(person_records, min_size=1, max_size=3), st.data())
def test_a_sensitive_provider_and_the_record_that_names_it_reach_no_table(
    people: list[PersonRecord], data: st.DataObject
) -> None:
    keys = ["school-1:1", "health-1:1", "yot-1:1"][: len(people)]
    events = [observed(key, person) for key, person in zip(keys, people, strict=True)]
    hidden = data.draw(st.sampled_from(range(len(people))))
    services = (*people[hidden].involvements, *data.draw(st.lists(sensitive_involvements, min_size=1, max_size=2)))
    events[hidden] = observed(keys[hidden], people[hidden].model_copy(update={"involvements": services}))
    entry = entry_of(*events)
    assert HIDDEN not in repr(entry)
    assert SENSITIVE_SERVICE in entry.document
    assert all(key not in entry.document for key in keys)
    state = fold([[*events, *children(*keys)]])  # without consent
    assert HIDDEN not in repr((state.entries, state.lineage, state.gone, state.sensitive))


def test_a_sensitive_service_shows_that_it_exists_and_its_dates_only() -> None:
    person = PersonRecord(
        involvements=(
            Involvement(
                service="youth offending team",
                organisation="Example YOT",
                practitioner="Test Worker",
                start=date(2025, 2, 1),
                sensitive=True,
                lead_professional=True,
                holds_assessment=True,
            ),
        )
    )
    entry = document(observed("yot-1:1", person, day=2))
    sensitive = {"service": SENSITIVE_SERVICE, "sensitive": True}
    assert [item["value"] for item in entry["involvements"]] == [sensitive | {"start": "2025-02-01"}]
    assert [item["value"] for item in entry["lead_professional"]] == [sensitive]
    assert [item["value"] for item in entry["assessment"]] == [sensitive]
    assert entry["sources"] == [{"event": entry["sources"][0]["event"], "kind": "other", "as_of": "2026-01-02"}]


def test_each_item_names_its_record_event_and_age() -> None:
    event = observed("school-1:1", PersonRecord(sex="female"), day=5)
    entry = document(event)
    source = entry["sources"][entry["sex"]["source"]]
    assert source == {"event": event.event_id, "kind": "education", "as_of": "2026-01-05"}


def test_the_latest_statement_of_an_address_is_shown() -> None:
    older = PersonRecord(whereabouts=CurrentAddress(address=Address(town="Oldtown", postcode="ZZ1 1AA")))
    newer = PersonRecord(whereabouts=CurrentAddress(address=Address(town="Newtown", postcode="ZZ99 3CZ")))
    row = entry_of(observed("school-1:1", older, day=1), observed("health-1:1", newer, day=9))
    assert row.postcode == "ZZ99 3CZ"


def test_a_known_address_comes_before_a_newer_statement_that_none_is_known() -> None:
    known = observed("school-1:1", PersonRecord(whereabouts=LastKnownAddress(address=Address(town="Oldtown"))), day=1)
    unknown = observed("health-1:1", PersonRecord(whereabouts=NoKnownAddress()), day=9)
    assert document(known, unknown)["whereabouts"]["value"]["status"] == "last_known"


def test_a_child_that_left_england_after_the_last_known_address_is_shown_so() -> None:
    here = observed("school-1:1", PersonRecord(whereabouts=CurrentAddress(address=Address(town="Oldtown"))), day=1)
    gone = observed("health-1:1", PersonRecord(whereabouts=LeftEngland(intends_return="no")), day=9)
    assert document(here, gone)["whereabouts"]["value"] == {"status": "left_england", "intends_return": "no"}


def test_an_address_that_one_source_withholds_is_not_shown_from_another_nor_through_the_carers() -> None:
    home = Address(lines=("1 Secret Street",), postcode="ZZ99 3CZ")
    carer = Carer(name=NameClaim(family="Doe"), contact=ContactDetails(address=home, telephone=("07700 900000",)))
    school = observed("school-1:1", PersonRecord(whereabouts=CurrentAddress(address=home), carers=(carer,)), day=9)
    health = observed("health-1:1", PersonRecord(whereabouts=WithheldAddress()), day=1)
    entry = document(school, health)
    assert entry["whereabouts"]["value"] == {"status": "withheld"}
    assert entry["carers"][0]["value"] == {"name": {"kind": "legal", "family": "Doe"}}
    assert "Secret" not in json.dumps(entry)


def test_a_former_name_is_listed_after_the_legal_one() -> None:
    names = (NameClaim(kind="former", family="Smith", given="Zoe"), NameClaim(family="O'Neill", given="Zoë"))
    row = entry_of(observed("school-1:1", PersonRecord(names=names)))
    assert (row.surname, row.forename, row.others) == ("oneill", "zoe", ("smith", "smith zoe"))
    assert [item["value"]["family"] for item in json.loads(row.document)["names"]] == ["O'Neill", "Smith"]


def test_a_name_that_two_sources_give_is_listed_once() -> None:
    first = observed("school-1:1", PersonRecord(names=(NameClaim(family="O'Neill", given="Zoë"),)), day=1)
    second = observed("health-1:1", PersonRecord(names=(NameClaim(family="ONEILL", given="ZOE"),)), day=2)
    assert len(document(first, second)["names"]) == 1


def test_a_health_record_decides_between_two_stated_birth_dates() -> None:
    school = observed("school-1:1", PersonRecord(birth_date=date(2014, 3, 11)), day=9)
    health = observed("health-1:1", PersonRecord(birth_date=date(2014, 11, 3)), day=1)
    assert document(school, health)["birth_date"]["value"] == {"date": "2014-11-03", "basis": "stated"}


def test_a_school_that_the_child_attends_comes_before_one_that_it_left() -> None:
    left = Education(institution="Old Primary", institution_code="1", end=date(2024, 7, 20))
    attends = Education(institution="New Secondary", institution_code="2")
    entry = document(observed("school-1:1", PersonRecord(education=(left, attends))))
    assert [item["value"]["institution"] for item in entry["education"]] == ["New Secondary", "Old Primary"]


def test_practice_carers_and_services_are_shown_with_their_contacts() -> None:
    contact = ContactDetails(telephone=("0117 4960000",))
    person = PersonRecord(
        primary_care=PrimaryCare(practice="Example Surgery", contact=contact),
        carers=(Carer(name=NameClaim(family="Doe"), parental_responsibility=True, contact=contact),),
        involvements=(Involvement(service="school nursing", practitioner="Test Nurse", contact=contact),),
    )
    entry = document(observed("health-1:1", person))
    shown = (entry["primary_care"], entry["carers"][0], entry["involvements"][0])
    assert [item["value"]["contact"]["telephone"] for item in shown] == [["0117 4960000"]] * 3


def test_a_withdrawn_record_leaves_the_entry_and_the_last_one_takes_the_entry_with_it() -> None:
    first = observed("school-1:1", PersonRecord(sex="female"))
    second = observed("health-1:1", PersonRecord(birth_date=date(2014, 11, 3)))
    state = fold([[first, second, *children("school-1:1", "health-1:1")], [withdrawn("health-1:1", 2)]])
    assert "birth_date" not in json.loads(state.entries[CHILD].document)
    state = fold([[withdrawn("school-1:1", 2)]], state)
    assert state.entries == {}


def test_a_late_older_version_changes_nothing() -> None:
    newest = observed("school-1:1", PersonRecord(sex="female"), version=2)
    state = fold([[newest, *children("school-1:1")]])
    before = dict(state.entries)
    state = fold([[observed("school-1:1", PersonRecord(sex="male"), version=1)]], state)
    assert state.entries == before


def test_every_merge_split_and_retirement_leaves_a_step_of_lineage() -> None:
    start = {CHILDREN[0]: frozenset({"school-1:1"}), CHILDREN[1]: frozenset({"health-1:1"})}
    merged = {CHILDREN[0]: frozenset({"school-1:1", "health-1:1"})}
    events = [*identity_events({}, start, 1), *identity_events(start, merged, 2), *identity_events(merged, {}, 3)]
    state = fold([events])
    steps = {(step.child_number, step.kind, step.successors) for _, step in state.lineage.values() if step}
    assert steps == {(CHILDREN[1], "merged", (CHILDREN[0],)), (CHILDREN[0], "retired", ())}
