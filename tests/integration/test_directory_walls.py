"""The database's walls: who may do what in SQL, with the API's own login."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import psycopg
import pytest
from psycopg import errors
from pydantic import SecretStr

from connectors.postgres import connect
from connectors.vault import KeyVault
from contactpoint.reviewing.walls import open_desks
from projections import schema
from projections.access.sql import QUERIES as TRAIL
from projections.approvals.app import install as install_both
from projections.directory.projection import DirectoryProjection
from projections.privileges import flaws, matrix
from projections.rebuild import beside
from projections.service.app import Application, ServiceSettings
from projections.service.install import api_settings
from projections.service.tokens import TokenRules
from schemas.errors import ConfigurationError
from schemas.settings import PostgresSettings, VaultSettings
from tests.factories.directory_service import BASE_URL, Desk, pupil, running, teenager
from tests.factories.line import KEK

CHECKED_IN = Path(__file__).parents[1] / "golden" / "privileges.txt"
TABLES = "select format('%I.%I', nspname, relname) from pg_class join pg_namespace on pg_namespace.oid = relnamespace "
OURS = "where nspname !~ '^(pg_|information_schema)' and relkind in ('r', 'p', 'v', 'm')"


@pytest.fixture
def desk(postgres: PostgresSettings) -> Desk:
    desk = Desk(postgres)
    desk.directory.add(teenager())
    return desk


@pytest.fixture
def api(desk: Desk) -> Iterator[psycopg.Connection]:
    with connect(api_settings(desk.postgres), autocommit=True) as connection:
        yield connection


def test_the_privilege_matrix_is_the_one_that_is_checked_in(postgres: PostgresSettings) -> None:
    """After a change of rights that is meant: put what this finds into the file, and have both reviewed."""
    KeyVault(VaultSettings(kek=SecretStr(KEK), dsn=postgres.dsn)).close()
    install_both(postgres)
    open_desks(postgres)
    with connect(postgres, autocommit=True) as connection:
        assert matrix(connection) == CHECKED_IN.read_text(encoding="utf-8").splitlines()
        assert flaws(connection) == []


def test_the_api_can_neither_read_nor_change_any_table(desk: Desk, api: psycopg.Connection) -> None:
    tables = [row[0] for row in desk.sql(TABLES + OURS)]
    assert len(tables) > 30
    for table in tables:
        for statement in (
            "select * from {}",
            "insert into {} default values",
            "delete from {}",
            "truncate {}",
            "copy {} to stdout",
            "copy {} from stdin",
            "create index on {} ((1))",
            "alter table {} disable row level security",
            "drop table {}",
        ):
            with pytest.raises(errors.InsufficientPrivilege):
                api.execute(statement.format(table).encode())


def test_the_api_can_make_nothing_and_become_nobody_else(api: psycopg.Connection) -> None:
    for statement in (
        "create table mine (x int)",
        "create table public.mine (x int)",
        "create schema mine",
        "create role mine",
        "create extension pg_trgm",
        "create function public.f() returns int language sql as 'select 1'",
        "set role contactpoint_directory",
        "set role contactpoint_shield",
        "set session authorization contactpoint",
        "copy (select 1) to '/tmp/x'",
        "copy (select 1) to program 'cat'",
        "select pg_read_file('/etc/passwd')",
        "select service.behind_shield('x')",
        "select service.exact('{}', 1)",
        "alter function directory_api.sources() security invoker",
        "grant contactpoint_directory to directory_service_login",
    ):
        with pytest.raises((errors.InsufficientPrivilege, errors.InvalidSchemaName)):
            api.execute(statement.encode())


def test_the_second_wall_shows_no_row_to_who_is_not_eligible_whatever_was_decided(
    desk: Desk, api: psycopg.Connection
) -> None:
    (number,) = [row[0] for row in desk.sql("select child_number from directory.entry")]
    nurse = desk.employ("nurse")
    opening = "select directory_api.open_record(%s::jsonb, 'c', 'opened', %s, null, 'w')"

    def shown(subject: str) -> bool:
        context = f'{{"who": {{"user": "{subject}", "role": "r", "organisation": "o"}}, "policy": "p", "request": "r"}}'
        with api.transaction():
            api.execute(
                "select directory_api.admit(%s::jsonb)", [json.dumps([{"asking": subject, "proofs": [], "words": ""}])]
            )
            row = api.execute(opening, [context, number]).fetchone()
        return row is not None and "Hargreaves" in str(row[0])

    assert shown(nurse)
    assert not shown("stranger")
    change = "update service.person set {}"
    for lapse in ("trained_until = now()", "agreed_until = now()", "active = false", "vetted_name = 'x'"):
        desk.sql(change.format(lapse))
        assert not shown(nurse), lapse
        desk.employ("nurse")
        desk.sql("update service.person set active = true")
    assert shown(nurse)


def test_the_roles_of_the_projections_see_nothing_of_each_others(desk: Desk) -> None:
    """The exporter cannot read a name, the auditor no entry, the reader no audit entry (R12, R30)."""
    forbidden = {
        "exporter": ["directory.entry", "directory.lineage", "sealed.shielded_entry", "projection.record_version"],
        "auditor": ["directory.entry", "sealed.shielded_entry", "service.person"],
        "operator": ["directory.entry", "sealed.shielded_entry", "audit.entry", "service.handle"],
        "directory": ["sealed.shielded_entry", "audit.entry", "audit.pending", "archive.archived_entry"],
        "shield": ["directory.entry", "audit.pending", "archive.archived_entry", "sealed.sensitive_service"],
        "audit_writer": ["directory.entry", "audit.entry"],
    }
    with connect(desk.postgres, autocommit=True) as connection:
        for role, tables in forbidden.items():
            connection.execute(f"set role contactpoint_{role}".encode())
            for table in tables:
                with pytest.raises(errors.InsufficientPrivilege):
                    connection.execute(f"table {table}".encode())
            connection.execute("reset role")


def test_the_trails_sequencer_may_ask_whether_a_number_is_in_use_and_does_without_where_it_may_not(desk: Desk) -> None:
    ((number,),) = desk.sql("select child_number from directory.entry")
    with connect(desk.postgres) as connection:
        connection.execute("set role contactpoint_sequencer")
        assert connection.execute(TRAIL["knows_children"]).fetchone() == (True,)
        assert connection.execute(TRAIL["in_use"], [[number, "NOBODY"]]).fetchall() == [(number,)]
        connection.execute("reset role; revoke usage on schema projection from contactpoint_sequencer")
        connection.execute("set role contactpoint_sequencer")
        assert connection.execute(TRAIL["knows_children"]).fetchone() == (False,)
        connection.rollback()


def test_a_rebuilds_tables_bring_their_walls_along(desk: Desk) -> None:
    rights = (
        "select relname, relrowsecurity, relacl is not null from pg_class "
        "join pg_namespace on pg_namespace.oid = relnamespace where nspname like '%rebuild%' "
        "and relname in ('entry', 'lineage', 'shielded_entry') order by relname"
    )
    projection = DirectoryProjection()
    place = beside(projection)
    with connect(desk.postgres) as connection:
        projection.create(connection, place)
        schema.use(connection, projection.live)
    assert desk.sql(rights) == [(name, True, True) for name in ("entry", "lineage", "shielded_entry")]


def test_the_service_goes_on_behind_its_walls_when_a_rebuild_takes_the_place_of_the_tables(desk: Desk) -> None:
    projection = DirectoryProjection()
    place, (number,) = beside(projection), [row[0] for row in desk.sql("select child_number from directory.entry")]
    with running(desk):
        nurse = desk.employ("nurse")
        for _ in range(6):  # so often that the database has kept a plan
            assert "Hargreaves" in desk.post("/v1/open", nurse, child_number=number).text
        with connect(desk.postgres) as connection:
            projection.create(connection, place)
            for table in ("entry", "lineage"):
                connection.execute(f"drop table directory.{table}".encode())
                connection.execute(f"alter table {place.published}.{table} set schema directory".encode())
        assert desk.post("/v1/open", nurse, child_number=number).json() == {}
        desk.directory.add({"school:N1": pupil("Newly", "Made", date(2011, 3, 9))})
        found = desk.post("/v1/search", nurse, surname="Newly", forename="Made").json()["children"]
        assert len(found) == 1
        desk.sql("update service.person set trained_until = now()")
        assert desk.post("/v1/search", nurse, surname="Newly", forename="Made").status_code == 403


def test_the_service_refuses_to_start_with_an_account_that_may_read_tables(desk: Desk) -> None:
    settings = ServiceSettings(desk.postgres, BASE_URL, TokenRules("i", "a"))
    desk.app = Application(settings, desk.app.keys, desk.clock)
    with pytest.raises(ConfigurationError, match="may read tables"), running(desk):
        pass
