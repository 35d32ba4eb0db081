"""Start, stop, reset and describe a local stack; `temporary_stack` makes one for a test and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from contactpoint.stack.config import StackAddresses, StackConfig
from contactpoint.stack.jars import MavenSource, ensure_jars, kafka_jars, kafka_version
from contactpoint.stack.java import find_java
from contactpoint.stack.kafka import KafkaCluster, KafkaConfig, KafkaNode, NodeConfig, brokers_seen, free_ports, is_free
from contactpoint.stack.postgres import (
    PostgresConfig,
    PostgresServer,
    check_given_server,
    find_binaries,
    plan_again,
    plan_server,
)
from contactpoint.stack.progress import Reporter, SilentReporter
from contactpoint.stack.state import StackState, locked, read_state, state_file, write_state
from schemas.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One part of the stack as `status` shows it."""

    name: str
    running: bool
    address: str
    pid: int | None
    log: Path | None


class LocalStack:
    """A running stack, with the handles that fault tests need (`kafka`, `postgres`; None for a part the user gave)."""

    def __init__(self, addresses: StackAddresses, kafka: KafkaCluster | None, postgres: PostgresServer | None) -> None:
        self.addresses = addresses
        self.kafka = kafka
        self.postgres = postgres

    def restore(self) -> None:
        """Start every part again that was killed or stopped, and return once all of it answers."""
        _start_together(self.kafka, self.postgres, SilentReporter())


def up(config: StackConfig, reporter: Reporter | None = None) -> StackAddresses:
    """Start what does not run yet and return once all of it answers.

    Raises ConfigurationError before anything starts when something is missing, and StartError with the end of the
    server's log when one does not come up; what had started by then is stopped again.
    """
    return start(config, reporter or SilentReporter()).addresses


def start(config: StackConfig, reporter: Reporter) -> LocalStack:
    """Like `up`, but return the handles of the parts."""
    with locked(config.folder):
        before = read_state(config.folder)
        java, jars = _prepare_kafka(config, reporter)
        binaries = _prepare_postgres(config)
        state = _plan(config, before, binaries)
        write_state(config.folder, state)
        kafka = None
        if state.kafka is not None and java is not None:
            kafka = KafkaCluster(state.kafka, config.folder, java, jars, config.kafka_heap_mb)
        postgres = PostgresServer(state.postgres, config.folder) if state.postgres is not None else None
        try:
            _start_together(kafka, postgres, reporter)
        except BaseException:
            _stop(state, config.folder)
            raise
        return LocalStack(_addresses(config, state), kafka, postgres)


def down(folder: Path, reporter: Reporter | None = None) -> None:
    """Stop what this stack runs, by its own pids; the data stays."""
    with locked(folder):
        state = read_state(folder)
        if state is not None:
            _stop(state, folder)
        (reporter or SilentReporter()).say("The stack is down; its data is kept.")


def reset(folder: Path, reporter: Reporter | None = None) -> None:
    """Stop what this stack runs, at once, and delete its data and logs. Other things in the folder stay."""
    with locked(folder):
        state = read_state(folder)
        if state is not None:
            _stop(state, folder, at_once=True)
            if state.postgres is not None and state.postgres.home.exists():
                shutil.rmtree(state.postgres.home)
        for name in ("kafka", "postgres", "audit", "logs", "run"):
            if (folder / name).exists():
                shutil.rmtree(folder / name)
        state_file(folder).unlink(missing_ok=True)
        (reporter or SilentReporter()).say("The stack is down and its data is deleted.")


def status(folder: Path) -> list[PartStatus]:
    """Return one row for each server of the stack in this folder; an empty list when there is none."""
    state = read_state(folder)
    rows = []
    if state is not None and state.kafka is not None:
        for each in state.kafka.nodes:
            daemon = KafkaNode(state.kafka, each, folder).daemon
            process = daemon.process()
            answers = process is not None and brokers_seen(each.port) > 0
            pid = process.pid if process else None
            rows.append(PartStatus(daemon.name, answers, f"127.0.0.1:{each.port}", pid, daemon.log_file))
    if state is not None and state.postgres is not None:
        server = PostgresServer(state.postgres, folder)
        process = server.daemon.process()
        pid = process.pid if process else None
        address = f"127.0.0.1:{state.postgres.port}"
        rows.append(PartStatus("postgres", server.answers(), address, pid, server.daemon.log_file))
    return rows


def running_addresses(config: StackConfig) -> StackAddresses:
    """Return the addresses of the stack as it runs now; raise ConfigurationError when a part of it does not."""
    state = read_state(config.folder)
    parts = {"postgres": config.postgres_dsn, "kafka": config.kafka}
    if not all(parts.values()):
        own = [row for row in status(config.folder) if parts[row.name.partition("-")[0]] is None]
        stopped = [row.name for row in own if not row.running]
        if state is None or stopped:
            which = f" (down: {', '.join(stopped)})" if stopped else ""
            message = f"the local stack is not running{which}: start it with `make up`"
            raise ConfigurationError(message)
    return _addresses(config, state or StackState(kafka=None, postgres=None))


