"""Reading the audit trail on a real PostgreSQL: by an auditor, for the family, by the misuse rules."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb
from typer.testing import CliRunner

from connectors.postgres import act_as, connect
from contactpoint.cli.app import app
from projections.access.known import WATCHER, home_of
from projections.access.misuse.facts import Facts, Family, User
from projections.access.reader import TrailReader, Wanted
from projections.access.watch import accesses_of, close, keep, look
from projections.audit_trail.projection import AuditTrailProjection
from projections.directory.projection import DirectoryProjection
from projections.service.users import Users
from schemas.access import Person
from schemas.errors import RejectedError, RetriableError
from schemas.settings import PostgresSettings
from tests.factories.directory_service import Desk, teenager
from tests.factories.trail import Trail, entry, open_trail

MOSS, REED, OLD = "1P363AQQSXXVB", "0000000000000", "307EG1XN41RN6"
AUDITOR = Person(user="auditor-1", role="auditor", organisation="LA-BOLTON", acr="AAL3")
EVER = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def trail(postgres: PostgresSettings, tmp_path: Path) -> Iterator[Trail]:
    with open_trail(postgres, tmp_path) as opened:
        directory = DirectoryProjection()
        directory.create(opened.connection, directory.live)
        opened.connection.execute("reset search_path")
        yield opened


@pytest.fixture
def reader(trail: Trail) -> Iterator[TrailReader]:
    """A reader with an auditor's rights and no others."""
    with connect(trail.settings, autocommit=True) as connection:
        act_as(connection, "contactpoint_auditor")
        yield TrailReader(connection, trail.keys.sealing)


def publish(trail: Trail, child: str, *, guarded: str | None = None) -> None:
    columns = trail.connection.execute(
        "select column_name, data_type from information_schema.columns "
        "where table_schema = 'directory' and table_name = 'entry' and is_nullable = 'NO'"
    ).fetchall()
    empty: dict[str, object] = {"json": {}, "ARRAY": [], "boolean": False, "date": "2014-11-03"}
    values = {name: empty.get(kind, "0") for name, kind in columns} | {"child_number": child}
    names = ", ".join(values)
    statement = (
        f"insert into directory.entry ({names}) select {names} from json_populate_record(null::directory.entry, %s)"  # noqa: S608
    )
    trail.connection.execute(statement.encode(), [orjson.dumps(values).decode()])
    if guarded:
        trail.connection.execute(f"insert into sealed.{guarded} values (%s, '[]')".encode(), [child])  # noqa: S608


def happened(trail: Trail, history: Iterable[tuple[str, int, datetime, list[str], list[str], list[str]]]) -> None:
    """Write identity events: number, version, time, members, the numbers before, successors."""
    projection = AuditTrailProjection()
    projection.create(trail.connection, projection.live)
    trail.connection.execute("reset search_path")
    for at, (child, version, when, members, before, successors) in enumerate(history):
        trail.connection.execute(
            "insert into audit.identity_event (event_id, child_number, event_type, schema_version, version, "
            "decided_at, members, before, successors, causes, model, evidence) "
            "values (%s, %s, 'identity.changed', 1, %s, %s, %s, %s, %s, '{}', 'm', '[]')",
            [str(at), child, version, when, members, Jsonb([{"child_number": each} for each in before]), successors],
        )


def looked(trail: Trail, child: str, minutes: int) -> None:
    """Enter an opening of this child, so many minutes from now."""
    trail.record([entry(child=child)])
    trail.connection.execute("update audit.pending set appended_at = now() + make_interval(mins => %s)", [minutes])
    trail.sequencer.number()


def test_an_auditor_finds_entries_by_child_user_and_request_and_reads_what_was_sealed(
    trail: Trail, reader: TrailReader
) -> None:
    trail.record([entry(query={"family": "Moss"}, reason="came alone"), entry(child=REED, request="r-2")])
    trail.sequencer.number()
    by_child = reader.search(Wanted(children=(MOSS,)), AUDITOR, "complaint 12", "a-1")
    assert [(each.child, each.secret and each.secret["reason"]) for each in by_child] == [(MOSS, "came alone")]
    assert len(reader.search(Wanted(user="u-1"), AUDITOR, "complaint 12", "a-2")) == 2
    assert [each.child for each in reader.search(Wanted(request="r-2"), AUDITOR, "complaint 12", "a-3")] == [REED]
    assert not reader.search(Wanted(since=datetime(2999, 1, 1, tzinfo=UTC)), AUDITOR, "complaint 12", "a-4")


