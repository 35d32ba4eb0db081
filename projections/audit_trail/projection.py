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
    add_floors,
    earliest,
    identity_event_row,
    not_erased,
    source_event_row,
)
from projections.audit_trail.views import DecisionHead, IdentityEventView, RecordEventView
from projections.base import Namespace, Refused, Rows, Table
from projections.erasures import ERASED, floors_of
from projections.schema import create_tables
from projections.text import copy_block, refuse_nul
from schemas.codec import decode_as
from schemas.errors import RejectedError
from schemas.topics import DECISIONS, IDENTITIES, SOURCE_TOPICS

_PACKAGE = "projections.audit_trail.sql"
_SQL = sql_blocks(_PACKAGE)
_OUTSIDE_DIGEST = frozenset({"topic", "part", "log_offset"})


class AuditTrailProjection:
    """Which event changed what, and why two records are one child."""

    name = "audit_trail"
    version = 2
    topics = (*SOURCE_TOPICS, IDENTITIES, DECISIONS)
    first_topics = (DECISIONS,)
    live = Namespace("audit_trail", published="audit", working="projection")
    tables = (
        Table(
            "source_event",
            tuple(name for name in SourceEventRow._fields if name not in _OUTSIDE_DIGEST),
            ("event_id",),
            published=True,
            settled=True,
        ),
        Table("erased_record", ("record_key", "source_version"), ("record_key",), published=True, settled=True),
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
        floors: dict[str, int] = {}
        for message in messages:
            try:
                refuse_nul(message.value)
                if message.topic == IDENTITIES:
                    identity = identity_event_row(decode_as(message.value, IdentityEventView))
                    identities.setdefault(identity.event_id, identity)
                elif message.topic == DECISIONS:
                    decision = decode_as(message.value, DecisionHead)
                    if decision.event_type == ERASED:
                        add_floors(floors, floors_of(decision.data))
                else:
                    view = decode_as(message.value, RecordEventView)
                    sources.append(source_event_row(view, message.topic, message.partition, message.offset))
            except RejectedError as error:
                refused.append(Refused(message, error))
        _erase(connection, floors)
        kept = not_erased(earliest(sources).values(), _floors(connection, sources))
        _append(connection, "source_events", "upsert", kept)
        _append(connection, "identity_events", "insert", identities.values())
        return refused


def _erase(connection: Rows, floors: dict[str, int]) -> None:
    """Delete what the trail holds of erased records, and keep up to which version that is."""
    if floors:
        connection.execute(_SQL["erase"], {"keys": list(floors), "floors": list(floors.values())})


def _floors(connection: Rows, sources: Sequence[SourceEventRow]) -> dict[str, int]:
    found = connection.execute(_SQL["any_erased"]).fetchone()
    if not sources or found is None or not found[0]:
        return {}
    return dict(connection.execute(_SQL["floors"], ([row.record_key for row in sources],)).fetchall())


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
