"""Checklist lines of contactpoint-rules.md §6 that the directory keeps: 1, 3, 5, 6, 7, 9, 15, 17, 18, 27 and 30.

The fold and its tables in memory are the real ones; docs/requirements.md names the tests of lines that need a server.
"""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projections.directory.authority import responsibility
from projections.directory.explanation import explain_field
from projections.directory.memory import InMemoryDirectory
from projections.directory.overlay import Overlay
from projections.directory.retention import PERIODS
from projections.directory.rulings import Standing
from projections.directory.state import Batch
from projections.directory.survivorship import RULES
from schemas.catalogue import AnyEvent
from schemas.events import IdentityHeld, IdentityReleased
from schemas.records import (
    Address,
    CurrentAddress,
    Education,
    Involvement,
    LastKnownAddress,
    LeftEngland,
    NameClaim,
    NoKnownAddress,
    PersonRecord,
)
from tests.unit.projections.decision_events import (
    assumed,
    clock,
    consent,
    erased,
    harm,
    participation,
    retracted,
    severed,
    shield,
    withdrawn,
)
from tests.unit.projections.histories import CHILDREN, deliveries, identity_events
from tests.unit.projections.test_directory_decisions import HIDDEN, readable, told
from tests.unit.projections.test_directory_fold import fold, observed
from tests.unit.projections.test_directory_fold import withdrawn as taken_back

CHILD, OTHER = CHILDREN[0], CHILDREN[1]
SCHOOL, HEALTH, YOT = "school-1:1", "health-1:1", "yot-1:1"
BORN = date(2010, 5, 4)


def child_of(*events: AnyEvent, child: str = CHILD) -> InMemoryDirectory:
    """Return the tables after these events, with every record in one child."""
    keys = {event.subject for event in events if event.event_type == "record.observed"}
    return fold([[*events, *identity_events({}, {child: frozenset(keys)}, 1)]])


def document(state: InMemoryDirectory, child: str = CHILD) -> dict[str, Any]:
    """Return what readers see of a child."""
    found: dict[str, Any] = json.loads(state.entries[child].document)
    return found


def person(**said: Any) -> PersonRecord:
    """Return a person born on BORN."""
    return PersonRecord(birth_date=BORN, names=(NameClaim(family="Doe", given="Test"),), **said)


def sensitive(end: date | None = None) -> PersonRecord:
    """Return a person with whom a youth offending team works."""
    service = Involvement(
        service="youth offending team",
        organisation=HIDDEN,
        practitioner=HIDDEN,
        end=end,
        sensitive=True,
        lead_professional=True,
    )
    return person(involvements=(service,))


def standings(state: InMemoryDirectory, *records: str) -> list[Standing]:
    """Return the decisions about these records that were not retracted."""
    return list(Overlay(Batch(), state, state.surroundings()).about(set(records)))


def test_line_01_one_record_a_child_from_several_feeds_each_field_traceable_to_the_event_that_said_it() -> None:
    school = observed(SCHOOL, person(education=(Education(institution="Example School"),)), day=2)
    health = observed(HEALTH, person(sex="female"), day=1)
    state = child_of(school, health)
    entry = document(state)
    assert list(state.entries) == [CHILD]
    assert entry["sources"][entry["education"][0]["source"]]["event"] == school.event_id
    assert entry["sources"][entry["sex"]["source"]]["event"] == health.event_id
    assert all(set(source) == {"event", "kind", "as_of"} for source in entry["sources"])


def test_line_01_no_field_of_an_entry_is_without_its_source_and_age() -> None:
    every = told(HEALTH, 2, death_date=date(2026, 1, 1))
    taken = assumed(SCHOOL, to="A", name="m0")
    entry = document(child_of(told(SCHOOL), every, taken))
    sources, shown = entry.pop("sources"), entry.keys() - {"child_number"}
    assert shown == RULES.keys()
    items = [item for field in shown for item in (entry[field] if isinstance(entry[field], list) else [entry[field]])]
    assert all({"event", "kind", "as_of"} == sources[item["source"]].keys() for item in items)


