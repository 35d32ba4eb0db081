"""The matching tables: creates them, writes one batch in one transaction, and reads the state back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from time import monotonic, sleep
from typing import LiteralString

import msgspec
import psycopg
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from connectors.postgres import apply_schema
from matching.changes import ConflictState, RecordRow
from matching.fold_version import FOLD_VERSION
from matching.linkage.decisions import Decision
from matching.sql import QUERIES
from matching.stage.messages import Batch, Position, ReplayTarget
from schemas.errors import FencedError, RetriableError
from schemas.settings import PostgresSettings

ROW_TYPES = (
    *("int4", "text", "text", "int8", "text", "int8", "bool", "text", "int8", "text"),
    *("int4", "text", "bytea", "bytea", "text", "int2"),
)
_LABEL_TYPES = ("int4", "int8", "text", "int8", "text")
_LOOK_SECONDS = 0.05
_ENCODER = msgspec.msgpack.Encoder()
_DECISION = msgspec.msgpack.Decoder(Decision)
_CONFLICT = msgspec.msgpack.Decoder(ConflictState)


def create_tables(settings: PostgresSettings) -> None:
    """Create what is missing of the database schema `matching`."""
    apply_schema(settings, "matching.sql")


def prepare_writer(connection: psycopg.Connection) -> None:
    """Set a connection up for `commit`: its scratch tables, and plans that do not depend on statistics."""
    connection.execute(QUERIES["create_scratch"])
    connection.execute(QUERIES["plan_by_index"])


def commit(connection: psycopg.Connection, batch: Batch) -> bool:
    """Write one batch in one transaction and tell whether it left anything to publish.

    Raises FencedError when the owner row has another epoch or batch than the one before: another worker owns the work.
    """
    with connection.transaction():
        _advance(connection, batch)  # 1 first: a zombie does no work, and a takeover waits here for our end
        publishes = write_changes(connection, batch)  # 2 to 6
        _move_positions(connection, batch.positions)  # 7
    return publishes


def write_changes(connection: psycopg.Connection, batch: Batch) -> bool:
    """Write the rows and the outbox of one batch inside the caller's transaction; tell whether there is to publish."""
    _copy(connection, QUERIES["copy_inserted"], ROW_TYPES, batch.inserted)  # 2
    if batch.rewritten:
        _copy(connection, QUERIES["copy_rewritten"], ROW_TYPES, batch.rewritten)
        connection.execute(QUERIES["update_rewritten"])  # 3
    if batch.relabelled:
        _copy(connection, QUERIES["copy_relabelled"], _LABEL_TYPES, batch.relabelled)
        connection.execute(QUERIES["update_relabelled"])  # 4
    _keep(connection, batch)  # 5
    if batch.outbox:
        connection.execute(QUERIES["add_to_outbox"], {"batch": batch.batch, "payload": batch.outbox})  # 6
    return bool(batch.outbox)


def read_positions(connection: psycopg.Connection) -> list[Position]:
    """Return the next offset to read of every partition that has been read."""
    return [Position(*row) for row in connection.execute(QUERIES["read_positions"])]


def read_records(connection: psycopg.Connection) -> Iterator[RecordRow]:
    """Yield every row of matching.record in order of rid."""
    with connection.cursor() as cursor, cursor.copy(QUERIES["copy_out"]) as copy:
        copy.set_types(ROW_TYPES)
        for row in copy.rows():
            yield RecordRow._make(row)


def read_decisions(connection: psycopg.Connection) -> list[Decision]:
    """Return every decision that was ever read."""
    return [_DECISION.decode(payload) for (payload,) in connection.execute(QUERIES["read_decisions"])]


def read_conflicts(connection: psycopg.Connection) -> list[tuple[str, ConflictState]]:
    """Return every open conflict, with its id."""
    return [(name, _CONFLICT.decode(payload)) for name, payload in connection.execute(QUERIES["read_conflicts"])]


def claim(connection: psycopg.Connection, epoch: int, model_id: str) -> None:
    """Note what the tables are made with from now on: this model, and this build's fold. Raises FencedError."""
    values = {"epoch": epoch, "model_id": model_id, "fold_version": FOLD_VERSION}
    _require_one(connection.execute(QUERIES["claim"], values))


def start_relinking(connection: psycopg.Connection, epoch: int, model_id: str, until: ReplayTarget) -> None:
    """Empty the tables, to be made again up to `until` with this model and this build's fold. Raises FencedError.

    Batch numbers go on, and the outbox stays: only differences to what was published will be published.
    """
    values = {"epoch": epoch, "model_id": model_id, "fold_version": FOLD_VERSION, "until": Jsonb(until)}
    with connection.transaction():
        _require_one(connection.execute(QUERIES["start_relinking"], values))
        connection.execute(QUERIES["empty_tables"])


def wait_for_outbox(connection: psycopg.Connection, seconds: float) -> None:
    """Wait until everything is published; raise RetriableError when that takes too long."""
    deadline = monotonic() + seconds
    while connection.execute(QUERIES["outbox_left"]).fetchone():
        if monotonic() > deadline:
            message = "the outbox is not being published"
            raise RetriableError(message)
        sleep(_LOOK_SECONDS)


def start_replay(connection: psycopg.Connection, epoch: int, batch: int, until: ReplayTarget) -> None:
    """Note durably that the state is being made again: up to where, and above which batch number it counts."""
    values = {"epoch": epoch, "batch": batch, "until": Jsonb(until)}
    _require_one(connection.execute(QUERIES["start_replay"], values))


def _require_one(done: psycopg.Cursor[TupleRow]) -> None:
    """Raise FencedError when the owner row was no longer this worker's."""
    if done.rowcount != 1:
        message = "another worker owns the matching state"
        raise FencedError(message)


def _advance(connection: psycopg.Connection, batch: Batch) -> None:
    values = {"epoch": batch.epoch, "batch": batch.batch}
    if connection.execute(QUERIES["advance_batch"], values).rowcount != 1:
        message = f"batch {batch.batch} of epoch {batch.epoch} does not follow the stored one"
        raise FencedError(message)
    if batch.ends_replay:
        connection.execute(QUERIES["end_replay"], {"epoch": batch.epoch})


def _keep(connection: psycopg.Connection, batch: Batch) -> None:
    """Write new decisions and what became of conflicts."""
    with connection.cursor() as cursor:
        if batch.decisions:
            kept = [(each.event_id, _ENCODER.encode(each)) for each in batch.decisions]
            cursor.executemany(QUERIES["keep_decision"], kept)
        closed = [each.conflict_id for each in batch.conflicts if each.step == "closed"]
        if closed:
            cursor.execute(QUERIES["close_conflicts"], {"conflicts": closed})
        opened = [
            (each.conflict_id, each.state.kind, each.state.held or None, _ENCODER.encode(each.state))
            for each in batch.conflicts
            if each.step != "closed"
        ]
        if opened:
            cursor.executemany(QUERIES["keep_conflict"], opened)


def _copy(
    connection: psycopg.Connection, statement: LiteralString, types: Iterable[str], rows: Iterable[tuple[object, ...]]
) -> None:
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(list(types))
        for row in rows:
            copy.write_row(row)


def _move_positions(connection: psycopg.Connection, positions: list[Position]) -> None:
    if positions:
        names = "topics", "partitions", "next_offsets", "times"
        columns = map(list, zip(*positions, strict=True))
        connection.execute(QUERIES["move_positions"], dict(zip(names, columns, strict=True)))
