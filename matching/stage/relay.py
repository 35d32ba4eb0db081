"""The relay: a process that publishes the outbox in batch order and then deletes it.

A row is deleted only after the broker has acknowledged all of it. A crash in between publishes the row again, which
every consumer survives: an identity event repeats its id and version, a dead letter its id.
"""

from __future__ import annotations

import contextlib
import sys
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from typing import Self

import msgspec
import psycopg
import structlog
from pydantic import SecretStr

from connectors.kafka import EventProducer
from connectors.postgres import connect, wrap_errors
from matching.sql import QUERIES
from matching.stage.channel import Helper, serve
from matching.stage.conflict_events import encode_conflict
from matching.stage.identity_events import encode_identity
from matching.stage.messages import Outgoing
from schemas.codec import with_headers
from schemas.dead_letter import to_headers
from schemas.errors import ContactPointError, RetriableError
from schemas.settings import KafkaSettings, PostgresSettings, Settings
from schemas.topics import CONFLICTS, DEAD_LETTERS, IDENTITIES

log = structlog.get_logger(__name__)

APPLICATION = "contactpoint-matching-relay"

WAKE = b"wake"
DRAIN = b"drain"
DRAINED = b"drained"

_ROWS = 16  # outbox rows published between two flushes ...
_BYTES = 16 << 20  # ... and hardly more bytes than this: the rows of a backlog are large
_LOOK_SECONDS = 1.0  # the outbox is looked at this often without being woken
_SHARED_LOOK_SECONDS = 0.1  # the same where other workers fill it, who wake their own relays only
_RETRY_SECONDS = 1.0
_DELIVERED_WITHIN = 0.8  # of the silence after which another relay leads: what a frozen one had queued is too old then
_OUTGOING = msgspec.msgpack.Decoder(Outgoing)


class RelaySettings(Settings):
    """The first frame: where the outbox is, where it is published, and whether there are other relays.

    A relay that was silent for `silent_seconds` is taken for frozen by the others.
    """

    dsn: str
    kafka: KafkaSettings
    shared: bool = False
    silent_seconds: float = 30.0

    @classmethod
    def of(
        cls, postgres: PostgresSettings, kafka: KafkaSettings, *, shared: bool = False, silent_seconds: float = 30.0
    ) -> Self:
        """Put the two addresses together; `shared` says that other workers have relays of the same outbox."""
        return cls(dsn=postgres.dsn.get_secret_value(), kafka=kafka, shared=shared, silent_seconds=silent_seconds)


class Relay:
    """The owner's side. The process may die on its own: it is started again, and the outbox has kept everything."""

    def __init__(self, settings: RelaySettings) -> None:
        self._first = settings.model_dump_json().encode()
        self._helper = self._start()

    @property
    def pid(self) -> int:
        """The process id of the relay."""
        return self._helper.pid

    def wake(self) -> None:
        """Say that the outbox has rows."""
        self.revive()
        with contextlib.suppress(RetriableError):  # it died just now: the next `revive` starts it, and it looks first
            self._helper.send(WAKE)

    def revive(self) -> None:
        """Start the process again if it has ended."""
        if not self._helper.alive():
            log.warning("relay_ended", pid=self._helper.pid)
            self._helper.kill()
            self._helper = self._start()

    def drain(self, seconds: float) -> bool:
        """Publish all that is committed; tell whether that was done in time."""
        self.revive()
        try:
            self._helper.send(DRAIN)
            return self._helper.has_frame(seconds) and self._helper.receive() == DRAINED
        except RetriableError:
            return False

    def end(self) -> None:
        """End the process; what is not published stays in the outbox."""
        self._helper.kill()

    def _start(self) -> Helper:
        return Helper("matching.stage.relay", self._first)


