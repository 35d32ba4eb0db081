"""The audit trail as a projection: one row an event, appended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, LiteralString

from psycopg.errors import UniqueViolation

from connectors.kafka import ReadMessage
from connectors.postgres import sql_blocks, sql_script
from projections.audit_trail.fold import (
    IdentityEventRow,
    SourceEventRow,
    earliest,
    identity_event_row,
    source_event_row,
)
from projections.audit_trail.views import IdentityEventView, RecordEventView
from projections.base import Namespace, Refused, Rows, Table
from projections.schema import create_tables
from projections.text import copy_block, refuse_nul
from schemas.codec import decode_as
from schemas.errors import RejectedError
from schemas.topics import IDENTITIES, SOURCE_TOPICS

_PACKAGE = "projections.audit_trail.sql"
_SQL = sql_blocks(_PACKAGE)
_OUTSIDE_DIGEST = frozenset({"topic", "part", "log_offset"})


class AuditTrailProjection:
    """Which event changed what, and why two records are one child."""

    name = "audit_trail"
    version = 1
    topics = (*SOURCE_TOPICS, IDENTITIES)
    first_topics: tuple[str, ...] = ()
    live = Namespace("audit_trail", published="audit", working="projection")
    tables = (
        Table(
            "source_event",
            tuple(name for name in SourceEventRow._fields if name not in _OUTSIDE_DIGEST),
            ("event_id",),
            published=True,
            settled=True,
        ),
        Table("identity_event", IdentityEventRow._fields, ("event_id",), published=True),
    )

    def create(self, connection: Rows, namespace: Namespace) -> None:
        """Create the tables where they are missing, in this namespace."""
        create_tables(connection, namespace, _PACKAGE)

    def prepare(self, connection: Rows) -> None:
        """Make the temporary tables of one connection."""
        connection.execute(sql_script(_PACKAGE, "session"))

    def apply(self, connection: Rows, messages: Sequence[ReadMessage]) -> list[Refused]:
        """Append a row for each message in the caller's transaction; return those that cannot be read."""
        sources: list[SourceEventRow] = []
        identities: dict[str, IdentityEventRow] = {}
        refused: list[Refused] = []
        for message in messages:
            try:
                refuse_nul(message.value)
                if message.topic == IDENTITIES:
                    identity = identity_event_row(decode_as(message.value, IdentityEventView))
                    identities.setdefault(identity.event_id, identity)
                else:
                    view = decode_as(message.value, RecordEventView)
                    sources.append(source_event_row(view, message.topic, message.partition, message.offset))
            except RejectedError as error:
                refused.append(Refused(message, error))
        _append(connection, "source_events", "upsert", earliest(sources).values())
        _append(connection, "identity_events", "insert", identities.values())
        return refused


def _append(connection: Rows, table: str, verb: str, rows: Iterable[tuple[Any, ...]]) -> None:
    """COPY the rows straight in; when an event is there already, go by a temporary table and add those that are new.

    The log repeats an event only after a crash, and the straight way costs half.
    """
    block = copy_block(sorted(rows))  # in the order of event ids: neighbours in the index are written together
    if not block:
        return
    try:
        with connection.transaction():  # a savepoint
            _copy(connection, _SQL[f"append_{table}"], block)
    except UniqueViolation:
        _copy(connection, _SQL[f"copy_{table}"], block)
        connection.execute(_SQL[f"{verb}_{table}"])


def _copy(connection: Rows, statement: LiteralString, block: bytes) -> None:
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(block)