@contextlib.contextmanager
def temporary_stack(config: StackConfig) -> Iterator[LocalStack]:
    """Run a stack in a new folder under `config.folder`, and stop and delete it at the end.

    A guard process does the same should this process die without reaching the end.
    """
    config.folder.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="temporary-", dir=config.folder))
    folder.chmod(0o755)  # PostgreSQL may run as another account
    command = [sys.executable, "-m", "contactpoint.stack.guard", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as guard:
        try:
            yield start(config.model_copy(update={"folder": folder}), SilentReporter())
        finally:
            discard(folder)
            guard.communicate()


def discard(folder: Path) -> None:
    """Stop the stack in this folder and delete the folder."""
    if folder.exists():
        reset(folder)
        shutil.rmtree(folder)


def _prepare_kafka(config: StackConfig, reporter: Reporter) -> tuple[Path | None, list[Path]]:
    if config.kafka is not None:
        first = config.kafka.split(",")[0].strip()
        host, _, port = first.rpartition(":")
        if not host or not port.isdigit():
            message = f"CONTACTPOINT_KAFKA is {config.kafka!r}; write host:port, several with commas between them"
            raise ConfigurationError(message)
        return None, []
    java = find_java(os.environ)
    source = MavenSource(config.maven_repository)
    return java, ensure_jars(kafka_jars(), config.cache / f"kafka-{kafka_version()}", source, reporter)


def _prepare_postgres(config: StackConfig) -> Path | None:
    if config.postgres_dsn is not None:
        check_given_server(config.postgres_dsn)
        return None
    return find_binaries(config.postgres_bin)


def _plan(config: StackConfig, before: StackState | None, binaries: Path | None) -> StackState:
    kafka = before.kafka if before is not None else None
    postgres = before.postgres if before is not None else None
    if config.kafka is None:
        kafka = _plan_kafka(config, kafka)
    if config.postgres_dsn is None and binaries is not None:
        postgres = _plan_postgres(config, postgres, binaries)
    kek = before.kek if before is not None else None
    if kek is None and config.postgres_dsn is None:
        kek = b64encode(os.urandom(32)).decode()  # in the clear beside what it opens: good enough for made-up data
    return StackState(kafka=kafka, postgres=postgres, kek=kek)


def _plan_kafka(config: StackConfig, before: KafkaConfig | None) -> KafkaConfig:
    if before is None:
        ports = free_ports(2 * config.nodes)
        nodes = [
            NodeConfig(node_id=index + 1, port=ports[2 * index], controller_port=ports[2 * index + 1])
            for index in range(config.nodes)
        ]
        return KafkaConfig(nodes=tuple(nodes))
    if len(before.nodes) != config.nodes:
        found = len(before.nodes)
        message = f"the stack in {config.folder} has {found} Kafka node(s), not {config.nodes}: `make reset` first"
        raise ConfigurationError(message)
    return before.model_copy(update={"nodes": tuple(_with_free_ports(before, each, config) for each in before.nodes)})


def _with_free_ports(cluster: KafkaConfig, node: NodeConfig, config: StackConfig) -> NodeConfig:
    if KafkaNode(cluster, node, config.folder).daemon.is_running() or (
        is_free(node.port) and is_free(node.controller_port)
    ):
        return node
    port, controller_port = free_ports(2)
    return node.model_copy(update={"port": port, "controller_port": controller_port})


def _plan_postgres(config: StackConfig, before: PostgresConfig | None, binaries: Path) -> PostgresConfig:
    if before is None or not before.home.is_dir():
        return plan_server(binaries, config.folder, free_ports(1)[0], config.shared_buffers_mb)
    if PostgresServer(before, config.folder).daemon.is_running():
        return before
    if (before.data / "PG_VERSION").is_file():
        before = plan_again(before, binaries)
    return before if is_free(before.port) else before.model_copy(update={"port": free_ports(1)[0]})


def _start_together(kafka: KafkaCluster | None, postgres: PostgresServer | None, reporter: Reporter) -> None:
    # Each spends most of its start waiting for its own disk, so the two overlap.
    with ThreadPoolExecutor(2) as pool:
        waiting = []
        if kafka is not None:
            reporter.say(f"Starting Kafka {kafka_version()} ({len(kafka.nodes)} node(s), {kafka.bootstrap_servers})")
            waiting.append(pool.submit(_start_kafka, kafka))
        if postgres is not None:
            reporter.say(f"Starting PostgreSQL (127.0.0.1:{postgres.config.port})")
            waiting.append(pool.submit(postgres.start))
        for each in waiting:
            each.result()


def _start_kafka(kafka: KafkaCluster) -> None:
    kafka.start()
    kafka.wait_until_ready()


def _stop(state: StackState, folder: Path, *, at_once: bool = False) -> None:
    """Stop every part; `at_once` is for data that nobody needs: brokers hand nothing over, and no buffer is written."""
    parts = []
    if state.kafka is not None:
        nodes = [KafkaNode(state.kafka, node, folder) for node in state.kafka.nodes]
        parts += [node.daemon.kill if at_once else node.stop for node in nodes]
    if state.postgres is not None:
        server = PostgresServer(state.postgres, folder)
        parts.append(server.stop_at_once if at_once else server.stop)
    with ThreadPoolExecutor(max(1, len(parts))) as pool:
        for stopped in [pool.submit(part) for part in parts]:
            stopped.result()


def _addresses(config: StackConfig, state: StackState) -> StackAddresses:
    kafka = config.kafka or (state.kafka.bootstrap_servers if state.kafka else None)
    dsn = config.postgres_dsn or (state.postgres.dsn() if state.postgres else None)
    if kafka is None or dsn is None:
        message = "the local stack is not running: start it with `make up`"
        raise ConfigurationError(message)
    kek = config.kek or (SecretStr(state.kek) if state.kek else None)
    return StackAddresses(kafka=kafka, postgres_dsn=dsn, kafka_security=config.kafka_security, kek=kek)
