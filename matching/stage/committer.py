"""The committer: a process that writes batches while the owner computes the next one.

At most two batches are in flight: one being written, one waiting. After the first failure it writes nothing more and
ends; the owner then drops its state and builds it again from the tables.
"""

from __future__ import annotations

import sys
import time
from multiprocessing.connection import Connection
from queue import SimpleQueue

import msgspec
import psycopg
import structlog
from pydantic import SecretStr

from connectors.postgres import connect, wrap_errors
from matching.stage import store
from matching.stage.channel import Helper, serve
from matching.stage.messages import Batch, Failure, Outcome
from schemas.errors import ContactPointError, FatalError, FencedError, RetriableError
from schemas.settings import PostgresSettings, Settings

log = structlog.get_logger(__name__)

IN_FLIGHT = 2

_ENCODER = msgspec.msgpack.Encoder()
_BATCHES = msgspec.msgpack.Decoder(Batch)
_OUTCOMES = msgspec.msgpack.Decoder(Outcome)


class CommitterSettings(Settings):
    """The first frame: the database, and the owner's token, by which a successor finds this process's connection."""

    dsn: str
    token: str


class Committer:
    """The owner's side. Not thread-safe: one thread submits and settles."""

    def __init__(self, settings: PostgresSettings, token: str) -> None:
        first = CommitterSettings(dsn=settings.dsn.get_secret_value(), token=token)
        self._helper = Helper("matching.stage.committer", first.model_dump_json().encode())
        self._in_flight = 0

    @property
    def pid(self) -> int:
        """The process id of the committer."""
        return self._helper.pid

    @property
    def in_flight(self) -> int:
        """How many batches were submitted and not yet answered."""
        return self._in_flight

    def submit(self, batch: Batch) -> list[Outcome]:
        """Hand a batch over, waiting while two are in flight; return what was committed meanwhile.

        Raises FencedError, RetriableError or FatalError when an earlier batch failed, or when the committer is gone.
        """
        frame = _ENCODER.encode(batch)
        outcomes = self.settle(IN_FLIGHT - 1)
        self._helper.send(frame)
        self._in_flight += 1
        return outcomes

    def settle(self, most: int = 0) -> list[Outcome]:
        """Wait until at most `most` batches are in flight; return what was committed. Raises like `submit`."""
        outcomes = []
        while self._in_flight > most or (self._in_flight and self._helper.has_frame()):
            outcomes.append(self._take_outcome())
        return outcomes

    def end(self) -> None:
        """Let the committer finish what it has and end it."""
        self._helper.end()

    def kill(self) -> None:
        """End the committer whatever it does: what it has not committed is lost with the state."""
        self._helper.kill()

    def _take_outcome(self) -> Outcome:
        outcome = _OUTCOMES.decode(self._helper.receive())
        self._in_flight -= 1
        if outcome.failure:
            raise _FAILURES[outcome.failure](outcome.reason)
        return outcome


_FAILURES = {"fenced": FencedError, "retriable": RetriableError, "fatal": FatalError}


def work(connection: Connection, inbox: SimpleQueue[bytes | None]) -> None:
    """Write batch after batch until the owner closes the channel or one fails."""
    settings = CommitterSettings.model_validate_json(inbox.get() or b"")
    outcome = Outcome(0)
    database: psycopg.Connection | None = None
    try:
        while not outcome.failure and (frame := inbox.get()) is not None:
            batch = _BATCHES.decode(frame)
            try:
                database = database or _connect(settings)
                outcome = _write(database, batch)
            except ContactPointError as error:
                log.warning("batch_failed", batch=batch.batch, error_type=type(error).__name__, reason=str(error))
                outcome = Outcome(batch.batch, _kind(error), str(error))
            connection.send_bytes(_ENCODER.encode(outcome))
    finally:
        if database is not None:
            database.close()


def _connect(settings: CommitterSettings) -> psycopg.Connection:
    postgres = PostgresSettings(dsn=SecretStr(settings.dsn))
    database = connect(postgres, autocommit=True, application=f"contactpoint-committer-{settings.token}")
    with wrap_errors():
        store.prepare_writer(database)
    return database


def _write(database: psycopg.Connection, batch: Batch) -> Outcome:
    started = time.perf_counter()
    with wrap_errors():
        published = store.commit(database, batch)
    return Outcome(batch.batch, seconds=time.perf_counter() - started, published=published)


def _kind(error: ContactPointError) -> Failure:
    # The driver's own text may quote a row: what goes further is our error, which names the kind only.
    if isinstance(error, FencedError):
        return "fenced"
    return "retriable" if isinstance(error, RetriableError) else "fatal"


if __name__ == "__main__":
    serve(sys.argv, work)
