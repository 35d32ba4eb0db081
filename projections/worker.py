"""One projection at work on one connection and one reader: the numbered order of effects of every batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import psycopg
import structlog
from psycopg import errors

from connectors.kafka import (
    EventProducer,
    Partition,
    PartitionReader,
    Positions,
    ReadMessage,
    ensure_held,
    partitions_of,
)
from connectors.postgres import connect, wrap_errors
from projections import checkpoint, schema
from projections.base import Namespace, Projection, Refused, Rows
from schemas.dead_letter import dead_letter, to_headers
from schemas.errors import ConfigurationError, FatalError, RejectedError
from schemas.settings import KafkaSettings, PostgresSettings
from schemas.topics import DEAD_LETTERS

log = structlog.get_logger(__name__)

# What one value can do to a whole batch: a value that PostgreSQL cannot hold, or a key too long for an index.
_POISON = (psycopg.DataError, errors.ProgramLimitExceeded, RecursionError)

# Well under the server's limit for an idle transaction (checkpoint.sql): the letters are sent inside one.
_LETTER_SECONDS = 20.0


class Worker:
    """Folds batches from the stored positions on; a context manager that gives back connection and reader.

    Nothing is kept between batches but the checkpoint. After any error the worker is closed and a new one goes on from
    the stored positions.
    """

    def __init__(
        self, projection: Projection, kafka: KafkaSettings, postgres: PostgresSettings, namespace: Namespace
    ) -> None:
        self._projection, self._kafka, self._namespace = projection, kafka, namespace
        self._letters: EventProducer | None = None
        partitions = partitions_of(kafka, projection.topics)
        application = f"projection {namespace.projection}"
        self._connection: Rows = connect(postgres, autocommit=True, application=application)
        try:
            with wrap_errors():
                checkpoint.make_way(self._connection, application)
                self._checkpoint = start(self._connection, projection, namespace, partitions)
                times = checkpoint.times(self._connection, namespace.projection)
            ensure_held(kafka, self.positions, times)
            self._reader = PartitionReader(kafka, self.positions, group=f"projection.{namespace.projection}")
        except BaseException:
            self._connection.close()
            raise

    @property
    def positions(self) -> Positions:
        """The positions that this worker has committed."""
        return self._checkpoint.positions

    def step(self, most: int, seconds: float, limits: Positions | None = None) -> int:
        """Fold up to `most` messages that arrive within `seconds` and commit them; return how many.

        With `limits` nothing at or after these positions is folded, and partitions without a limit are left alone.
        """
        found = self._reader.read(most, seconds)
        messages = [
            message
            for partition, listed in found.items()
            for message in listed
            if limits is None or message.offset < limits.get(partition, 0)
        ]
        if messages:
            self.commit(messages)
        return len(messages)

    def read_only(self, partitions: Sequence[Partition]) -> None:
        """Go on with these partitions only, from the committed positions."""
        self._reader.start_from({partition: self.positions[partition] for partition in partitions})

    def commit(self, messages: Sequence[ReadMessage]) -> None:
        """Write the rows that the messages make, and the positions after them, or nothing."""
        last = last_of(messages)
        with wrap_errors(), self._connection.transaction():
            moved = checkpoint.advance(self._connection, self._checkpoint, last)  # 1 locks out every other writer
            readable = [message for message in messages if not message.erased]
            refused = fold(self._projection, self._connection, readable)  # 2 same transaction as 1
            self._send_dead_letters(refused)  # 3 acknowledged before 4; a crash in between repeats them, same ids
        self._checkpoint = moved  # 4 committed
        self._reader.hint(moved.positions)  # 5 last, for dashboards only
        erased = len(messages) - len(readable)
        log.debug(
            "batch_folded",
            projection=self._namespace.projection,
            events=len(readable),
            erased=erased,
            batch=moved.commits,
        )

    def close(self) -> None:
        """Give back the reader and the connection; an unfinished transaction is rolled back."""
        self._reader.close()
        if self._letters is not None:
            self._letters.close()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self.close()

    def _send_dead_letters(self, refused: Sequence[Refused]) -> None:
        if not refused:
            return
        if self._letters is None:
            self._letters = EventProducer(self._kafka, linger_ms=0)
        for message, error in refused:
            letter = dead_letter(
                stage=self._namespace.projection,
                origin=message.topic,
                place=f"{message.partition}/{message.offset}",
                key=message.key,
                value=message.original,
                error=error,
            )
            self._letters.send(DEAD_LETTERS, letter.key, letter.value, to_headers(letter))
            log.warning(
                "event_refused", projection=letter.stage, topic=letter.origin, place=letter.place, code=letter.code
            )
        self._letters.flush(_LETTER_SECONDS)


def start(
    connection: Rows, projection: Projection, namespace: Namespace, partitions: Sequence[Partition]
) -> checkpoint.Checkpoint:
    """Create what is missing, point the connection at the namespace and return where to go on.

    Raises ConfigurationError when a newer fold made the rows.
    """
    checkpoint.prepare_writer(connection)
    with connection.transaction():
        checkpoint.create(connection)
        projection.create(connection, namespace)
        checkpoint.register(connection, namespace.projection, projection.version, partitions)
        _ensure_not_newer(projection, checkpoint.fold_version(connection, namespace.projection))
    schema.use(connection, namespace)
    projection.prepare(connection)
    held = checkpoint.load(connection, namespace.projection)
    if held is None:
        message = f"projection {namespace.projection} has lost its positions"
        raise FatalError(message)
    return held


def _ensure_not_newer(projection: Projection, made_by: int | None) -> None:
    """Raise ConfigurationError for rows of a newer fold; say that those of an older one are due for a rebuild."""
    reason = checkpoint.other_fold(made_by, projection.version)
    if made_by is None or not reason:
        return
    if made_by > projection.version:
        message = f"the rows of projection {projection.name} were {reason}: run the newer build"
        raise ConfigurationError(message)
    log.warning("rebuild_due", projection=projection.name, reason=reason)


def fold(projection: Projection, connection: Rows, messages: Sequence[ReadMessage]) -> list[Refused]:
    """Apply the messages; halve the batch until a message that PostgreSQL refuses stands alone, and refuse that one."""
    try:
        with connection.transaction():  # a savepoint: what a refused value broke is undone
            return projection.apply(connection, messages)
    except _POISON as error:
        if len(messages) == 1:
            reason = f"the event cannot be stored ({type(error).__name__})"
            return [Refused(messages[0], RejectedError("database_refused_value", reason))]
    half = len(messages) // 2
    return fold(projection, connection, messages[:half]) + fold(projection, connection, messages[half:])


def last_of(messages: Sequence[ReadMessage]) -> Mapping[Partition, ReadMessage]:
    """Return the last message of each partition."""
    return {
        (message.topic, message.partition): message for message in sorted(messages, key=lambda message: message[:3])
    }
