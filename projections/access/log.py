"""Appending to the audit trail, and stopping when it is not kept: what the directory service calls.

In one transaction with the decision and the read, before a byte leaves:

    with connection.transaction():
        require_healthy(connection)                 # RetriableError: answer 503 and no record
        rows = ...                                  # decide and read
        receipts = append(connection, entries)      # one AccessEntry a child returned, or one for the refusal
    # only here, after the commit, may the answer be sent

From SQL (a function of the service's own, in the same transaction): `audit.append(entries jsonb) returns bigint[]`,
where `entries` is a JSON array of `schemas.access.AccessEntry` without nulls; `audit.healthy() returns boolean`,
`audit.trouble() returns text` (what is wrong, or null) and `audit.suspended(account text) returns boolean`. The role
contactpoint_reader may execute these four and has no right to any table. A refusal is appended also while the trail is
in trouble; only answers with content must stop.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import psycopg
from psycopg.rows import TupleRow

from connectors.postgres import apply_schema, connect, wrap_errors
from projections.access.sql import QUERIES
from schemas.access import AccessEntry
from schemas.errors import RetriableError
from schemas.settings import PostgresSettings

Connection = psycopg.Connection[TupleRow]


def create_tables(settings: PostgresSettings) -> None:
    """Make the roles, and the database schemas `audit` and `vault` with their rights, where they are missing."""
    apply_schema(settings, "projections.sql", "roles")
    apply_schema(settings, "projections.access.sql")


def create_where_missing(connection: Connection, settings: PostgresSettings) -> None:
    """Make the trail's tables unless they are there: a login that could not make them then need not."""
    with wrap_errors():
        row = connection.execute(QUERIES["is_made"]).fetchone()
    if row is None or not row[0]:
        create_tables(settings)


def append(connection: Connection, entries: Sequence[AccessEntry]) -> list[int]:
    """Append entries in the caller's transaction; return one receipt (entry number) each, in order.

    They are durable when the transaction's commit is acknowledged. Raises our errors (`connectors.postgres`).
    """
    document = "[" + ",".join(entry.model_dump_json(exclude_none=True) for entry in entries) + "]"
    with wrap_errors():
        row = connection.execute(QUERIES["append"], [document]).fetchone()
    return list(row[0]) if row else []


def require_healthy(connection: Connection) -> None:
    """Raise RetriableError, in words, when numbering, signing or witnessing has failed for longer than its limit."""
    with wrap_errors():
        row = connection.execute(QUERIES["trouble"]).fetchone()
    if row is None or row[0] is not None:
        message = f"the audit trail is not kept, so nothing may be read: {row[0] if row else 'no pulse'}"
        raise RetriableError(message)


def set_limits(settings: PostgresSettings, *, numbering: timedelta, signing: timedelta, witness: timedelta) -> None:
    """Set how long each part may fail before reads stop."""
    with connect(settings, autocommit=True) as connection, wrap_errors():
        connection.execute(QUERIES["set_limits"], [numbering, signing, witness])
