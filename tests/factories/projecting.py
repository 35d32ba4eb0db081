"""One projection as a process of its own, for tests that disturb it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from psycopg import Connection
from psycopg.rows import TupleRow

from connectors.kafka import EventProducer, end_offsets
from projections import checkpoint
from projections.base import Projection
from projections.status import lags_to
from schemas.catalogue import AnyEvent
from schemas.codec import encode
from schemas.settings import KafkaSettings, PostgresSettings
from tests.factories.waiting import wait_until
from tests.unit.projections.histories import topic_of

# Small batches, so that the log is long in commits, and a short stand-by.
PROGRAM = """
import os, sys
from projections.__main__ import run
from projections.runner import Pace
from schemas.errors import ContactPointError
from schemas.settings import KafkaSettings, PostgresSettings
from schemas.telemetry import fail
pace = Pace(batch=int(sys.argv[2]), wait=0.01, standby=0.2)
try:
    run(sys.argv[1], KafkaSettings.from_env(os.environ), PostgresSettings.from_env(os.environ), pace)
except ContactPointError as error:
    sys.exit(fail(error))
"""


@contextmanager
def running(
    projection: Projection,
    kafka: KafkaSettings,
    postgres: PostgresSettings,
    batch: int,
    *,
    log: Path | None = None,
    **environment: str,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the projection while the block runs; what it says goes to `log`."""
    env = {
        **os.environ,
        "CONTACTPOINT_KAFKA": kafka.bootstrap_servers,
        "CONTACTPOINT_POSTGRES_DSN": postgres.dsn.get_secret_value(),
        **environment,
    }
    command = [sys.executable, "-c", PROGRAM, projection.name, str(batch)]
    with (
        (log or Path(os.devnull)).open("ab") as said,
        subprocess.Popen(command, env=env, stdout=said, stderr=said) as process,
    ):
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()


def publish(kafka: KafkaSettings, events: Sequence[AnyEvent]) -> None:
    """Publish events of every kind."""
    with EventProducer(kafka) as producer:
        for event in events:
            producer.send_event(topic_of(event), encode(event))


def commits(connection: Connection[TupleRow], projection: Projection) -> int:
    """Return how often the projection has committed."""
    with connection.transaction():
        checkpoint.create(connection)
        held = checkpoint.load(connection, projection.name)
    return held.commits if held else 0


def wait_for_commits(connection: Connection[TupleRow], projection: Projection, count: int) -> None:
    """Wait until the projection has committed `count` more batches."""
    target = commits(connection, projection) + count
    wait_until(lambda: commits(connection, projection) >= target, "the projection to commit", pause=0.002)


def behind(connection: Connection[TupleRow], kafka: KafkaSettings, projection: Projection) -> int:
    """Return how many messages the projection still has to read."""
    return sum(row.lag for row in lags_to(connection, end_offsets(kafka, projection.topics), [projection]))


def wait_for_the_end(connection: Connection[TupleRow], kafka: KafkaSettings, projection: Projection) -> None:
    """Wait until the projection has folded all that there is."""
    wait_until(lambda: not behind(connection, kafka, projection), "all to be folded", pause=0.02)
