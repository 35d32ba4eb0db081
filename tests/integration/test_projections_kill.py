"""Projections are killed and frozen at random points and end in the tables of an undisturbed run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from random import Random

import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from connectors.postgres import connect
from contactpoint.stack import LocalStack
from projections.digest import digest
from projections.rebuild import rebuild, verify
from projections.registry import PROJECTIONS
from schemas.settings import KafkaSettings, PostgresSettings
from tests.factories.projecting import behind, publish, running, wait_for_commits, wait_for_the_end
from tests.factories.waiting import end, wait_until
from tests.unit.projections.histories import long_history
from tests.unit.projections.reviews import review_history

KILLS = 10


@pytest.mark.parametrize("name", list(PROJECTIONS))
def test_a_projection_killed_at_random_points_ends_in_the_tables_of_an_undisturbed_run(
    name: str, kafka: KafkaSettings, postgres: PostgresSettings
) -> None:
    projection, random = PROJECTIONS[name], Random(11)
    publish(kafka, review_history(1, 4500) if name == "review" else long_history(seed=1, records=900))
    with connect(postgres, autocommit=True) as connection:
        for _ in range(KILLS):
            with running(projection, kafka, postgres, batch=10) as process:  # small: much is left however late a kill
                wait_for_commits(connection, projection, random.randint(1, 4))
                time.sleep(random.random() * 0.03)  # somewhere inside a batch
                process.kill()
                process.wait()
        assert behind(connection, kafka, projection)  # every kill hit a projection at work
        with running(projection, kafka, postgres, batch=1000) as process:
            wait_for_the_end(connection, kafka, projection)
            end(process)
    report = verify(projection, kafka, postgres)
    assert report.equal
    assert sum(table.rows for table in report.live.tables) > 500


def test_a_frozen_writer_that_wakes_up_after_another_took_over_changes_nothing(
    kafka: KafkaSettings, postgres: PostgresSettings
) -> None:
    projection, events = PROJECTIONS["directory"], long_history(seed=2, records=300)
    publish(kafka, events[:600])
    with connect(postgres, autocommit=True) as connection, running(projection, kafka, postgres, batch=10) as zombie:
        wait_for_commits(connection, projection, 2)
        zombie.send_signal(signal.SIGSTOP)
        publish(kafka, events[600:])  # something is left for the successor, whenever the other froze
        end_sessions_of_frozen_processes(connection)
        with running(projection, kafka, postgres, batch=50) as successor:
            wait_for_commits(connection, projection, 2)
            zombie.send_signal(signal.SIGCONT)
            wait_for_the_end(connection, kafka, projection)
            for process in (zombie, successor):
                end(process)
    assert verify(projection, kafka, postgres).equal


def test_a_rebuild_killed_at_any_step_leaves_the_tables_as_they_were_and_the_next_one_goes_through(
    kafka: KafkaSettings, postgres: PostgresSettings
) -> None:
    projection, random = PROJECTIONS["directory"], Random(13)
    publish(kafka, long_history(seed=4, records=150))
    with connect(postgres, autocommit=True) as connection, running(projection, kafka, postgres, batch=500) as live:
        wait_for_the_end(connection, kafka, projection)
        before = digest(connection, projection)
        for said in (2, 3, 3):  # after the third it swaps
            kill_a_rebuild(kafka, postgres, said, random.random() * 0.05)
            wait_until(lambda: not connection.execute(REBUILDING).fetchone(), "the server to end its session")
            assert not digest(connection, projection).differences(before)
        publish(kafka, long_history(seed=5, records=20))
        wait_for_the_end(connection, kafka, projection)
        assert rebuild(projection, kafka, postgres).swapped
        end(live)
    assert verify(projection, kafka, postgres).equal


REBUILDING = "select 1 from pg_stat_activity where application_name = 'rebuild directory'"
REBUILD = """
from os import environ
from projections.rebuild import rebuild
from projections.registry import PROJECTIONS
from schemas.settings import KafkaSettings, PostgresSettings
kafka, postgres = KafkaSettings.from_env(environ), PostgresSettings.from_env(environ)
rebuild(PROJECTIONS["directory"], kafka, postgres, report=lambda said: print(said, flush=True))
"""


def kill_a_rebuild(kafka: KafkaSettings, postgres: PostgresSettings, lines: int, seconds: float) -> None:
    """Kill a rebuild so long after it has said so many lines."""
    env = os.environ | {
        "CONTACTPOINT_KAFKA": kafka.bootstrap_servers,
        "CONTACTPOINT_POSTGRES_DSN": postgres.dsn.get_secret_value(),
    }
    with subprocess.Popen([sys.executable, "-c", REBUILD], env=env, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(lines):
            assert process.stdout.readline()
        time.sleep(seconds)
        process.kill()


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
        end(process)
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
