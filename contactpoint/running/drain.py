"""Tells how far the whole line is, and waits until everything published so far has gone all the way."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from psycopg import Connection, errors
from psycopg.rows import TupleRow

from connectors.kafka import end_offsets
from connectors.postgres import connect, wrap_errors
from contactpoint.running.waiting import comes_true
from matching.sql import QUERIES
from matching.stage.made_with import MadeWith, made_with
from matching.stage.messages import Position
from matching.stage.store import read_positions
from projections.registry import PROJECTIONS
from projections.status import Lag, due_for_rebuild, lags_to
from schemas.decisions import DecisionEvent, DecisionRetracted, ModelActivated
from schemas.errors import ConfigurationError, RetriableError
from schemas.in_force import in_force
from schemas.settings import KafkaSettings, PostgresSettings
from schemas.topics import DECISIONS, MATCHING_TOPICS

_PAUSE = 0.1  # seconds between two looks
_LONGEST_RELINKING = 3600.0  # seconds


def stage_lags(kafka: KafkaSettings, connection: Connection[TupleRow]) -> list[Lag]:
    """Return the lag of matching and of each projection, a row a partition; a stage that never ran stands at 0."""
    return _lags(kafka, connection, _matching(connection))


def _lags(kafka: KafkaSettings, connection: Connection[TupleRow], matching: list[Position]) -> list[Lag]:
    projections = PROJECTIONS.values()
    ends = end_offsets(kafka, {*MATCHING_TOPICS, *(topic for each in projections for topic in each.topics)})
    stored = {(position.topic, position.partition): position.next_offset for position in matching}
    rows = [
        Lag("matching", topic, partition, stored.get((topic, partition), 0), end)
        for (topic, partition), end in sorted(ends.items())
        if topic in MATCHING_TOPICS
    ]
    return [*rows, *lags_to(connection, ends, projections)]


def outbox_rows(connection: Connection[TupleRow]) -> int:
    """Return how many batches matching has committed and not yet published."""
    counted = None
    with _readable(), suppress(errors.UndefinedTable), connection.transaction():
        counted = connection.execute(QUERIES["count_outbox"]).fetchone()
    return counted[0] if counted else 0


def due_again(connection: Connection[TupleRow]) -> list[str]:
    """Say which stages' tables are being made again, or are due to be because an older fold made them."""
    made = MadeWith(None)
    with _readable(), suppress(errors.UndefinedTable), connection.transaction():
        made = made_with(connection)
    due = due_for_rebuild(connection)
    if made.other_fold:
        return [f"matching: {made.other_fold}: a start of matching by the newer build makes it again", *due]
    if made.model_id is not None and _linked_by(connection) is None:
        return ["matching: being made again from the log; at its end the differences are published", *due]
    return due


def wait_until_drained(
    kafka: KafkaSettings,
    postgres: PostgresSettings,
    *,
    patience: float = 60.0,
    watch: Callable[[int, int], None] | None = None,
    stages: Collection[str] | None = None,
) -> None:
    """Return once nothing is left to read or to publish; `watch` gets the messages left and those behind.

    Only the named stages are waited for, by default all of them. Raises RetriableError when nothing has moved for
    `patience` seconds.
    """
    best, since = None, time.monotonic()
    with connect(postgres, autocommit=True, application="contactpoint drain") as connection:
        while True:
            # In the order of the flow: what leaves one place between two looks has arrived at the next by the second.
            matching = _matching(connection)
            waiting = outbox_rows(connection)
            rows = [row for row in _lags(kafka, connection, matching) if stages is None or row.stage in stages]
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


