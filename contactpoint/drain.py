"""Tells how far the whole line is, and waits until everything published so far has gone all the way."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from psycopg import Connection, errors
from psycopg.rows import TupleRow

from connectors.kafka import end_offsets
from connectors.postgres import connect
from matching.sql import QUERIES
from matching.stage.messages import Position
from matching.stage.store import read_positions
from projections.status import lags
from schemas.errors import RetriableError
from schemas.settings import KafkaSettings, PostgresSettings
from schemas.topics import DECISIONS, SOURCE_TOPICS

MATCHING_TOPICS = (*SOURCE_TOPICS, DECISIONS)
_PAUSE = 0.1  # seconds between two looks


@dataclass(frozen=True, slots=True)
class StageLag:
    """One stage and partition: the next offset to read, the end, and how many messages lie between."""

    stage: str
    topic: str
    partition: int
    position: int
    end: int

    @property
    def lag(self) -> int:
        """Messages still to read."""
        return max(0, self.end - self.position)


def stage_lags(kafka: KafkaSettings, connection: Connection[TupleRow]) -> list[StageLag]:
    """Return the lag of matching and of each projection, a row a partition; a stage that never ran stands at 0."""
    ends = end_offsets(kafka, MATCHING_TOPICS)
    stored = {(position.topic, position.partition): position.next_offset for position in _matching(connection)}
    rows = [
        StageLag("matching", topic, partition, stored.get((topic, partition), 0), end)
        for (topic, partition), end in sorted(ends.items())
    ]
    return rows + [
        StageLag(row.projection, row.topic, row.partition, row.position, row.end) for row in lags(connection, kafka)
    ]


def outbox_rows(connection: Connection[TupleRow]) -> int:
    """Return how many batches matching has committed and not yet published (at most 100 are counted)."""
    try:
        with connection.transaction():
            return len(connection.execute(QUERIES["read_outbox"], {"limit": 100}).fetchall())
    except errors.UndefinedTable:
        return 0


def wait_until_drained(
    kafka: KafkaSettings,
    postgres: PostgresSettings,
    *,
    patience: float = 60.0,
    watch: Callable[[int, int], None] | None = None,
) -> None:
    """Return once nothing is left to read or to publish; `watch` gets the messages left and those behind.

    Raises RetriableError when nothing has moved for `patience` seconds.
    """
    best, since = None, time.monotonic()
    with connect(postgres, autocommit=True, application="contactpoint drain") as connection:
        while True:
            # The outbox is looked at first: a row that leaves it between the two looks is a message by the second.
            waiting = outbox_rows(connection)
            rows = stage_lags(kafka, connection)
            left = waiting + sum(row.lag for row in rows)
            if watch is not None:
                watch(left, sum(row.position for row in rows))
            if left == 0:
                return
            now = (sum(row.position for row in rows), waiting)
            if now != best:
                best, since = now, time.monotonic()
            elif time.monotonic() - since > patience:
                where = ", ".join(sorted({row.stage for row in rows if row.lag})) or "the outbox"
                message = (
                    f"nothing has moved for {patience:.0f} seconds with {left} messages left at {where}: is it running?"
                )
                raise RetriableError(message)
            time.sleep(_PAUSE)


def _matching(connection: Connection[TupleRow]) -> list[Position]:
    try:
        with connection.transaction():
            return list(read_positions(connection))
    except errors.UndefinedTable:
        return []
