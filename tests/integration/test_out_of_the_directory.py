"""What leaves the directory: pseudonymised releases with two approvals, and disclosures of one child, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg import Connection, errors
from psycopg.rows import TupleRow

from connectors.kafka import ReadMessage
from connectors.postgres import act_as, connect
from projections.access.log import create_tables
from projections.directory.projection import DirectoryProjection
from projections.disclosures import desk as disclosures
from projections.disclosures.desk import AUTHORISER, DISCLOSER, REVIEWER, DisclosureDesk
from projections.disclosures.rules import Ask
from projections.exports import desk as exports
from projections.exports.desk import Release, ReleaseDesk
from projections.exports.manifest import verify_manifest
from projections.exports.specification import ReleaseSpec
from projections.worker import fold, start
from schemas.access import Person
from schemas.catalogue import AnyEvent
from schemas.codec import encode
from schemas.errors import RejectedError
from schemas.events import RecordObserved, record_event_id
from schemas.identity import child_number, is_child_number
from schemas.records import Education, NameClaim, PersonRecord
from schemas.settings import PostgresSettings
from schemas.topics import IDENTITIES
from tests.factories.waiting import wait_until
from tests.unit.projections.histories import identity_events

pytestmark = pytest.mark.integration
DIRECTORY = DirectoryProjection()
KEY = Ed25519PrivateKey.generate()
NOW = datetime(2026, 11, 27, 9, 0, tzinfo=UTC)
TODAY = NOW.date()
ANA, BEN, CLEO = (Person(user=name, role="statistician", organisation="dcsf") for name in ("ana", "ben", "cleo"))


def person(number: int) -> RecordObserved:
    """Return what a school says of a made-up child; every third one attends it no longer."""
    key, end = f"school-1:{number}", date(2025, 7, 20) if number % 3 == 0 else None
    return RecordObserved(
        event_id=record_event_id(key, "record.observed", 1, "f"),
        subject=key,
        feed="f",
        source_version=1,
        fingerprint="f",
        ingested_at=NOW,
        data=PersonRecord(
            names=(NameClaim(family=f"Famly{number}", given="Sam"),),
            birth_date=date(2012, 1, 1) + timedelta(days=number % 300),
            sex="female" if number % 2 else "male",
            education=(Education(institution="Hill School", end=end),),
        ),
    )


def children(numbers: range) -> list[AnyEvent]:
    """Return the events by which so many children, of one record each, come into the directory."""
    records: list[AnyEvent] = [person(number) for number in numbers]
    homes = {child_number(event.subject): frozenset([event.subject]) for event in records}
    return [*records, *identity_events({}, homes, numbers.start + 1)]


def messages(events: list[AnyEvent]) -> list[ReadMessage]:
    """Return the events as messages of their topics."""
    encoded = [(event.event_type.startswith("identity."), encode(event)) for event in events]
    return [
        ReadMessage(IDENTITIES if about_child else "source.schools", 0, offset, event.key, event.value)
        for offset, (about_child, event) in enumerate(encoded)
    ]


@pytest.fixture
def database(postgres: PostgresSettings) -> Iterator[Connection[TupleRow]]:
    with connect(postgres, autocommit=True) as connection:
        start(connection, DIRECTORY, DIRECTORY.live, [(topic, 0) for topic in DIRECTORY.topics])
        fold(DIRECTORY, connection, messages(children(range(240))))
        create_tables(postgres)
        exports.prepare(postgres)
        disclosures.prepare(postgres)
        yield connection


def entries(database: Connection[TupleRow]) -> list[tuple[str, str, str]]:
    """Return what the audit trail has of each deed: the action, the decision (or the refusal's code), by whom."""
    return database.execute(
        "select entry ->> 'action', coalesce(entry ->> 'refusal', entry ->> 'decision'), entry #>> '{who,user}'"
        " from audit.pending order by entry_id"
    ).fetchall()


def spec(**more: object) -> ReleaseSpec:
    asked = {"project": "p1", "kind": "records", "columns": ["sex", "age_stage", "in_education"], "as_of": TODAY}
    return ReleaseSpec.model_validate({**asked, "expires": TODAY + timedelta(days=90), **more})


def exporter(database: Connection[TupleRow]) -> ReleaseDesk:
    """Return a release desk that works under the exporter's own role."""
    database.execute("set role contactpoint_exporter")
    desk = ReleaseDesk(database)
    desk.open_project("p1", "research", "accredited-research-environment", ANA)
    return desk


def released(desk: ReleaseDesk, asked: ReleaseSpec) -> Release:
    reference = desk.request(asked, ANA)
    assert desk.approve(reference, BEN) == desk.approve(reference, BEN.model_copy(update={"user": "Ben"})) == 1
    assert desk.approve(reference, CLEO) == 2
    return desk.release(reference, ANA, TODAY, KEY)


def pseudonyms(release: Release) -> set[str]:
    return {line.split(",")[0] for line in release.data.decode().splitlines()[1:]}


def test_a_release_leaves_after_two_approvals_signed_and_once(database: Connection[TupleRow]) -> None:
    desk = exporter(database)
    reference = desk.request(spec(), ANA)
    for people in ([], [BEN]):
        for approver in people:
            desk.approve(reference, approver)
        assert refused(lambda: desk.release(reference, ANA, TODAY, KEY)) == "approvals_missing"
    capital = ANA.model_copy(update={"user": "Ana"})
    assert refused(lambda: desk.approve(reference, ANA)) == "own_request"
    assert refused(lambda: desk.approve(reference, capital)) == "own_request"
    desk.approve(reference, CLEO)
    assert refused(lambda: desk.release(reference, ANA, TODAY + timedelta(days=90), KEY)) == "release_expired"
    release = desk.release(reference, ANA, TODAY, KEY)
    facts = verify_manifest(release.manifest, release.data, KEY.public_key())
    assert (facts["approved_by"], facts["k"], facts["children"]) == (["ben", "cleo"], 10, "240")
    assert refused(lambda: desk.release(reference, ANA, TODAY, KEY)) == "released_before"
    database.execute("reset role")
    assert entries(database) == [
        ("opened_project", "permitted", "ana"),
        ("requested_release", "permitted", "ana"),
        ("exported", "approvals_missing", "ana"),
        ("approved_release", "permitted", "ben"),
        ("exported", "approvals_missing", "ana"),
        ("approved_release", "own_request", "ana"),
        ("approved_release", "own_request", "Ana"),
        ("approved_release", "permitted", "cleo"),
        ("exported", "release_expired", "ana"),
        ("exported", "permitted", "ana"),
        ("exported", "released_before", "ana"),
    ]


def test_a_release_names_nobody_and_no_two_releases_share_a_pseudonym(database: Connection[TupleRow]) -> None:
    desk = exporter(database)
    desk.open_project("p2", "statistics", "office-for-national-statistics", ANA)
    first, again, other = (released(desk, spec(project=project)) for project in ("p1", "p1", "p2"))
    assert len(pseudonyms(first) | pseudonyms(again) | pseudonyms(other)) == 3 * 240
    assert not {child_number(person(n).subject) for n in range(240)} & set(
        first.data.decode().replace(",", " ").split()
    )
    assert b"Famly" not in first.data


def test_a_destroyed_key_leaves_pseudonyms_that_mean_nobody(database: Connection[TupleRow]) -> None:
    made = exporter(database)
    pseudonym, later = (min(pseudonyms(released(made, spec()))) for _ in range(2))
    database.execute("reset role")
    desk = ReleaseDesk(database)
    assert all(is_child_number(desk.child_behind("p1", each, ANA) or "") for each in (pseudonym, later))
    desk.destroy_key("p1", BEN)
    assert refused(lambda: desk.child_behind("p1", pseudonym, ANA)) == "key_destroyed"
    assert refused(lambda: desk.request(spec(), ANA)) == "no_such_project"
    # Either pad is the key, masked with a constant: both have to be gone.
    assert database.execute("select inner_pad, outer_pad from export.project").fetchall() == [(None, None)]
    assert entries(database)[-4:] == [
        ("resolved_pseudonym", "permitted", "ana"),
        ("destroyed_keys", "permitted", "ben"),
        ("resolved_pseudonym", "key_destroyed", "ana"),
        ("requested_release", "no_such_project", "ana"),
    ]


def test_a_release_from_which_an_earlier_one_can_be_subtracted_is_refused(database: Connection[TupleRow]) -> None:
    released(exporter(database), spec(kind="counts", columns=["sex"]))
    database.execute("reset role")
    fold(DIRECTORY, database, messages(children(range(240, 246))))
    desk = ReleaseDesk(database)
    with pytest.raises(RejectedError, match="subtracting it from release"):
        desk.request(spec(kind="counts", columns=["sex"]), ANA)


COLUMNS = """
select format('%I.%I', nspname, relname), array_agg(format('%I', attname) order by attnum)
           filter (where has_column_privilege(pg_class.oid, attnum, 'select'))
from pg_class join pg_namespace on pg_namespace.oid = relnamespace join pg_attribute on attrelid = pg_class.oid
where nspname !~ '^(pg_|information_schema)' and relkind in ('r', 'p', 'v', 'm') and attnum > 0 and not attisdropped
group by 1 order by 1
"""
READ = "select {} from {}"


def test_nothing_that_the_exporter_may_read_holds_an_identifier_and_all_else_is_refused(
    database: Connection[TupleRow],
) -> None:
    """Every table and column of the database, as the exporter's own role finds it (R30)."""
    released(exporter(database), spec())
    told = [database.execute("select export.rows('p1', %s, 'R1')", [TODAY]).fetchall()]
    refused_tables = []
    for table, readable in database.execute(COLUMNS).fetchall():
        if readable:
            told.append(database.execute(READ.format(", ".join(readable), table).encode()).fetchall())
        else:
            refused_tables.append(table)
            with pytest.raises(errors.InsufficientPrivilege):
                database.execute(READ.format("*", table).encode())
    assert {"directory.entry", "export.ledger", "projection.membership", "audit.pending"} <= set(refused_tables)
    with pytest.raises(errors.InsufficientPrivilege):
        database.execute("select export.child_behind('p1', 'x')")
    said = str(told)
    assert said.count("female") >= 100
    numbers = [child_number(person(number).subject) for number in range(240)]
    assert not [word for word in ("Famly", "school-1", *numbers) if word in said]


def test_a_recipient_that_is_not_listed_is_refused(database: Connection[TupleRow]) -> None:
    desk = ReleaseDesk(database)
    assert refused(lambda: desk.open_project("p3", "research", "national-identity-register", ANA)) == (
        "recipient_not_listed"
    )


def ask(number: str, **more: object) -> Ask:
    asked = Ask(number, "section_47", "borough-700", ("names", "whereabouts"), "urgent_risk", False, "ana")
    return Ask(**{**asked._asdict(), **more})


def test_one_child_is_disclosed_once_to_the_items_that_somebody_else_authorised(
    database: Connection[TupleRow],
) -> None:
    desk, child = DisclosureDesk(database), child_number("school-1:1")
    act_as(database, AUTHORISER)
    reference = desk.authorise(ask(child), BEN, NOW, NOW + timedelta(days=7))
    for statement in ("select * from disclosure.authorisation", f"select disclosure.items_of('{reference}')"):
        with pytest.raises(errors.InsufficientPrivilege):
            database.execute(statement.encode())
    act_as(database, DISCLOSER)
    assert refused(lambda: desk.disclose(reference, "ana", BEN, NOW + timedelta(hours=1))) == "own_authorisation"
    assert refused(lambda: desk.disclose(reference, "cleo", ANA, NOW + timedelta(hours=1))) == "another_requester"
    told = desk.disclose(reference, "Ana", ANA, NOW + timedelta(hours=1))
    assert told["names"][0]["value"]["family"] == "Famly1"
    assert set(told) <= {"disclosure", "child_number", "names", "whereabouts"}
    assert refused(lambda: desk.disclose(reference, "ana", ANA, NOW + timedelta(hours=1))) == "disclosed_before"
    for statement in ("select * from directory.entry", "insert into disclosure.authorisation (id) values ('x')"):
        with pytest.raises(errors.InsufficientPrivilege):
            database.execute(statement.encode())
    act_as(database, REVIEWER)
    assert [(notice[0], notice[4]) for notice in desk.notices()] == [(reference, None)]
    with pytest.raises(errors.InsufficientPrivilege):
        database.execute("select child_number from disclosure.authorisation")
    database.execute("reset role")
    desk.review(reference, CLEO, NOW + timedelta(days=1))
    assert desk.notices()[0][4] == "cleo"
    assert entries(database) == [
        ("authorised_disclosure", "permitted", "ben"),
        ("disclosed", "own_authorisation", "ben"),
        ("disclosed", "another_requester", "ana"),
        ("disclosed", "permitted", "ana"),
        ("disclosed", "disclosed_before", "ana"),
        ("reviewed_disclosure", "permitted", "cleo"),
    ]


def test_who_uses_an_authorisation_while_another_does_is_refused_and_that_is_entered(
    database: Connection[TupleRow], postgres: PostgresSettings
) -> None:
    desk = DisclosureDesk(database)
    reference = desk.authorise(ask(child_number("school-1:1")), BEN, NOW, NOW + timedelta(days=7))

    def use_too() -> str:
        with connect(postgres, autocommit=True) as other:
            return refused(lambda: DisclosureDesk(other).disclose(reference, "ana", ANA, NOW))

    waits = "select 1 from pg_locks where not granted"
    with ThreadPoolExecutor(1) as pool:
        with database.transaction():
            desk.disclose(reference, "ana", ANA, NOW)
            second = pool.submit(use_too)
            wait_until(lambda: second.done() or database.execute(waits).fetchone(), "the second to wait for the first")
        assert second.result() == "disclosed_before"
    assert [decision for _, decision, _ in entries(database)] == ["permitted", "permitted", "disclosed_before"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"child_number": "surname = 'x'"}, "one_child_only"),
        ({"child_number": f"{child_number('a:1')},{child_number('a:2')}"}, "one_child_only"),
        ({"gateway": "immigration"}, "gateway_not_listed"),
        ({"proportionality": ""}, "reason_not_listed"),
        ({"items": ("identifiers",)}, "items_not_listed"),
        ({"items": ()}, "items_not_listed"),
        ({"requested_by": "ben"}, "own_request"),
        ({"requested_by": " Ben"}, "own_request"),
        ({"recipient": " "}, "not_named"),
        ({"child_number": child_number("nobody:1")}, "no_entry"),
    ],
)
def test_a_request_for_more_than_the_law_lists_is_refused(
    change: dict[str, object], code: str, database: Connection[TupleRow]
) -> None:
    desk = DisclosureDesk(database)
    wanted = ask(child_number("school-1:1"), **change)
    assert refused(lambda: desk.authorise(wanted, BEN, NOW, NOW + timedelta(days=7))) == code
    assert entries(database) == [("authorised_disclosure", code, "ben")]


def test_an_authorisation_that_has_expired_or_was_never_given_discloses_nothing(
    database: Connection[TupleRow],
) -> None:
    desk = DisclosureDesk(database)
    reference = desk.authorise(ask(child_number("school-1:1")), BEN, NOW, NOW + timedelta(days=7))
    assert refused(lambda: desk.disclose(reference, "ana", ANA, NOW + timedelta(days=7))) == "authorisation_expired"
    assert refused(lambda: desk.disclose("D0", "ana", ANA, NOW)) == "not_authorised"
    late = NOW + timedelta(days=90)
    assert refused(lambda: desk.authorise(ask(child_number("a:1")), BEN, NOW, late)) == "expiry_not_allowed"


def refused(deed: Callable[[], object]) -> str:
    """Return the code with which a deed is refused."""
    with pytest.raises(RejectedError) as error:
        deed()
    return error.value.code