class OutboxPublisher:
    """Publishes outbox rows in batch order, then deletes them."""

    def __init__(
        self,
        connection: psycopg.Connection,
        producer: EventProducer,
        *,
        shared: bool = False,
        silent_seconds: float = 30.0,
    ) -> None:
        self._connection = connection
        self._producer = producer
        self._silent = silent_seconds
        self._leads = not shared

    def leads(self) -> bool:
        """Tell whether this relay may publish: of several, one does, so that a child's events stay in order."""
        if not self._leads:
            self._connection.execute(QUERIES["end_silent_relay"], {"silent": self._silent})
            row = self._connection.execute(QUERIES["lead_relays"]).fetchone()
            self._leads = bool(row and row[0])
        return self._leads

    def publish(self) -> int:
        """Publish the oldest rows of the outbox and delete them; return how many that were: 0 while another leads.

        Raises the producer's error when the broker did not acknowledge all of it: nothing was deleted then.
        """
        if not self.leads():
            return 0
        rows = self._connection.execute(QUERIES["read_outbox"], {"limit": _ROWS, "bytes": _BYTES}).fetchall()
        if rows:
            for _, payload in rows:
                self._send(_OUTGOING.decode(payload))  # 1
            self._producer.flush()  # 2 acknowledged by all in-sync replicas
            self._connection.execute(QUERIES["delete_from_outbox"], {"batches": [batch for batch, _ in rows]})  # 3
        return len(rows)

    def close(self) -> None:
        """Drop what was not acknowledged (it stays in the outbox) and disconnect."""
        self._producer.close()
        self._connection.close()

    def _send(self, outgoing: Outgoing) -> None:
        decided = outgoing.model_id, outgoing.decided_at
        for identity in outgoing.identities:
            event = with_headers(identity) if isinstance(identity, bytes) else encode_identity(identity, *decided)
            self._producer.send_event(IDENTITIES, event)
        for conflict in outgoing.conflicts:
            event = with_headers(conflict) if isinstance(conflict, bytes) else encode_conflict(conflict, *decided)
            self._producer.send_event(CONFLICTS, event)
        for letter in outgoing.letters:
            self._producer.send(DEAD_LETTERS, letter.key, letter.value, to_headers(letter))


def work(connection: Connection, inbox: SimpleQueue[bytes | None]) -> None:
    """Publish whenever woken, until the owner closes the channel."""
    settings = RelaySettings.model_validate_json(inbox.get() or b"")
    frame: bytes | None = WAKE
    publisher: OutboxPublisher | None = None
    while frame is not None:
        wait = _SHARED_LOOK_SECONDS if settings.shared else _LOOK_SECONDS
        try:
            publisher = publisher or _publisher(settings)
            with wrap_errors():
                while publisher.publish():
                    pass
            if frame == DRAIN:
                connection.send_bytes(DRAINED)
                frame = WAKE
        except ContactPointError as error:
            log.warning("relay_failed", error_type=type(error).__name__, reason=str(error))
            if publisher is not None:
                publisher.close()  # a fresh one next time: this one may hold messages that were given up
            publisher, wait = None, _RETRY_SECONDS
        frame = _next_frame(inbox, wait, keep=frame)
    if publisher is not None:
        publisher.close()


def _publisher(settings: RelaySettings) -> OutboxPublisher:
    postgres = PostgresSettings(dsn=SecretStr(settings.dsn))
    connection = connect(postgres, autocommit=True, application=APPLICATION)
    producer = EventProducer(settings.kafka, linger_ms=5, delivery_seconds=settings.silent_seconds * _DELIVERED_WITHIN)
    return OutboxPublisher(connection, producer, shared=settings.shared, silent_seconds=settings.silent_seconds)


def _next_frame(inbox: SimpleQueue[bytes | None], seconds: float, *, keep: bytes) -> bytes | None:
    """Wait for a frame, at most so long; fold those that wait into one. Return `keep` when none came."""
    frames: list[bytes | None] = []
    try:
        frames.append(inbox.get(timeout=seconds))
        while True:
            frames.append(inbox.get_nowait())
    except Empty:
        pass
    if None in frames:
        return None
    return DRAIN if DRAIN in frames or keep == DRAIN else WAKE


if __name__ == "__main__":
    serve(sys.argv, work)
