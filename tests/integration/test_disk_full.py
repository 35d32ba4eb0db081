"""A disk that is really full (F9): under the database, under its write-ahead log, under the audit trail."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import TupleRow

from connectors.postgres import connect
from contactpoint.stack import LocalStack, temporary_stack
from contactpoint.stack.postgres import PostgresServer
from projections.rebuild import verify
from projections.registry import PROJECTIONS
from schemas.settings import KafkaSettings, PostgresSettings
from tests.factories.directory_service import REASON, Desk, pupil
from tests.factories.directory_service import running as serving
from tests.factories.projecting import commits, publish, running, wait_for_commits, wait_for_the_end
from tests.factories.small_disk import SmallDisk, small_disk
from tests.factories.waiting import end, wait_until
from tests.integration.conftest import run_as_owner, stack_config
from tests.unit.projections.histories import long_history

FULL = "No space left on device"


@pytest.fixture
def disk(stack: LocalStack) -> Iterator[SmallDisk]:
    """A disk of which the server knows as a tablespace."""
    assert stack.postgres is not None
    with small_disk(stack.postgres, 64) as disk:
        run_as_owner(stack, sql.SQL("create tablespace small location {}").format(sql.Literal(str(disk.folder))))
        yield disk
        disk.clear()
        run_as_owner(stack, sql.SQL("drop tablespace small").format())


@pytest.fixture
def crowded(stack: LocalStack, disk: SmallDisk) -> Iterator[PostgresSettings]:
    """A database whose every file is on that disk."""
    assert stack.postgres is not None
    run_as_owner(stack, sql.SQL("create database crowded tablespace small").format())
    yield PostgresSettings(dsn=stack.postgres.config.dsn("crowded"))
    disk.clear()
    run_as_owner(stack, sql.SQL("drop database crowded with (force)").format())


def complaints(server: PostgresServer) -> int:
    return server.daemon.log_file.read_text(errors="replace").count(FULL)


def test_a_projection_waits_while_the_database_s_disk_is_full_and_then_goes_on(
    stack: LocalStack, kafka: KafkaSettings, crowded: PostgresSettings, disk: SmallDisk, tmp_path: Path
) -> None:
    assert stack.postgres is not None
    projection, log = PROJECTIONS["directory"], tmp_path / "log"
    publish(kafka, long_history(seed=9, records=400))
    with connect(crowded, autocommit=True) as connection, running(projection, kafka, crowded, 5, log=log) as process:
        wait_for_commits(connection, projection, 2)
        before = complaints(stack.postgres)
        disk.fill()
        wait_until(lambda: complaints(stack.postgres) > before, "the disk to be full")  # type: ignore[arg-type]
        wait_until(lambda: "projection_waits" in log.read_text(), "the projection to say that it waits")
        held = commits(connection, projection)
        assert connection.execute("select count(*) from directory.entry").fetchone() is not None  # readers go on
        disk.clear()
        wait_for_the_end(connection, kafka, projection)
        assert commits(connection, projection) > held
        end(process)
    assert verify(projection, kafka, crowded).equal


def test_no_answer_leaves_without_its_entry_while_the_audit_trail_s_disk_is_full(
    crowded: PostgresSettings, disk: SmallDisk
) -> None:
    with serving(Desk(crowded)) as desk:
        desk.employ("nurse")
        numbers = desk.directory.add(*({f"school:F{n}": pupil("Moss", f"A{n}", date(2011, 3, 9))} for n in range(5)))

        def opened(turn: int) -> tuple[int, str]:
            child = numbers[turn % len(numbers)]
            answer = desk.post("/v1/open", "nurse", child_number=child, reason=f"{REASON}, visit {turn}")
            assert answer.status_code == 200 or "Moss" not in answer.text
            return answer.status_code, answer.headers["request-id"]

        answers = [opened(turn) for turn in range(5)]
        disk.fill()
        turn = 5
        while answers[-1][0] == 200:
            answers.append(opened(turn))
            turn += 1
            assert turn < 3000, "the disk never was full"
        answers += [opened(turn + more) for more in range(5)]
        assert {status for status, _ in answers} <= {200, 503}
        disk.clear()
        answers.append(opened(turn + 9))
        assert answers[-1][0] == 200
        entries = [entry["request"] for entry in desk.entries() if entry["action"] == "opened"]
        permitted = [request for status, request in answers if status == 200]
        assert set(permitted) <= set(entries)
        assert len(entries) == len(set(entries))


@pytest.fixture
def own_server(stack: LocalStack) -> Iterator[PostgresServer]:
    """A second PostgreSQL, to be killed by a full disk."""
    config = stack_config().model_copy(update={"kafka": stack.addresses.kafka})
    with temporary_stack(config) as own:
        assert own.postgres is not None
        yield own.postgres


@pytest.mark.soak
def test_a_server_that_fell_because_its_write_ahead_log_was_full_comes_back_with_every_commit(
    own_server: PostgresServer, kafka: KafkaSettings
) -> None:
    projection, postgres = PROJECTIONS["directory"], PostgresSettings(dsn=own_server.config.dsn())
    publish(kafka, long_history(seed=10, records=300))
    with small_disk(own_server, 96) as disk, running(projection, kafka, postgres, 20) as process:
        move_write_ahead_log(own_server, disk)
        with connect(postgres, autocommit=True) as connection:
            wait_for_commits(connection, projection, 2)
            held = commits(connection, projection)
            disk.fill()
            with pytest.raises(psycopg.OperationalError):
                write_until_the_server_falls(connection)
        wait_until(lambda: not own_server.daemon.is_running(), "the server to fall")
        assert complaints(own_server) > 0
        disk.clear()
        own_server.start()
        with connect(postgres, autocommit=True) as connection:
            assert commits(connection, projection) >= held
            wait_for_the_end(connection, kafka, projection)
        end(process)
        assert verify(projection, kafka, postgres).equal
        own_server.stop()


def write_until_the_server_falls(connection: psycopg.Connection[TupleRow]) -> None:
    for _ in range(1000):
        connection.execute("create table filler as select 1")
        connection.execute("drop table filler")
        connection.execute("select pg_switch_wal()")  # the next statement needs a new segment of the log


def move_write_ahead_log(server: PostgresServer, disk: SmallDisk) -> None:
    """Put the write-ahead log on the disk, as `initdb --waldir` does."""
    server.stop()
    place, log = disk.folder / "pg_wal", server.config.data / "pg_wal"
    shutil.copytree(log, place)
    shutil.rmtree(log)
    log.symlink_to(place)
    if server.config.account is not None:
        for each in (place, *place.rglob("*")):
            shutil.chown(each, *server.config.account)
    server.start()
