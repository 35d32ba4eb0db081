"""A database restored from a backup to a moment in the past (F21, R40): it catches up, and the audit trail tells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from connectors.kafka import EventProducer
from connectors.postgres import connect
from contactpoint.stack import LocalStack, temporary_stack
from contactpoint.stack.postgres import PostgresServer
from projections.access.log import require_healthy
from projections.access.relay import read_published, relay
from projections.access.restore import restore
from projections.access.sequencer import Sequencer
from projections.rebuild import verify
from projections.registry import PROJECTIONS
from schemas.errors import RejectedError, RetriableError
from schemas.settings import KafkaSettings, PostgresSettings
from tests.factories.backup import copy_files, give_to_server, put_back
from tests.factories.projecting import commits, publish, running, wait_for_commits, wait_for_the_end
from tests.factories.trail import Trail, entry, in_process, open_trail
from tests.factories.waiting import end, wait_until
from tests.integration.conftest import stack_config
from tests.unit.projections.histories import long_history

DIRECTORY = PROJECTIONS["directory"]


class Archived:
    """A PostgreSQL of its own that archives its write-ahead log, and its backup."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self.postgres = PostgresSettings(dsn=server.config.dsn())
        self.archive = server.config.home / "archive"
        self.archive.mkdir()
        give_to_server(server, self.archive)
        with connect(self.postgres, autocommit=True) as connection:
            connection.execute("alter system set archive_mode = on")
            connection.execute(f"alter system set archive_command = 'cp %p {self.archive}/%f'".encode())
        server.stop()
        server.start()

    def take_backup(self) -> None:
        """Copy the running database."""
        self.backup = copy_files(self.server, "--wal-method=none")

    def name_this_moment(self, name: str) -> None:
        """Give the present a name to which a restore can go back, and archive it."""
        with connect(self.postgres, autocommit=True) as connection:
            connection.execute("select pg_create_restore_point(%s)", [name])
            row = connection.execute("select pg_walfile_name(pg_switch_wal())").fetchone()
            assert row is not None
            wait_until((self.archive / row[0]).is_file, "the segment to be archived")

    def lose_and_restore(self, moment: str) -> None:
        """SIGKILL the server, delete its files, and bring the backup to the named moment."""
        put_back(self.server, self.backup)
        settings = {
            "restore_command": f"cp {self.archive}/%f %p",
            "recovery_target_name": moment,
            "recovery_target_action": "promote",
            "archive_mode": "off",
        }
        with (self.server.config.data / "postgresql.auto.conf").open("a") as configuration:
            configuration.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        (self.server.config.data / "recovery.signal").touch()
        give_to_server(self.server, self.server.config.data / "recovery.signal")
        self.server.start()
        with connect(self.postgres, autocommit=True) as connection:
            recovering = "select pg_is_in_recovery()"
            wait_until(lambda: connection.execute(recovering).fetchone() == (False,), "the end of recovery")


@pytest.fixture
def archived(stack: LocalStack) -> Iterator[Archived]:
    config = stack_config().model_copy(update={"kafka": stack.addresses.kafka})
    with temporary_stack(config) as own:
        assert own.postgres is not None
        yield Archived(own.postgres)


@pytest.mark.soak
def test_tables_restored_to_a_moment_in_the_past_catch_up_to_those_of_an_undisturbed_run(
    archived: Archived, kafka: KafkaSettings
) -> None:
    events = long_history(seed=14, records=400)
    publish(kafka, events[: len(events) // 2])
    with running(DIRECTORY, kafka, archived.postgres, batch=20) as process:
        with connect(archived.postgres, autocommit=True) as connection:
            wait_for_commits(connection, DIRECTORY, 3)
            archived.take_backup()  # while the projection writes
            wait_for_the_end(connection, kafka, DIRECTORY)
            at_noon = commits(connection, DIRECTORY)
        archived.name_this_moment("noon")
        publish(kafka, events[len(events) // 2 :])
        with connect(archived.postgres, autocommit=True) as connection:
            wait_for_commits(connection, DIRECTORY, 3)
        archived.lose_and_restore("noon")  # the projection runs on
        with connect(archived.postgres, autocommit=True) as connection:
            assert commits(connection, DIRECTORY) >= at_noon
            wait_for_the_end(connection, kafka, DIRECTORY)
        end(process)
    assert verify(DIRECTORY, kafka, archived.postgres).equal


def test_a_restored_audit_trail_stops_reads_until_the_published_entries_are_back(
    archived: Archived, kafka: KafkaSettings, tmp_path: Path
) -> None:
    with open_trail(archived.postgres, tmp_path) as trail, EventProducer(kafka) as producer:
        trail.record([entry(request=f"morning-{number}") for number in range(30)])
        trail.checkpoint()
        archived.take_backup()
        archived.name_this_moment("noon")
        trail.record([entry(request=f"afternoon-{number}") for number in range(20)])
        trail.checkpoint()
        while relay(trail.connection, producer):
            pass
        archived.lose_and_restore("noon")
        with connect(archived.postgres, autocommit=True) as connection:
            trail.connection = connection
            _the_loss_is_noticed(trail, connection)
            (receipt,) = trail.record([entry(request="evening")])
            published = read_published(kafka)
            assert any(f'"entry":{receipt},' in leaf.body for leaf in published.leaves), "it was given out before"
            assert restore(connection, published, trail.keys.signer.verifier, trail.keys.witness) == 20
            trail.sequencer = Sequencer(connection, trail.keys, in_process(trail.witness))
            trail.checkpoint()
            require_healthy(connection)
            assert trail.verify().startswith("51 entries hold: 51 covered")


def _the_loss_is_noticed(trail: Trail, connection: Connection[TupleRow]) -> None:
    """The restored trail is in itself whole; the witness knows of more, so reads stop."""
    assert trail.verify(seen=False).startswith("30 entries hold")
    assert trail.verify().startswith("FIRST BAD LEAF 30")
    trail.sequencer = Sequencer(connection, trail.keys, in_process(trail.witness))
    with pytest.raises(RejectedError):
        trail.sequencer.witness(trail.sequencer.sign())
    with pytest.raises(RetriableError, match="witness"):
        require_healthy(connection)