@pytest.mark.parametrize("field", RULES)
def test_line_01_every_field_can_be_explained_by_its_rule_and_all_that_was_said(field: str) -> None:
    state = child_of(told(SCHOOL), told(HEALTH, 2))
    explained = explain_field(field, [state.records[SCHOOL], state.records[HEALTH]], [], None)
    assert explained.rule == RULES[field].why
    assert {each.record for each in explained.statements} == ({SCHOOL, HEALTH} if field != "death_date" else set())
    assert sum(each.shown for each in explained.statements) == (field != "death_date")


def test_line_03_a_record_goes_on_after_18_with_a_care_leavers_consent_and_ends_when_that_is_withdrawn() -> None:
    record, stay = observed(SCHOOL, person()), participation(SCHOOL, until_age=21)
    at_19 = clock(date(2029, 5, 4))
    assert CHILD not in child_of(record, at_19).entries
    assert CHILD in child_of(record, at_19, stay).entries
    assert CHILD not in child_of(record, clock(date(2031, 5, 4)), stay).entries  # the 21st birthday
    assert CHILD not in child_of(record, at_19, stay, withdrawn(stay.event_id)).entries
    assert CHILD not in child_of(record, at_19, stay, retracted(stay.event_id)).entries


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (CurrentAddress(address=Address(town="Exampleton")), {"status": "current", "address": {"town": "Exampleton"}}),
        (LastKnownAddress(address=Address(town="Old")), {"status": "last_known", "address": {"town": "Old"}}),
        (NoKnownAddress(), {"status": "none_known"}),
        *(
            (LeftEngland(intends_return=back), {"status": "left_england", "intends_return": back})
            for back in ("yes", "no", "unknown")
        ),
    ],
    ids=lambda value: value.get("intends_return", value["status"]) if isinstance(value, dict) else "",
)
def test_line_05_whereabouts_are_one_of_the_statements_that_the_law_knows(said: Any, shown: dict[str, Any]) -> None:
    entry = document(child_of(observed(SCHOOL, person(whereabouts=said, sex="not_specified"))))
    assert entry["whereabouts"]["value"] == shown
    assert entry["sex"]["value"] == "not_specified"


def test_line_06_a_sensitive_service_is_shown_with_consent_or_suspected_harm_only_and_never_its_provider() -> None:
    record = observed(YOT, sensitive())
    others = consent(SCHOOL), participation(YOT), harm(SCHOOL, name="harm-2")  # about another record, or another thing
    assert "involvements" not in document(child_of(record, observed(SCHOOL, person()), *others))
    given_ = consent(YOT)
    for permission in (given_, harm(YOT)):
        state = child_of(record, permission)
        assert document(state)["involvements"][0]["value"] == {"service": "a sensitive service", "sensitive": True}
        assert HIDDEN not in readable(state)
        assert HIDDEN in state.sensitive[CHILD].document  # whoever brokers contact has to know
    for ended in (withdrawn(given_.event_id), retracted(given_.event_id)):
        assert "involvements" not in document(child_of(record, given_, ended))


def test_line_06_without_consent_nothing_tells_a_record_of_a_sensitive_service_from_another() -> None:
    plain, hidden = (document(child_of(observed(YOT, said, day=2))) for said in (person(), sensitive()))
    plain["sources"][0].pop("event"), hidden["sources"][0].pop("event")
    assert plain == hidden


def test_line_07_assessment_and_lead_professional_are_existence_and_holder_only() -> None:
    service = Involvement(
        service="school nursing", practitioner="Test Nurse", lead_professional=True, holds_assessment=True
    )
    entry = document(child_of(observed(HEALTH, person(involvements=(service,)))))
    holder = {"service": "school nursing", "practitioner": "Test Nurse"}
    assert entry["lead_professional"][0]["value"] == entry["assessment"][0]["value"] == holder


def test_line_09_at_18_a_record_is_archived_for_a_year_then_closed_and_after_six_years_due_for_erasure() -> None:
    record = observed(SCHOOL, person())
    assert CHILD in child_of(record, clock(date(2028, 5, 3))).entries
    for day, table in ((date(2028, 5, 4), "archived"), (date(2029, 5, 4), "closed"), (date(2034, 5, 4), "closed")):
        state = child_of(record, clock(day))
        assert state.entries == {}
        assert [row.cause for row in getattr(state, table).values()] == ["age"]
    assert state.closed[CHILD].until <= date(2034, 5, 4)


