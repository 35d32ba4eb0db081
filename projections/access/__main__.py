"""Keeps the audit trail until SIGTERM or SIGINT: numbers, signs, has witnessed, stamps, and publishes.

    python -m projections.access

Two threads: one keeps the trail, the other publishes it, so that a broker that is away holds up no reader.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping

import structlog
from cryptography import x509

from connectors.kafka import EventProducer
from connectors.postgres import connect, wrap_errors
from connectors.process import told_to_stop
from projections.access.keys import read_log_keys
from projections.access.log import create_tables
from projections.access.relay import begin_again_if_lost, relay
from projections.access.sequencer import BATCH, Sequencer
from projections.access.settings import AuditSettings
from projections.access.sql import QUERIES
from projections.access.stamps import http_authority, stamp
from projections.access.witness_server import HttpWitness
from schemas.errors import ContactPointError, RejectedError, RetriableError
from schemas.telemetry import configure_logging, fail

log = structlog.get_logger(__name__)

_RETRY_SECONDS = 1.0
_RELAY_SECONDS = 0.5


class Keeper:
    """One pass at a time over what is due: numbering often, a checkpoint each few seconds, a stamp now and then."""

    def __init__(self, settings: AuditSettings) -> None:
        self._settings = settings
        self._connection = connect(settings.postgres, autocommit=True, application="contactpoint-audit")
        self._sequencer = Sequencer(self._connection, read_log_keys(settings.keys), HttpWitness(settings.witness))
        self._next_checkpoint = 0.0
        self._next_stamp = 0.0
        self._patient_until = time.monotonic() + settings.checkpoint_seconds  # a witness may start beside us

    def step(self) -> None:
        """Do what is due. Who refuses to sign is asked again at the next checkpoint, who is away sooner."""
        while self._sequencer.number() == BATCH:
            pass
        now = time.monotonic()
        if now >= self._next_checkpoint:
            self._next_checkpoint = now + self._settings.checkpoint_seconds
            checkpoint = self._sequencer.sign()
            try:
                self._sequencer.witness(checkpoint)
                self._stamp(now)
            except (RetriableError, RejectedError) as error:
                if isinstance(error, RetriableError):
                    self._next_checkpoint = now + min(_RETRY_SECONDS, self._settings.checkpoint_seconds)
                    if now < self._patient_until:
                        return
                log.warning("checkpoint_not_witnessed", reason=str(error), count=checkpoint.size)

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()

    def _stamp(self, now: float) -> None:
        if self._settings.authority is None or self._settings.authority_root is None or now < self._next_stamp:
            return
        self._next_stamp = now + self._settings.stamp_seconds
        root = x509.load_pem_x509_certificate(self._settings.authority_root.read_bytes())
        with wrap_errors():
            row = self._connection.execute(QUERIES["newest_checkpoint"]).fetchone()
            if row is not None:
                answer = stamp(row[1], http_authority(self._settings.authority), root)
                self._connection.execute(QUERIES["add_stamp"], [row[0], self._settings.authority, answer])


class Publisher:
    """Publishes what is new on the topic `access`."""

    def __init__(self, settings: AuditSettings) -> None:
        self._connection = connect(settings.postgres, autocommit=True, application="contactpoint-audit-relay")
        self._producer = EventProducer(settings.kafka, delivery_seconds=30.0)
        if begin_again_if_lost(self._connection, settings.kafka):
            log.warning("trail_published_again", reason="the topic lacks what was published: an older copy of it")

    def step(self) -> None:
        """Publish all that is there."""
        while relay(self._connection, self._producer):
            pass

    def close(self) -> None:
        """Drop what was not acknowledged; it is published again."""
        self._producer.close()
        self._connection.close()


def repeat(make: Callable[[], Keeper | Publisher], seconds: float, stop: threading.Event) -> None:
    """Step until `stop`, with a fresh start after each passing failure; a FatalError ends it."""
    worker: Keeper | Publisher | None = None
    try:
        while not stop.is_set():
            wait = seconds
            try:
                worker = worker or make()
                worker.step()
            except RetriableError as error:
                log.warning("audit_step_failed", reason=str(error))
                if worker is not None:
                    worker.close()
                worker, wait = None, _RETRY_SECONDS
            stop.wait(wait)
    finally:
        stop.set()
        if worker is not None:
            worker.close()


def run(settings: AuditSettings) -> None:
    """Keep and publish the trail until told to stop; raise what ended it otherwise."""
    stop = told_to_stop()
    create_tables(settings.postgres)
    publishing = threading.Thread(target=repeat, args=(lambda: Publisher(settings), _RELAY_SECONDS, stop))
    publishing.start()
    try:
        repeat(lambda: Keeper(settings), settings.number_seconds, stop)
    finally:
        publishing.join()


def main(env: Mapping[str, str]) -> int:
    """Run with the settings of this environment; return the exit status."""
    configure_logging()
    try:
        run(AuditSettings.from_env(env))
    except ContactPointError as error:
        return fail(error)
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
