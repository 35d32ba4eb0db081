"""Appending to the audit trail of access on a real PostgreSQL: durable with the decision, refused without keeping."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, get_args

import psycopg
import pytest

from connectors.postgres import connect, sql_script
from projections.access.log import append, create_tables, require_healthy, set_limits
from schemas.access import AccessAction, AccessEntry, Person
from schemas.errors import RejectedError, RetriableError
from schemas.settings import PostgresSettings


@pytest.fixture
def trail(postgres: PostgresSettings) -> Iterator[psycopg.Connection]:
    create_tables(postgres)
    with connect(postgres, autocommit=True) as connection:
        yield connection


def entry(**changes: Any) -> AccessEntry:
    common: dict[str, Any] = {
        "action": "opened",
        "decision": "permitted",
        "who": Person(user="u-1", role="nurse", organisation="RXX01", acr="AAL3", amr=("hwk",)),
        "child": "1P363AQQSXXVB",
        "policy": "p1",
        "request": "r-1",
    }
    return AccessEntry(**{**common, **changes})


def test_entries_are_there_exactly_when_their_transaction_commits(trail: psycopg.Connection) -> None:
    with trail.transaction():
        receipts = append(trail, [entry(), entry(action="searched", query={"family": "Moss"})])
    with trail.transaction(force_rollback=True):
        append(trail, [entry()])
    rows = trail.execute("select entry_id, entry ->> 'action' from audit.pending order by entry_id").fetchall()
    assert rows == [(receipts[0], "opened"), (receipts[1], "searched")]


def test_a_commit_with_an_entry_waits_for_the_disk_whatever_the_session_says(trail: psycopg.Connection) -> None:
    trail.execute("set synchronous_commit = off")
    with trail.transaction():
        append(trail, [entry()])
        assert trail.execute("show synchronous_commit").fetchone() == ("on",)


def test_sql_takes_the_same_acts_as_the_contract() -> None:
    body = sql_script("projections.access.sql", "schema").split("entry ->> 'action' in (")[1].split(")")[0]
    assert set(re.findall(r"'(\w+)'", body)) == set(get_args(AccessAction))


WHO = {"user": "u", "role": "r", "organisation": "o"}
GOOD = {"action": "opened", "decision": "permitted", "who": WHO, "policy": "p", "request": "r"}


BAD: list[list[object]] = [
    [],
    [1],
    [{"action": "opened"}],
    [GOOD | {"action": "ranked"}],
    [GOOD | {"decision": "refused"}],
    [GOOD | {"record": {"family": "Moss"}}],
    [GOOD | {"reason": "x" * 501}],
    [GOOD, GOOD | {"who": WHO | {"user": ""}}],
]


def test_what_is_no_entry_is_refused(trail: psycopg.Connection) -> None:
    for document in BAD:
        with pytest.raises((psycopg.errors.CheckViolation, psycopg.errors.InvalidParameterValue)):
            trail.execute("select audit.append(%s::jsonb)", [json.dumps(document)])
    assert trail.execute("select count(*) from audit.pending").fetchone() == (0,)


def test_the_reader_may_append_and_neither_read_nor_change_an_entry(trail: psycopg.Connection) -> None:
    trail.execute("set role contactpoint_reader")
    assert append(trail, [entry()])
    require_healthy(trail)
    for statement in ("select * from audit.pending", "delete from audit.pending", "select * from vault.audit_key"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            trail.execute(statement.encode())


def test_reads_stop_when_a_part_fails_for_longer_than_its_limit_and_refusals_are_still_entered(
    trail: psycopg.Connection, postgres: PostgresSettings
) -> None:
    for part in ("numbering", "signing", "witness"):
        limits = dict.fromkeys(("numbering", "signing", "witness"), timedelta(hours=1))
        set_limits(postgres, **limits)
        require_healthy(trail)
        set_limits(postgres, **limits | {part: timedelta(0)})
        with pytest.raises(RetriableError, match="not kept"):
            require_healthy(trail)
    assert append(trail, [entry(decision="refused", refusal="audit_unavailable")])


def test_the_trail_cannot_be_changed_by_mistake(trail: psycopg.Connection) -> None:
    for statement in (
        "update audit.entry set body = ''",
        "delete from audit.node",
        "truncate audit.checkpoint cascade",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            trail.execute(statement.encode())


def test_appending_nothing_is_refused(trail: psycopg.Connection) -> None:
    with pytest.raises(RejectedError):
        append(trail, [])
