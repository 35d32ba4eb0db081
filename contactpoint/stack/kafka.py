"""Apache Kafka in KRaft mode on this machine: one node, or several for the fault tests."""

from __future__ import annotations

import base64
import itertools
import os
import signal
import socket
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import resources
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from pydantic import Field

from contactpoint.stack.daemon import Daemon, run_to_end
from schemas.settings import Settings

START_TIMEOUT = 180.0
STOP_TIMEOUT = 30.0
_FIRST_PORT, _PORTS = 20_000, 12_000
_asked = itertools.count()


class NodeConfig(Settings):
    """One node: its id and its two ports on the loopback interface."""

    node_id: int
    port: int
    controller_port: int


def cluster_id(random: bytes) -> str:
    """Return sixteen random bytes as Kafka writes an id (22 symbols); a leading dash would be read as an option."""
    text = base64.urlsafe_b64encode(random).decode().rstrip("=")
    return f"A{text[1:]}" if text.startswith("-") else text


class KafkaConfig(Settings):
    """A cluster: its id and its nodes."""

    cluster_id: str = Field(default_factory=lambda: cluster_id(uuid.uuid4().bytes))
    nodes: tuple[NodeConfig, ...]
    overrides: dict[str, str] = Field(default_factory=dict)
    """Settings of every node that replace ours or add to them."""

    @property
    def bootstrap_servers(self) -> str:
        """The brokers as host:port[,host:port]."""
        return ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)


def server_properties(config: KafkaConfig, node: NodeConfig, data: Path) -> dict[str, str]:
    """Return the settings of one node; every node is broker and controller."""
    copies = min(3, len(config.nodes))
    enough = max(1, copies - 1)
    voters = ",".join(f"{each.node_id}@127.0.0.1:{each.controller_port}" for each in config.nodes)
    replicated = {
        f"{prefix}.replication.factor": str(copies)
        for prefix in ("default", "offsets.topic", "transaction.state.log", "share.coordinator.state.topic")
    }
    return {
        "process.roles": "broker,controller",
        "node.id": str(node.node_id),
        "controller.quorum.voters": voters,
        "listeners": f"PLAINTEXT://127.0.0.1:{node.port},CONTROLLER://127.0.0.1:{node.controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{node.port}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "log.dirs": str(data),
        "auto.create.topics.enable": "false",
        "unclean.leader.election.enable": "false",
        **replicated,
        "min.insync.replicas": str(enough),
        "transaction.state.log.min.isr": str(enough),
        "share.coordinator.state.topic.min.isr": str(enough),
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.num.partitions": "4",
        "group.initial.rebalance.delay.ms": "0",
        # A killed broker may come back only when its session has run out, which is 9 seconds by default.
        "broker.heartbeat.interval.ms": "500",
        "broker.session.timeout.ms": "4000",
        # A dead letter carries the bytes it refuses, whatever their size within reason.
        "message.max.bytes": str(16 * 1024 * 1024),
        "num.network.threads": "2",
        "num.io.threads": "4",
        "log.cleaner.backoff.ms": "1000",
        **config.overrides,
    }