def test_that_an_auditor_looked_is_an_entry_too(trail: Trail, reader: TrailReader) -> None:
    reader.search(Wanted(children=(MOSS,), user="u-9"), AUDITOR, "complaint 12", "a-1")
    trail.sequencer.number()
    (found,) = reader.find(Wanted())
    assert (found.leaf.action, found.leaf.who.user, found.leaf.results) == ("viewed_audit", "auditor-1", 0)
    assert found.secret == {"child": MOSS, "query": {"user": "u-9"}, "reason": "complaint 12"}


def test_an_auditor_reads_nothing_while_the_trail_is_not_kept(trail: Trail, reader: TrailReader) -> None:
    trail.connection.execute("update audit.pulse set signed_at = now() - interval '1 day'")
    with pytest.raises(RetriableError):
        reader.search(Wanted(), AUDITOR, "complaint 12", "a-1")


@pytest.mark.parametrize(("guarded", "named"), [(None, True), ("shielded_entry", False), ("sensitive_service", False)])
def test_a_report_names_organisations_only_where_that_gives_nothing_away(
    trail: Trail, reader: TrailReader, guarded: str | None, named: bool
) -> None:
    publish(trail, MOSS, guarded=guarded)
    trail.record([entry(), entry(child=REED)])
    trail.sequencer.number()
    (line,) = reader.report([MOSS], AUDITOR, "subject access 7", "s-1")
    assert ("RXX01" in line.by) == named
    trail.sequencer.number()
    assert reader.find(Wanted())[0].leaf.action == "reported_to_subject"


def test_a_report_about_a_child_that_is_not_published_names_no_organisation(trail: Trail, reader: TrailReader) -> None:
    trail.record([entry()])
    trail.sequencer.number()
    (line,) = reader.report([MOSS], AUDITOR, "subject access 7", "s-1")
    assert "RXX01" not in line.by


def test_a_report_holds_every_look_under_the_number_that_the_child_s_records_then_had(
    trail: Trail, reader: TrailReader
) -> None:
    """MOSS and REED were one for an hour, wrongly; OLD was merged into MOSS for good. LATE looks came at noon."""
    merged, undone = (datetime.now(UTC) + timedelta(hours=hours) for hours in (-2, -1))
    history = [
        (MOSS, 1, EVER, ["a"], [], []), (OLD, 1, EVER, ["o"], [], []), (REED, 1, EVER, ["r"], [], []),
        (OLD, 2, EVER, [], [], [MOSS]), (MOSS, 2, EVER, ["a", "o"], [OLD, MOSS], []),
        (REED, 3, merged, [], [], [MOSS]), (MOSS, 3, merged, ["a", "o", "r"], [REED, MOSS], []),
        (MOSS, 4, undone, ["a", "o"], [MOSS], [REED]), (REED, 4, undone, ["r"], [MOSS], []),
    ]  # fmt: skip
    happened(trail, history)
    publish(trail, MOSS)
    publish(trail, REED, guarded="sensitive_service")
    for child, minutes in ((OLD, -180), (REED, -180), (MOSS, -90), (MOSS, 0)):
        looked(trail, child, minutes)
    numbers = {child: reader.report([child], AUDITOR, "subject access 7", "s-1") for child in (MOSS, OLD, REED)}
    assert [line.number for line in numbers[MOSS]] == [line.number for line in numbers[OLD]] == [0, 2, 3]
    assert [line.number for line in numbers[REED]] == [1, 2]
    assert "RXX01" not in str(numbers), "what is REED's may have been looked at with MOSS"


def test_a_report_is_whole_however_often_somebody_looked(trail: Trail, reader: TrailReader) -> None:
    trail.record([entry() for _ in range(10_001)])
    while trail.sequencer.number():
        pass
    assert len(reader.report([MOSS], AUDITOR, "subject access 7", "s-1")) == 10_001


def test_an_erased_child_cannot_be_found_any_more(trail: Trail, reader: TrailReader) -> None:
    trail.record([entry()])
    trail.sequencer.number()
    trail.erase(MOSS)
    assert not reader.find(Wanted(children=(MOSS,)))
    assert [each.secret for each in reader.find(Wanted())] == [None]


def test_an_auditor_s_role_can_read_and_cannot_change_the_trail(trail: Trail, reader: TrailReader) -> None:
    trail.record([entry()])
    trail.sequencer.number()
    act_as(trail.connection, "contactpoint_auditor")
    assert reader.search(Wanted(children=(MOSS,)), AUDITOR, "complaint 12", "a-1")
    assert trail.connection.execute(
        "select bool_or(has_table_privilege('audit.entry', kind)) from unnest(array['insert', 'update', 'delete']) kind"
    ).fetchone() == (False,)


