"""Positions of a projection: written in the transaction of the rows, by compare-and-set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from connectors.kafka import Partition, Positions, ReadMessage, Times
from connectors.postgres import sql_blocks, take_ddl_turn
from projections.base import Rows
from schemas.errors import FencedError

_SQL = sql_blocks("projections.sql", "checkpoint")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a projection has come: its positions, and the number of the commit that wrote them."""

    projection: str
    commits: int
    positions: Positions


def create(connection: Rows) -> None:
    """Create the tables of positions where they are missing; processes that start together take turns until commit."""
    take_ddl_turn(connection)
    connection.execute(_SQL["create"])


def prepare_writer(connection: Rows) -> None:
    """Set what a writer's connection needs: a frozen writer must not hold up its successor for long."""
    connection.execute(_SQL["session"])


def make_way(connection: Rows, application: str) -> None:
    """Let no lock be waited for without end, and end a writer of this name that has been silent amid a COPY."""
    connection.execute(_SQL["do_not_wait_for_ever"])
    connection.execute(_SQL["end_silent_writer"], (application,))


def register(connection: Rows, projection: str, version: int, partitions: Iterable[Partition]) -> None:
    """Start a projection at offset 0 of these partitions, except where it has a position already."""
    connection.execute(_SQL["register"], (projection, version))
    topics, parts = _columns(partitions)
    connection.execute(_SQL["register_positions"], (projection, topics, parts))


def load(connection: Rows, projection: str) -> Checkpoint | None:
    """Return the checkpoint of a projection, or None when it was never registered."""
    found = connection.execute(_SQL["load_commits"], (projection,)).fetchone()
    return None if found is None else Checkpoint(projection, found[0], positions(connection, projection))


def lock(connection: Rows, projection: str) -> Checkpoint:
    """Return the checkpoint and keep every writer of the projection waiting until the transaction ends."""
    found = connection.execute(_SQL["lock"], (projection,)).fetchone()
    if found is None:
        message = f"projection {projection} has no positions any longer"
        raise FencedError(message)
    return Checkpoint(projection, found[0], positions(connection, projection))


def positions(connection: Rows, projection: str) -> Positions:
    """Return the positions of a projection."""
    rows = connection.execute(_SQL["load_positions"], (projection,)).fetchall()
    return {(topic, part): next_offset for topic, part, next_offset in rows}


def times(connection: Rows, projection: str) -> Times:
    """Return when the messages were sent that come before the positions, as far as that was noted."""
    rows = connection.execute(_SQL["load_times"], (projection,)).fetchall()
    return {(topic, part): time for topic, part, time in rows}


def advance(connection: Rows, held: Checkpoint, last: Mapping[Partition, ReadMessage]) -> Checkpoint:
    """Move the positions past these messages if nobody else has moved them; raise FencedError otherwise.

    The first statement locks the projection's one row until the transaction ends, so that the writes of two processes
    never overlap, whichever partitions they read.
    """
    counted = connection.execute(_SQL["advance_commits"], (held.projection, held.commits))
    if counted.rowcount != 1:
        message = f"another process has advanced projection {held.projection}"
        raise FencedError(message)
    topics, parts = _columns(last)
    after = {partition: message.offset + 1 for partition, message in last.items()}
    expected = [held.positions.get(partition, 0) for partition in after]
    sent = [message.time for message in last.values()]
    moved = connection.execute(
        _SQL["advance_positions"], (topics, parts, expected, list(after.values()), sent, held.projection)
    )
    if moved.rowcount != len(after):
        message = f"the positions of projection {held.projection} are not the expected ones"
        raise FencedError(message)
    return Checkpoint(held.projection, held.commits + 1, {**held.positions, **after})


def take_over(connection: Rows, projection: str, version: int) -> None:
    """Note that the live tables were replaced by a rebuild of this fold version: writers reload their positions."""
    connection.execute(_SQL["take_over"], (version, projection))


def forget(connection: Rows, projection: str) -> None:
    """Delete the positions of a projection."""
    connection.execute(_SQL["forget"], (projection,))


def fold_version(connection: Rows, projection: str) -> int | None:
    """Return the version of the fold that made the rows, or None when the projection was never registered."""
    found = connection.execute(_SQL["load_fold_version"], (projection,)).fetchone()
    return None if found is None else found[0]


def other_fold(made_by: int | None, version: int) -> str:
    """Say that another fold than this build's made a projection's rows, "" if it was this one or nobody made any."""
    return "" if made_by in {None, version} else f"made by fold version {made_by}, this build has {version}"


def all_positions(connection: Rows) -> dict[str, dict[Partition, int]]:
    """Return the positions of every projection."""
    found: dict[str, dict[Partition, int]] = {}
    for projection, topic, part, next_offset in connection.execute(_SQL["all_positions"]):
        found.setdefault(projection, {})[topic, part] = next_offset
    return found


def _columns(partitions: Iterable[Partition]) -> tuple[list[str], list[int]]:
    listed = list(partitions)
    return [topic for topic, _ in listed], [part for _, part in listed]