def test_line_09_a_record_is_archived_a_year_after_death_and_three_after_leaving_england() -> None:
    died = observed(HEALTH, person(death_date=date(2024, 1, 2)))
    left = observed(HEALTH, person(whereabouts=LeftEngland(intends_return="unknown", since=date(2022, 1, 2))))
    for record, cause in ((died, "death"), (left, "left_england")):
        assert CHILD in child_of(record, clock(date(2025, 1, 1))).entries
        assert child_of(record, clock(date(2025, 1, 2))).archived[CHILD].cause == cause


def test_line_09_a_child_that_returns_to_england_is_live_again_and_an_ended_involvement_leaves_after_a_year() -> None:
    left = observed(HEALTH, person(whereabouts=LeftEngland(intends_return="no", since=date(2020, 1, 2))))
    service = Involvement(service="school nursing", end=date(2024, 1, 1))
    home = CurrentAddress(address=Address(town="Home"))
    back = observed(HEALTH, person(whereabouts=home, involvements=(service,)), version=2)
    state = child_of(left, clock(date(2024, 12, 31)))
    assert state.entries == {}
    state = fold([[back]], state)
    assert "involvements" in document(state)
    assert state.archived == {}
    assert "involvements" not in document(fold([[clock(date(2025, 1, 1))]], state))


HEARD = date(2026, 6, 1)  # when the withdrawals of these tests come in, whatever day their source gives


def after_withdrawal(*events: AnyEvent) -> InMemoryDirectory:
    """Return the tables after both records of a child are withdrawn, the number is retired, and these events."""
    keys = frozenset({SCHOOL, HEALTH})
    said = [observed(SCHOOL, person(), day=1), observed(HEALTH, person())]
    ended = [taken_back(SCHOOL, 2), taken_back(HEALTH, 2)]
    numbers = [*identity_events({}, {CHILD: keys}, 1), *identity_events({CHILD: keys}, {}, 2)]
    return fold([[*said, *numbers, *ended, *events]])


@pytest.mark.parametrize(
    ("day", "table"),
    [
        (date(2026, 6, 1), "archived"),
        (date(2027, 5, 31), "archived"),
        (date(2027, 6, 1), "closed"),
        (date(2032, 6, 1), "closed"),
    ],
)
def test_line_09_a_child_of_whom_every_source_took_back_what_it_said_is_archived_that_day_and_purged_after_six_years(
    day: date, table: str
) -> None:
    state = after_withdrawal(clock(day))
    (row,) = getattr(state, table).values()
    assert (row.child_number, row.cause, row.archived_on) == (CHILD, "withdrawn", HEARD)
    assert json.loads(row.document) == {"child_number": CHILD, "sources": []}  # what was taken back is not told
    assert (row.until <= day) == (day == date(2032, 6, 1))
    assert state.entries == {}


def test_line_09_while_one_source_still_says_something_a_child_is_not_archived_for_what_others_took_back() -> None:
    both = observed(SCHOOL, person()), observed(HEALTH, person())
    state = child_of(*both, taken_back(HEALTH, 2), clock(date(2027, 6, 1)))
    assert list(state.entries) == [CHILD]
    assert state.archived == {}


def test_line_09_a_record_that_is_sent_again_ends_the_archive_also_where_it_is_another_child_now() -> None:
    again, keys = observed(SCHOOL, person(), version=3), frozenset({SCHOOL})
    for number in (CHILD, OTHER):
        state = after_withdrawal(clock(date(2040, 1, 1)), again, *identity_events({}, {number: keys}, 3))
        assert CHILD not in state.archived.keys() | (state.closed.keys() - {number})
    assert fold([[again, *identity_events({}, {OTHER: keys}, 3)]], after_withdrawal(clock(HEARD))).archived == {}


