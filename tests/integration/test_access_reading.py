"""Reading the audit trail on a real PostgreSQL: by an auditor, for the family, by the misuse rules."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from connectors.postgres import act_as, connect
from projections.access.reader import TrailReader, Wanted
from projections.access.store import erase_keys
from projections.access.watch import accesses_of, close, keep, look, read_facts
from projections.directory.projection import DirectoryProjection
from schemas.access import Person
from schemas.errors import ConfigurationError, RejectedError, RetriableError
from schemas.settings import PostgresSettings
from tests.factories.trail import Trail, entry, open_trail

MOSS, REED = "1P363AQQSXXVB", "0000000000000"
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


def test_an_erased_child_cannot_be_found_any_more(trail: Trail, reader: TrailReader) -> None:
    trail.record([entry()])
    trail.sequencer.number()
    erase_keys(trail.connection, trail.keys.sealing, [MOSS])
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


def facts_file(trail: Trail) -> Path:
    path = trail.folder / "facts.json"
    nurse = {"user": "u-1", "organisation": "o", "role": "nurse", "given": "Ann", "surname": "Moss"}
    family = {"surname": "Fry", "carers": [["Ann", "Moss"]]}
    path.write_bytes(orjson.dumps({"users": {"u-1": nurse}, "families": {MOSS: family}, "involvements": {}}))
    return path


def test_the_rules_look_at_the_trail_and_a_suspended_account_is_refused_until_a_person_restores_it(
    trail: Trail, reader: TrailReader
) -> None:
    probing = [
        entry(action="searched", child=None, results=0, query={"family": "Fry", "postcode": f"ZZ{number} 1AA"})
        for number in range(4)
    ]
    trail.record([entry(), *probing])
    trail.sequencer.number()
    lines = look(reader, read_facts(facts_file(trail)), EVER)
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
    (line,) = keep(trail.connection, look(reader, read_facts(facts_file(trail)), EVER))
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


@pytest.mark.parametrize("content", [b"", b"[]", b'{"users": {"u": {"user": "u"}}}', b'{"users": {}, "scores": {}}'])
def test_a_wrong_facts_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "facts.json").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"facts\.json"):
        read_facts(tmp_path / "facts.json")