def known(_: object) -> Facts:
    nurse = User("u-1", "o", "nurse", "Ann", "Moss")
    return Facts({"u-1": nurse}, {MOSS: Family("Fry", carers=(("Ann", "Moss"),))})


def test_the_rules_look_at_the_trail_and_a_suspended_account_is_refused_until_a_person_restores_it(
    trail: Trail, reader: TrailReader
) -> None:
    probing = [
        entry(action="searched", child=None, results=0, query={"family": "Fry", "postcode": f"ZZ{number} 1AA"})
        for number in range(4)
    ]
    trail.record([entry(), *probing])
    trail.sequencer.number()
    lines = look(reader, EVER, known)
    assert {(line.rule, line.suspend) for line in lines} == {("own_child", False), ("shield_probing", True)}
    assert keep(trail.connection, lines) == lines
    assert keep(trail.connection, lines) == []
    assert trail.connection.execute("select audit.suspended('u-1')").fetchone() == (True,)
    suspending = next(line.finding for line in lines if line.suspend)
    close(trail.connection, suspending, AUDITOR, "innocent", "q-1")
    assert trail.connection.execute("select audit.suspended('u-1')").fetchone() == (False,)
    with pytest.raises(RejectedError, match="no open finding"):
        close(trail.connection, suspending, AUDITOR, "misuse", "q-2")
    trail.sequencer.number()
    assert {each.leaf.action for each in reader.find(Wanted(limit=2))} == {"suspended_account", "restored_account"}


def test_what_was_found_to_be_misuse_stays_suspended(trail: Trail, reader: TrailReader) -> None:
    trail.record([entry()])
    trail.sequencer.number()
    (line,) = keep(trail.connection, look(reader, EVER, known))
    close(trail.connection, line.finding, AUDITOR, "misuse", "q-1")
    assert trail.connection.execute("select audit.suspended('u-1')").fetchone() == (True,)


def test_numbers_in_queries_become_ordinals_so_that_a_walk_through_them_shows(
    trail: Trail, reader: TrailReader
) -> None:
    terms = [{"child_number": MOSS}, {"nhs": "943 476 5919"}, {"family": "Moss"}, {"upn": "x"}]
    trail.record([entry(action="searched", query=query) for query in terms])
    trail.sequencer.number()
    numbers = [each.number for each in accesses_of(reversed(reader.find(Wanted())))]
    assert numbers[1:] == [943476591, None, None]
    assert numbers[0] is not None


def test_the_rules_learn_from_the_directory_and_the_accounts_alone_who_is_related_and_who_works_with_a_child(
    postgres: PostgresSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, day = Desk(postgres), datetime.now(UTC)
    (number,) = desk.directory.add(teenager())
    homes = {
        "mother": ("Denise", "Hargreaves"),
        "okafor": ("Sam", "Okafor"),
        "lodger": ("Jo", "Bee"),
        "any": ("A", "B"),
    }
    with connect(postgres, autocommit=True) as connection:
        users = Users(connection, "operator-1")
        users.accredit("RMC", "Bolton NHS Foundation Trust", None)
        users.accredit("GMP", "Another employer", None)
        for account, (given, family) in homes.items():
            users.add(account, "health", "RMC" if account in {"mother", "okafor"} else "GMP")
            users.describe(account, given, family, home_of("14 mill brow", "BL14QR") if account == "lodger" else None)
    with open_trail(postgres, tmp_path) as trail:
        looked = [Person(user=account, role="health", organisation="RMC") for account in homes]
        trail.record([entry(who=who, child=number) for who in looked])
        trail.sequencer.number()
    monkeypatch.setenv("CONTACTPOINT_POSTGRES_DSN", postgres.dsn.get_secret_value())
    monkeypatch.setenv("CONTACTPOINT_KAFKA", "127.0.0.1:9")
    monkeypatch.setenv("CONTACTPOINT_AUDIT_KEYS", str(tmp_path / "log"))
    monkeypatch.setenv("CONTACTPOINT_AUDIT_WITNESS", "http://127.0.0.1:9")
    since = ("--since", f"{day:%Y-%m-%d}", "--output", "json")
    told = CliRunner().invoke(app, ["audit", "misuse", *since], catch_exceptions=False)
    assert {(each["user"], each["rule"]) for each in json.loads(told.stdout)} == {
        ("mother", "own_child"), ("lodger", "same_address"), ("any", "colleagues_child")
    }  # fmt: skip
    with connect(postgres, autocommit=True) as watcher:
        act_as(watcher, WATCHER)
        for table in (("directory", "entry"), ("service", "person"), ("service", "behind_account"), ("audit", "entry")):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                watcher.execute(sql.SQL("select 1 from {}").format(sql.Identifier(*table)))