def test_line_09_a_withdrawn_child_that_was_erased_is_not_due_again() -> None:
    gone = erased((SCHOOL, 2), (HEALTH, 2))
    assert fold([[gone]], after_withdrawal(clock(date(2033, 1, 1)))).closed == {}
    assert after_withdrawal(clock(date(2033, 1, 1)), gone).closed == {}


def test_line_09_a_held_child_is_purged_in_its_time_though_nobody_ever_saw_it() -> None:
    record, (created,) = observed(SCHOOL, person()), identity_events({}, {CHILD: frozenset({SCHOOL})}, 1)
    data = created.data.model_copy(update={"version": 2, "held": True})
    held = IdentityHeld(event_id="held", subject=CHILD, decided_at=created.decided_at, data=data)
    for day, purged in ((date(2028, 5, 4), False), (date(2034, 5, 3), False), (date(2034, 5, 4), True)):
        state = fold([[record, created, held], [clock(day)]])
        assert (state.entries, state.archived, [*state.closed]) == ({}, {}, [CHILD] * purged)
    assert "Doe" not in state.closed[CHILD].document


@given(st.data())
@settings(max_examples=30)
def test_line_09_days_that_pass_one_by_one_and_a_replay_that_knows_the_last_day_end_in_the_same_tables(
    data: st.DataObject,
) -> None:
    died, service = date(2025, 2, 1), Involvement(service="school nursing", end=date(2024, 6, 1))
    people = [person(death_date=died), person(involvements=(service,)), person(), person()]
    records: list[AnyEvent] = [observed(f"school-1:{n}", one) for n, one in enumerate(people, start=1)]
    dealt = {CHILDREN[n]: frozenset({record.subject}) for n, record in enumerate(records)}
    days = [clock(date(year, 2, 1)) for year in range(2024, 2040)]
    last = records[-1].subject
    kept = {number: keys for number, keys in dealt.items() if last not in keys}
    gone = [taken_back(last, 2), *identity_events(dealt, kept, 2)]
    events = [*records, *identity_events({}, dealt, 1), *days, *gone]
    assert fold(data.draw(deliveries(events))) == fold([events])


def test_line_15_a_shielded_child_shows_name_sex_birth_date_number_and_carers_names_and_nothing_else() -> None:
    state = child_of(told(SCHOOL), told(HEALTH), shield(HEALTH))
    name = {"kind": "legal", "family": "Shown", "given": "Child"}
    carer = {"kind": "legal", "family": "Shown", "given": "Carer"}
    assert document(state) == {
        "child_number": CHILD,
        "shielded": True,
        "names": [name],
        "sex": "female",
        "birth_date": {"date": "2014-11-03", "basis": "stated"},
        "carers": [carer],
    }
    assert (state.entries[CHILD].postcode, state.entries[CHILD].surname) == (None, "shown")
    assert HIDDEN in state.shielded[CHILD].document


def test_line_15_a_shield_follows_the_child_to_another_number_and_ends_when_it_is_retracted() -> None:
    before = {CHILD: frozenset({SCHOOL}), OTHER: frozenset({HEALTH})}
    after = {OTHER: frozenset({SCHOOL, HEALTH})}
    events = [told(SCHOOL), told(HEALTH), *identity_events({}, before, 1), shield(SCHOOL)]
    state = fold([events, identity_events(before, after, 2)])
    assert state.entries[OTHER].shielded
    state = fold([[retracted("shield-1")]], state)
    assert not state.entries[OTHER].shielded
    assert HIDDEN in state.entries[OTHER].document


def test_line_17_a_row_that_may_be_a_shielded_child_is_held_and_is_seen_only_when_it_is_released() -> None:
    """The failure of March 2009: an update made a second, unshielded record of a shielded child."""
    state = child_of(told(SCHOOL), shield(SCHOOL))
    duplicate = told("health-1:2")
    (created,) = identity_events({}, {OTHER: frozenset({"health-1:2"})}, 2)
    held = created.model_copy(update={"data": created.data.model_copy(update={"held": True})})
    state = fold([[held], [duplicate]], state)
    assert OTHER not in state.entries
    assert HIDDEN not in readable(state)
    said = created.data.model_copy(update={"version": 3})
    common: dict[str, Any] = {"subject": OTHER, "decided_at": created.decided_at}
    released = IdentityReleased(event_id="released", data=said, **common)
    assert OTHER in fold([[released]], state).entries
    again = said.model_copy(update={"version": 4, "held": True})
    state = fold([[released], [IdentityHeld(event_id="held", data=again, **common)]], state)
    assert OTHER not in state.entries