def wait_until_applied(kafka: KafkaSettings, postgres: PostgresSettings, *, patience: float = 60.0) -> None:
    """Return once what is in `decisions` now is linked, published and folded into every projection.

    Records that keep coming do not matter. Raises RetriableError when that does not come about within `patience`
    seconds.
    """
    until = time.monotonic() + patience
    with connect(postgres, autocommit=True, application="contactpoint wait") as connection:
        ends = end_offsets(kafka, [DECISIONS])
        _wait(lambda: _all_read(_matching(connection), ends), until, "matching has not read the decision")
        batch = _last_batch(connection)
        _wait(lambda: _first_waiting(connection) > batch, until, "matching has not published what follows")
        topics = sorted({topic for each in PROJECTIONS.values() for topic in each.topics})
        limits = end_offsets(kafka, topics)
        _wait(lambda: _all_folded(connection, limits), until, "a projection has not folded it")


def wait_until_model(kafka: KafkaSettings, postgres: PostgresSettings, model_id: str) -> None:
    """Return once everything is linked by this model, published and folded; raises like `wait_until_applied`."""
    until = time.monotonic() + _LONGEST_RELINKING
    with connect(postgres, autocommit=True, application="contactpoint wait") as connection:
        _wait(lambda: _linked_by(connection) == model_id, until, "matching has not linked everything by the new model")
    wait_until_applied(kafka, postgres, patience=max(1.0, until - time.monotonic()))


def wait_until_decided(
    kafka: KafkaSettings,
    postgres: PostgresSettings,
    before: Sequence[DecisionEvent],
    made: Sequence[DecisionEvent],
    default_model: Callable[[], str],
) -> None:
    """Return once every stage shows these decisions; where one takes a model back, once all is linked by the other.

    `default_model` is asked for the id of the one that decides where none is activated any more.
    """
    taken_back = {event.data.decision for event in made if isinstance(event, DecisionRetracted)}
    if not any(isinstance(event, ModelActivated) and event.event_id in taken_back for event in before):
        wait_until_applied(kafka, postgres)
        return
    models = [event.data.model for event in in_force([*before, *made]).values() if isinstance(event, ModelActivated)]
    wait_until_model(kafka, postgres, models[-1] if models else default_model())


def _linked_by(connection: Connection[TupleRow]) -> str | None:
    """Return the model of the tables, None while they are being made again."""
    with _readable():
        found = connection.execute(QUERIES["settled_model"]).fetchone()
    return found[0] if found else None


def _wait(done: Callable[[], bool], until: float, what: str) -> None:
    if not comes_true(done, until - time.monotonic()):
        raise RetriableError(f"{what} in time: is it running? The decision itself is safe")


def _all_read(positions: list[Position], ends: Mapping[tuple[str, int], int]) -> bool:
    stored = {(each.topic, each.partition): each.next_offset for each in positions}
    return all(stored.get(partition, 0) >= end for partition, end in ends.items())


def _all_folded(connection: Connection[TupleRow], limits: Mapping[tuple[str, int], int]) -> bool:
    return not any(row.lag for row in lags_to(connection, limits, PROJECTIONS.values()))


def _last_batch(connection: Connection[TupleRow]) -> int:
    with _readable():
        found = connection.execute(QUERIES["last_batch"]).fetchone()
    return int(found[0]) if found else 0


def _first_waiting(connection: Connection[TupleRow]) -> float:
    with _readable():
        found = connection.execute(QUERIES["first_waiting"]).fetchone()
    return math.inf if found is None or found[0] is None else float(found[0])


def _matching(connection: Connection[TupleRow]) -> list[Position]:
    with _readable(), suppress(errors.UndefinedTable), connection.transaction():
        return list(read_positions(connection))
    return []


@contextmanager
def _readable() -> Iterator[None]:
    """Turn the driver's errors into ours, and say of tables of matching that lack a column what brings it."""
    with wrap_errors():
        try:
            yield
        except errors.UndefinedColumn as error:
            message = (
                "the matching tables were made by an older build: start matching by this one (`contactpoint run`), "
                "which brings them up to date; nothing that was published or decided is lost"
            )
            raise ConfigurationError(message) from error