class KafkaNode:
    """One server process and its folder."""

    def __init__(self, config: KafkaConfig, node: NodeConfig, folder: Path) -> None:
        self.config = config
        self.node = node
        self.home = folder / "kafka" / str(node.node_id)
        self.daemon = Daemon(f"kafka-{node.node_id}", folder)

    def start(self, java: Path, jars: Sequence[Path], heap_mb: int) -> None:
        """Format the storage the first time, then start the process; returns before it answers."""
        data = self.home / "data"
        data.mkdir(parents=True, exist_ok=True)
        properties, logging = self._write_settings(data)
        options = ["-Djava.awt.headless=true", "-XX:-UsePerfData", f"-Dlog4j2.configurationFile={logging.as_uri()}"]
        program = [*options, "-cp", os.pathsep.join(map(str, jars))]
        if not (data / "meta.properties").is_file():
            brief = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]  # half the start-up time of a short run
            formatting = ["kafka.tools.StorageTool", "format", "-t", self.config.cluster_id, "-c", str(properties)]
            what = f"formatting the storage of {self.daemon.name}"
            run_to_end([str(java), *brief, *program, *formatting], what=what, cwd=self.home)
        # The quick compiler only: the thorough one took a third of the broker's time in runs of minutes.
        heap = ["-XX:TieredStopAtLevel=1", "-Xms128m", f"-Xmx{heap_mb}m", "-XX:+UseG1GC", "-XX:+ExitOnOutOfMemoryError"]
        command = [str(java), *heap, *program, "kafka.Kafka", str(properties)]
        self.daemon.start(command, cwd=self.home, env=os.environ)

    def stop(self) -> None:
        """Let the node hand over its partitions and end."""
        self.daemon.stop(signal.SIGTERM, STOP_TIMEOUT)

    def _write_settings(self, data: Path) -> tuple[Path, Path]:
        properties = self.home / "server.properties"
        wanted = server_properties(self.config, self.node, data)
        properties.write_text("".join(f"{key}={value}\n" for key, value in wanted.items()), encoding="utf-8")
        logging = self.home / "log4j2.properties"
        logging.write_bytes(resources.files(__package__).joinpath("log4j2.properties").read_bytes())
        return properties, logging


class KafkaCluster:
    """The nodes of one cluster, with what they need to be started again one by one."""

    def __init__(self, config: KafkaConfig, folder: Path, java: Path, jars: Sequence[Path], heap_mb: int) -> None:
        self.config = config
        self.nodes = {node.node_id: KafkaNode(config, node, folder) for node in config.nodes}
        self._java = java
        self.jars = tuple(jars)
        self._heap_mb = heap_mb

    @property
    def bootstrap_servers(self) -> str:
        """The brokers as host:port[,host:port]."""
        return self.config.bootstrap_servers

    def start(self) -> None:
        """Start the nodes that do not run; returns before they answer."""
        stopped = [node_id for node_id, node in self.nodes.items() if not node.daemon.is_running()]
        with ThreadPoolExecutor(len(self.nodes)) as pool:
            list(pool.map(self.start_node, stopped))

    def start_node(self, node_id: int) -> None:
        """Start one node, on the same ports and data as before."""
        self.nodes[node_id].start(self._java, self.jars, self._heap_mb)

    def kill_node(self, node_id: int) -> None:
        """SIGKILL one node."""
        self.nodes[node_id].daemon.kill()

    def stop(self) -> None:
        """Stop every node."""
        for node in self.nodes.values():
            node.stop()

    def wait_until_ready(self) -> None:
        """Return once every running node answers a client and sees all the others that run."""
        running = [node for node in self.nodes.values() if node.daemon.is_running()] or list(self.nodes.values())
        for node in running:
            node.daemon.wait_until(partial(_sees, node.node.port, len(running)), START_TIMEOUT)


def _sees(port: int, brokers: int) -> bool:
    return brokers_seen(port) >= brokers


def brokers_seen(port: int) -> int:
    """Return how many brokers the broker on this port knows, itself included; 0 when it does not answer."""
    # A closed port is asked first: librdkafka would wait its whole time-out for it.
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) != 0:
            return 0
    admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{port}", "log_level": 0, "socket.timeout.ms": 5000})
    try:
        return len(admin.list_topics(timeout=5).brokers)
    except KafkaException:
        return 0


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback interface that nobody listens on now, and that nobody soon will.

    They are below those that Linux gives to connections and to servers that take any port (from 32768 on), so a server
    may start later, or again, on one. Processes that ask at the same time begin at different places.
    """
    found: list[int] = []
    while len(found) < count:
        port = _FIRST_PORT + (16 * os.getpid() + next(_asked)) % _PORTS
        if is_free(port):
            found.append(port)
    return found


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this port of the loopback interface now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