@given(st.data())
@settings(max_examples=60)
def test_line_18_no_entry_and_no_lineage_connects_a_severed_identity_with_the_new_one(data: st.DataObject) -> None:
    former = observed(SCHOOL, PersonRecord(names=(NameClaim(family="Birthname", given="A"),)))
    names = (NameClaim(family="Newname", given="B"), NameClaim(kind="former", family="Birthname", given="A"))
    current = observed(HEALTH, PersonRecord(names=names))
    both, parted = {CHILD: frozenset({SCHOOL, HEALTH})}, {CHILD: frozenset({SCHOOL}), OTHER: frozenset({HEALTH})}
    events = [former, current, *identity_events({}, both, 1), *identity_events(both, parted, 2)]
    decision = severed([SCHOOL], [HEALTH])
    state, known = InMemoryDirectory(), False
    for batch in data.draw(deliveries([*events, decision])):
        state, known = fold([batch], state), known or decision in batch
        assert not known or all(OTHER not in shown.successors for _, shown in state.lineage.values() if shown)
        assert not known or "Birthname" not in state.entries.get(OTHER, ("",) * 9)[8]
    assert [shown for _, shown in state.lineage.values()] == [None], "nothing shows that somebody has gone"
    assert "Newname" not in state.entries[CHILD].document
    assert "birthname" not in repr(state.entries[OTHER])


def test_line_18_while_both_identities_are_still_one_child_nothing_is_published() -> None:
    assert child_of(told(SCHOOL), told(HEALTH), severed([SCHOOL], [HEALTH])).entries == {}


@given(st.permutations(range(5)))
def test_line_27_a_move_between_authorities_leaves_no_gap_and_no_second_owner(order: list[int]) -> None:
    back_dated = assumed(SCHOOL, to="E", previous="D", name="m4", day=5)
    back_dated = back_dated.model_copy(update={"data": back_dated.data.model_copy(update={"since": date(2026, 3, 2)})})
    moves = [
        assumed(SCHOOL, to="A", name="m0", day=0),
        assumed(SCHOOL, to="B", previous="A", name="m1", day=2),
        assumed(SCHOOL, to="C", previous="A", name="m2", day=3),  # A had given the child away already
        assumed(SCHOOL, to="D", previous="B", name="m3", day=4),
        back_dated,  # D did not have the child then
    ]
    state = child_of(observed(SCHOOL, person(responsible_authority="Z")), *(moves[number] for number in order))
    found = responsibility("Z", standings(state, SCHOOL))
    assert found is not None
    # Each has the child from its own day until the next one's: one owner on every day, whoever else claims it.
    assert [(each.code, each.since, each.previous) for each in found.periods] == [
        ("A", date(2026, 3, 1), None), ("B", date(2026, 3, 3), "A"), ("D", date(2026, 3, 5), "B"),
    ]  # fmt: skip
    assert [each.ruling.event_id for each in found.ignored] == ["m2", "m4"]
    assert document(state)["responsible_authority"]["value"] == {"code": "D", "since": "2026-03-05", "previous": "B"}


def test_line_30_every_retention_rule_says_on_which_law_it_rests_and_from_when() -> None:
    """A period that changes has to say by which law: this list is read against the sources, not made from the code."""
    regulations = {"age": 18, "participation": 25, "death": 1, "left_england.yes": 3, "archive_window": 1, "purge": 6}
    own = {"left_england.unknown": 3, "left_england.no": 3, "withdrawn": 0, "ended_involvement": 1}
    listed = [(name, count, "2007 regulations") for name, count in regulations.items()]
    listed += [(name, count, "own choice") for name, count in own.items()]
    assert sorted((each.name, each.years, each.law) for each in PERIODS) == sorted(listed)
    assert all(each.effective == date(2007, 8, 1) and each.why for each in PERIODS)
