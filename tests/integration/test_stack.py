from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from connectors.kafka import EventProducer, create_topics, end_offsets, read_to_end
from contactpoint.stack import (
    LocalStack,
    StackConfig,
    StartError,
    down,
    reset,
    running_addresses,
    status,
    temporary_stack,
    up,
)
from contactpoint.stack.jars import kafka_jars
from contactpoint.stack.local import discard
from schemas.errors import ConfigurationError
from schemas.settings import KafkaSettings, PostgresSettings
from tests.factories.waiting import PATIENCE

pytestmark = pytest.mark.integration

TOPIC = "source.schools"


@pytest.fixture
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackConfig]:
    """A stack of the test's own, apart from the session's."""
    folder = tmp_path_factory.mktemp("stack")
    yield StackConfig.from_env(os.environ, folder=folder).model_copy(update={"kafka": None, "postgres_dsn": None})
    discard(folder)


def count_rows(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        found = connection.execute("select count(*) from kept").fetchone()
    assert found is not None
    return int(found[0])


def keep_one_row(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("create table if not exists kept (n integer)")
        connection.execute("insert into kept values (1)")


def send(settings: KafkaSettings, values: list[bytes]) -> None:
    with EventProducer(settings, linger_ms=0) as producer:
        for value in values:
            producer.send(TOPIC, b"school-1:A", value)


def read_all(settings: KafkaSettings) -> list[bytes | None]:
    return [message.value for message in read_to_end(settings, [TOPIC])]


def test_a_stack_keeps_its_data_over_down_and_up_and_loses_it_at_reset(config: StackConfig) -> None:
    addresses = up(config)
    create_topics(addresses.kafka_settings())
    send(addresses.kafka_settings(), [b"1"])
    keep_one_row(addresses.postgres_dsn.get_secret_value())
    down(config.folder)
    assert [row.running for row in status(config.folder)] == [False, False]
    with pytest.raises(ConfigurationError, match="kafka-1, postgres"):
        running_addresses(config)

    again = up(config)
    assert up(config) == again == running_addresses(config)
    assert read_all(again.kafka_settings()) == [b"1"]
    assert count_rows(again.postgres_dsn.get_secret_value()) == 1

    pids = [row.pid for row in status(config.folder)]
    reset(config.folder)
    assert not any(pid is not None and psutil.pid_exists(pid) for pid in pids)
    assert {path.name for path in config.folder.iterdir()} == {"lock"}
    assert status(config.folder) == []


def test_data_without_its_state_is_not_touched(config: StackConfig) -> None:
    (config.folder / "postgres").mkdir()
    with pytest.raises(ConfigurationError, match="make reset"):
        up(config)
    reset(config.folder)
    assert not (config.folder / "postgres").exists()


def test_what_was_acknowledged_survives_a_killed_broker(kafka: KafkaSettings, stack: LocalStack) -> None:
    assert stack.kafka is not None
    send(kafka, [b"before"])
    stack.kafka.kill_node(1)
    stack.kafka.start_node(1)
    stack.kafka.wait_until_ready()
    send(kafka, [b"after"])
    assert read_all(kafka) == [b"before", b"after"]


def test_what_was_committed_survives_a_killed_postgres(postgres_dsn: str, stack: LocalStack) -> None:
    assert stack.postgres is not None
    keep_one_row(postgres_dsn)
    stack.postgres.kill()
    assert not stack.postgres.answers()
    stack.postgres.start()
    assert count_rows(postgres_dsn) == 1


def test_every_test_gets_empty_topics(kafka: KafkaSettings) -> None:
    assert set(end_offsets(kafka, [TOPIC]).values()) == {0}


def test_every_test_gets_an_empty_database_of_its_own(postgres: PostgresSettings) -> None:
    with psycopg.connect(postgres.dsn.get_secret_value()) as connection:
        tables = connection.execute("select from pg_tables where schemaname = 'public'").fetchall()
    assert tables == []


def test_three_nodes_go_on_while_one_is_dead(three_nodes: LocalStack) -> None:
    settings = three_nodes.addresses.kafka_settings()
    assert three_nodes.kafka is not None
    create_topics(settings)
    sent = []
    for node in (1, 2, 3):
        sent.append(f"node {node}".encode())
        three_nodes.kafka.kill_node(node)
        send(settings, sent[-1:])
        three_nodes.kafka.start_node(node)
        three_nodes.kafka.wait_until_ready()
    assert read_all(settings) == sent


def test_a_broker_that_does_not_start_shows_the_end_of_its_log(config: StackConfig) -> None:
    data = config.folder / "kafka" / "1" / "data"
    data.mkdir(parents=True)
    (data / "meta.properties").write_text("version=1\nnode.id=7\ncluster.id=x\n")
    with pytest.raises(StartError, match=r"kafka-1 stopped while it was starting[\s\S]+node"):
        up(config)
    assert not any(row.running for row in status(config.folder)), "the part that had started is stopped again"


def test_a_stack_whose_maker_is_killed_is_stopped_and_deleted(config: StackConfig, tmp_path: Path) -> None:
    script = tmp_path / "maker.py"
    script.write_text(
        "import os, sys\n"
        "from pathlib import Path\n"
        "from contactpoint.stack import StackConfig, temporary_stack\n"
        "config = StackConfig.from_env(os.environ, folder=Path(sys.argv[1]))\n"
        "with temporary_stack(config.model_copy(update={'kafka': None, 'postgres_dsn': None})) as stack:\n"
        "    pids = [stack.postgres.daemon.process().pid, stack.kafka.nodes[1].daemon.process().pid]\n"
        "    print(*pids, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    command = [sys.executable, str(script), str(config.folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as maker:
        assert maker.stdout is not None
        pids = [int(word) for word in maker.stdout.readline().split()]
        servers = [psutil.Process(pid) for pid in pids]
        (guard,) = [child for child in psutil.Process(maker.pid).children() if "guard" in " ".join(child.cmdline())]
        maker.send_signal(signal.SIGKILL)
    psutil.wait_procs([guard, *servers], timeout=PATIENCE)
    assert not any(server.is_running() for server in servers)
    assert list(config.folder.iterdir()) == []


def test_the_jars_in_the_cache_are_the_listed_ones(stack: LocalStack) -> None:
    assert stack.kafka is not None
    on_class_path = {path.name for path in stack.kafka.jars}
    assert on_class_path == {jar.file_name for jar in kafka_jars()}


def test_a_second_stack_leaves_the_first_alone_and_nothing_behind(config: StackConfig, stack: LocalStack) -> None:
    with temporary_stack(config) as second:
        assert second.addresses != stack.addresses
        assert second.postgres is not None
        server = second.postgres.daemon.process()
    assert server is not None
    assert not server.is_running()
    assert list(config.folder.iterdir()) == []
    assert stack.postgres is not None
    assert stack.postgres.answers()
