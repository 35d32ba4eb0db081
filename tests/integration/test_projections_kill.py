"""Projections are killed and frozen at random points and end in the tables of an undisturbed run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random

import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from connectors.kafka import EventProducer
from connectors.postgres import connect
from contactpoint.stack import LocalStack
from projections import checkpoint
from projections.base import Projection
from projections.rebuild import verify
from projections.registry import PROJECTIONS
from projections.status import lags
from schemas.catalogue import AnyEvent
from schemas.codec import encode
from schemas.settings import KafkaSettings, PostgresSettings
from tests.unit.projections.histories import long_history, topic_of
from tests.unit.projections.reviews import review_history

KILLS = 10
# Small batches, so that the log is long in commits, and a short stand-by.
PROGRAM = """
import os, sys
from projections.__main__ import run
from projections.runner import Pace
from schemas.settings import KafkaSettings, PostgresSettings
pace = Pace(batch=int(sys.argv[2]), wait=0.01, standby=0.2)
run(sys.argv[1], KafkaSettings.from_env(os.environ), PostgresSettings.from_env(os.environ), pace)
"""


@contextmanager
def running(
    projection: Projection, kafka: KafkaSettings, postgres: PostgresSettings, batch: int
) -> Iterator[subprocess.Popen[bytes]]:
    env = {
        **os.environ,
        "CONTACTPOINT_KAFKA": kafka.bootstrap_servers,
        "CONTACTPOINT_POSTGRES_DSN": postgres.dsn.get_secret_value(),
    }
    command = [sys.executable, "-c", PROGRAM, projection.name, str(batch)]
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()


def publish(kafka: KafkaSettings, events: Sequence[AnyEvent]) -> None:
    with EventProducer(kafka) as producer:
        for event in events:
            producer.send_event(topic_of(event), encode(event))


def commits(connection: Connection[TupleRow], projection: Projection) -> int:
    with connection.transaction():
        checkpoint.create(connection)
        held = checkpoint.load(connection, projection.name)
    return held.commits if held else 0


def wait_for_commits(connection: Connection[TupleRow], projection: Projection, count: int) -> None:
    target = commits(connection, projection) + count
    while commits(connection, projection) < target:
        time.sleep(0.002)


def wait_for_the_end(connection: Connection[TupleRow], kafka: KafkaSettings, projection: Projection) -> None:
    while any(row.lag for row in lags(connection, kafka, projection)):
        time.sleep(0.05)


@pytest.mark.parametrize("name", list(PROJECTIONS))
def test_a_projection_killed_at_random_points_ends_in_the_tables_of_an_undisturbed_run(
    name: str, kafka: KafkaSettings, postgres: PostgresSettings
) -> None:
    projection, random = PROJECTIONS[name], Random(11)
    publish(kafka, review_history(1, 4500) if name == "review" else long_history(seed=1, records=900))
    with connect(postgres, autocommit=True) as connection:
        for _ in range(KILLS):
            with running(projection, kafka, postgres, batch=20) as process:
                wait_for_commits(connection, projection, random.randint(1, 4))
                time.sleep(random.random() * 0.03)  # somewhere inside a batch
                process.kill()
                process.wait()
        assert any(row.lag for row in lags(connection, kafka, projection))  # every kill hit a projection at work
        with running(projection, kafka, postgres, batch=1000) as process:
            wait_for_the_end(connection, kafka, projection)
            process.terminate()
            assert process.wait(30) == 0
    report = verify(projection, kafka, postgres)
    assert report.equal
    assert sum(table.rows for table in report.live.tables) > 500


def test_a_frozen_writer_that_wakes_up_after_another_took_over_changes_nothing(
    kafka: KafkaSettings, postgres: PostgresSettings
) -> None:
    projection = PROJECTIONS["directory"]
    publish(kafka, long_history(seed=2, records=300))
    with connect(postgres, autocommit=True) as connection, running(projection, kafka, postgres, batch=10) as zombie:
        wait_for_commits(connection, projection, 2)
        zombie.send_signal(signal.SIGSTOP)
        end_sessions_of_frozen_processes(connection)
        with running(projection, kafka, postgres, batch=50) as successor:
            wait_for_commits(connection, projection, 2)
            zombie.send_signal(signal.SIGCONT)
            wait_for_the_end(connection, kafka, projection)
            for process in (zombie, successor):
                process.terminate()
                assert process.wait(30) == 0
    assert verify(projection, kafka, postgres).equal


@pytest.mark.parametrize("server", ["postgres", "kafka"])
def test_a_projection_goes_on_after_a_server_was_killed_and_came_back(
    server: str, stack: LocalStack, kafka: KafkaSettings, postgres: PostgresSettings
) -> None:
    projection = PROJECTIONS["directory"]
    publish(kafka, long_history(seed=3, records=300))
    with running(projection, kafka, postgres, batch=20) as process:
        with connect(postgres, autocommit=True) as connection:
            wait_for_commits(connection, projection, 2)
        kill_a_server(stack, server)
        stack.restore()
        with connect(postgres, autocommit=True) as connection:
            wait_for_the_end(connection, kafka, projection)
        process.terminate()
        assert process.wait(30) == 0
    assert verify(projection, kafka, postgres).equal


def kill_a_server(stack: LocalStack, server: str) -> None:
    assert stack.kafka is not None
    assert stack.postgres is not None
    if server == "kafka":
        stack.kafka.kill_node(1)
    else:
        stack.postgres.kill()


def end_sessions_of_frozen_processes(connection: Connection[TupleRow]) -> None:
    """End transactions that the frozen process left open, as a server does after its timeout."""
    connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where application_name = 'projection directory'"
        " and (state like 'idle in transaction%' or state = 'active' and wait_event = 'ClientRead')"
    )
