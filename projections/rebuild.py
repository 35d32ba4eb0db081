"""Makes a projection again from offset 0 beside the live one, compares the two, and puts the new one in its place.

The live projection goes on meanwhile. Its digests are taken from a snapshot, the rebuild folds to exactly the positions
of that snapshot, and the two must be equal. For the swap the live writer is held at its checkpoint for as long as the
last few messages take; then the tables change places in one transaction, so that readers see the old rows or the new
ones and never none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import structlog
from psycopg import sql

from connectors.kafka import Positions
from connectors.postgres import connect, sql_blocks, take_ddl_turn, wrap_errors
from projections import checkpoint, schema
from projections.base import Namespace, Projection, Rows
from projections.digest import ProjectionDigest, digest, digest_in_transaction
from projections.runner import Pace, Runner
from schemas.errors import ConfigurationError, RetriableError
from schemas.settings import KafkaSettings, PostgresSettings

log = structlog.get_logger(__name__)

Swap = Literal["if_equal", "always", "never"]
Report = Callable[[str], None]

_SQL = sql_blocks("projections.sql", "rebuild")
# While the live writer waits, at most about this many messages are left to fold (well under a second of work).
_SMALL = 2_000
_ROUNDS = 20


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """What came out: both digests at the same positions, the tables that differ, and whether the new ones are live."""

    projection: str
    live: ProjectionDigest
    rebuilt: ProjectionDigest
    differences: tuple[str, ...]
    swapped: bool

    @property
    def equal(self) -> bool:
        """Tell whether every table has the digest that the live one had."""
        return not self.differences


def beside(projection: Projection) -> Namespace:
    """Return where a rebuild of this projection is made."""
    name = f"{projection.name}_rebuild"
    areas = {area: f"{name}_{area}" for area in projection.live.areas}
    return Namespace(f"{projection.name}.rebuild", name, f"{name}_working", areas)


def verify(projection: Projection, kafka: KafkaSettings, postgres: PostgresSettings) -> RebuildReport:
    """Make the projection again and compare, changing nothing."""
    return rebuild(projection, kafka, postgres, swap="never")


def rebuild(
    projection: Projection,
    kafka: KafkaSettings,
    postgres: PostgresSettings,
    *,
    swap: Swap = "if_equal",
    pace: Pace | None = None,
    report: Report | None = None,
) -> RebuildReport:
    """Rebuild, compare and, as `swap` says, take the place of the live tables.

    Raises ConfigurationError when the projection has never run, RetriableError when another rebuild of it runs.
    """
    say = report or _silent
    place = beside(projection)
    runner = Runner(projection, kafka, postgres, namespace=place, pace=pace)
    with (
        connect(postgres, autocommit=True, application=f"rebuild {projection.name}") as connection,
        wrap_errors(),
        _alone(connection, projection),
        _clean(connection, place),
    ):
        live = _digest_live_and_fold(connection, projection, runner, say)
        rebuilt = digest(connection, projection, place)
        differences = live.differences(rebuilt)
        say(f"{projection.name}: {'equal' if not differences else 'different: ' + ', '.join(differences)}")
        swapped = swap == "always" or (swap == "if_equal" and not differences)
        if swapped:
            _catch_up(connection, projection, runner)
            _swap(connection, projection, place, runner)
            say(f"{projection.name}: the rebuilt tables are live")
    log.info("projection_rebuilt", projection=projection.name, count=len(differences), status=f"swapped={swapped}")
    return RebuildReport(projection.name, live, rebuilt, differences, swapped)


def _digest_live_and_fold(connection: Rows, projection: Projection, runner: Runner, say: Report) -> ProjectionDigest:
    """Return the live digests of one snapshot, and fold the rebuild to exactly its positions."""
    with connection.transaction():
        connection.execute("set transaction isolation level repeatable read")
        held = checkpoint.load(connection, projection.name)
        if held is None:
            message = f"projection {projection.name} has never run: there is nothing to compare a rebuild with"
            raise ConfigurationError(message)
        events = sum(held.positions.values())
        say(f"{projection.name}: folding {events:,} events again")
        live = digest_in_transaction(connection, projection, projection.live)
    began = time.monotonic()
    runner.catch_up(live.positions)
    seconds = time.monotonic() - began
    say(f"{projection.name}: {events:,} events in {seconds:.1f} s, {1e6 * seconds / max(events, 1):,.0f} s a million")
    return live


def _catch_up(connection: Rows, projection: Projection, runner: Runner) -> None:
    """Fold what the live projection has folded meanwhile, until little is left."""
    done: Positions = {}
    for _ in range(_ROUNDS):
        now = checkpoint.positions(connection, projection.name)
        if done and sum(now.values()) - sum(done.values()) <= _SMALL:
            return
        runner.catch_up(now)
        done = now


def _swap(connection: Rows, projection: Projection, place: Namespace, runner: Runner) -> None:
    """Let the rebuilt tables take the place of the live ones, at equal positions, in one transaction."""
    live = projection.live
    with connection.transaction():
        connection.execute(_SQL["do_not_wait_long"])
        held = checkpoint.lock(connection, live.projection)  # 1 the live writer waits from here on
        runner.catch_up(held.positions)  # 2 the rebuild stands where the live one stands
        take_ddl_turn(connection)  # 3 not while another process makes tables or rights
        for table in projection.tables:  # 4 the tables change places
            old, new = live.of(table), place.of(table)
            connection.execute(sql.SQL("drop table {}").format(sql.Identifier(old, table.name)))
            connection.execute(
                sql.SQL("alter table {} set schema {}").format(sql.Identifier(new, table.name), sql.Identifier(old))
            )
        checkpoint.take_over(connection, live.projection, projection.version)  # 5 the live writer starts afresh


@contextmanager
def _alone(connection: Rows, projection: Projection) -> Iterator[None]:
    """Hold the right to rebuild this projection; the lock ends with the connection at the latest."""
    name = f"contactpoint.rebuild.{projection.name}"
    found = connection.execute(_SQL["try_lock"], (name,)).fetchone()
    if found is None or not found[0]:
        message = f"a rebuild of {projection.name} is running already"
        raise RetriableError(message)
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute(_SQL["unlock"], (name,))


def clear_remains(connection: Rows, projections: Iterable[Projection]) -> None:
    """Drop what killed rebuilds of these left: it knows nothing of later erasures. RetriableError while one runs."""
    with wrap_errors():
        for projection in projections:
            with _alone(connection, projection):
                _drop(connection, beside(projection))


@contextmanager
def _clean(connection: Rows, place: Namespace) -> Iterator[None]:
    """Begin without the remains of an interrupted rebuild, and leave none behind."""
    with connection.transaction():
        checkpoint.create(connection)
    _drop(connection, place)
    try:
        yield
    finally:
        if not connection.closed:
            _drop(connection, place)


def _drop(connection: Rows, place: Namespace) -> None:
    with connection.transaction():
        take_ddl_turn(connection)
        schema.drop(connection, place)
        checkpoint.forget(connection, place.projection)


def _silent(_: str) -> None:
    """Report to nobody."""
