"""Matching workers as processes of their own, for tests that kill, stop and replace them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from connectors.kafka import EventProducer, end_offsets
from connectors.postgres import connect
from matching.changes import ConflictState
from matching.features import ChangeReader
from matching.linkage.model_json import dump_model
from matching.resident.owner import ResidentOwner
from matching.shared.tables import APPLICATION
from matching.sql import QUERIES
from matching.stage import replay, store
from matching.stage.replay_conflicts import conflict_differences, read_published_conflicts
from schemas.codec import encode
from schemas.settings import KafkaSettings, PostgresSettings
from schemas.topics import MATCHING_TOPICS
from tests.factories.linkage import SourceEvent, hand_made_model, topic_of
from tests.factories.waiting import PATIENCE, Found, end, wait_until


@dataclass(slots=True)
class Worker:
    """One `python -m matching`, with its helpers in one process group, and its log in a file."""

    process: subprocess.Popen[bytes]
    log: Path

    def signal(self, number: int) -> None:
        """Send a signal to the worker and its helpers."""
        os.killpg(self.process.pid, number)

    def helper(self, module: str) -> int | None:
        """Return the process id of the worker's helper that runs a module."""
        for entry in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(entry.read_text().rpartition(")")[2].split()[1])
                command = (entry.parent / "cmdline").read_bytes()
            except (OSError, ValueError):
                continue  # it ended while we looked
            if parent == self.process.pid and module.encode() in command:
                return int(entry.parent.name)
        return None

    def says(self, action: str) -> bool:
        """Tell whether the worker has logged an action."""
        return self.count(action) > 0

    def count(self, action: str) -> int:
        """Return how often the worker has logged an action."""
        return self.log.read_text().count(action)

    def end(self) -> None:
        """End the worker as an operator does."""
        end(self.process)


@dataclass(slots=True)
class Bench:
    """The topics and tables of one test, and the workers it has started."""

    kafka: KafkaSettings
    postgres: PostgresSettings
    folder: Path
    workers: list[Worker] = field(default_factory=list)
    patience: float = PATIENCE

    def start(self, *arguments: str, **settings: object) -> Worker:
        """Start a worker with arguments such as `--shared`; settings are those of MatchingSettings."""
        model = self.folder / "model.json"
        model.write_text(dump_model(hand_made_model()), encoding="utf-8")
        chosen = {"model": model, "lease_seconds": 2.0, **settings}
        log = self.folder / f"worker-{len(self.workers)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "matching", *arguments],
                env=self._environment(chosen),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.workers.append(Worker(process, log))
        return self.workers[-1]

    def feed(self, events: Sequence[SourceEvent]) -> None:
        """Publish source events."""
        with EventProducer(self.kafka) as producer:
            for event in events:
                producer.send_event(topic_of(event), encode(event))

    def wait_until(self, condition: Callable[[], Found | None], what: str) -> Found:
        """Look again and again until the condition holds; fail with the workers' logs when it takes too long."""
        return wait_until(condition, what, seconds=self.patience, logs=self._logs)

    def drain(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Wait until everything fed is in the tables and published; do what is given before each look."""
        ends = end_offsets(self.kafka, MATCHING_TOPICS)

        def is_drained() -> bool:
            meanwhile()
            return self._is_drained(ends)

        self.wait_until(is_drained, "all events matched and published")

    def children(self) -> dict[str, tuple[str, ...]]:
        """Return the members of every child as the tables have it."""
        with psycopg.connect(self.postgres.dsn.get_secret_value()) as connection:
            return {number: child.members for number, child in replay.read_children(connection).items()}

    def published(self) -> dict[str, tuple[str, ...]]:
        """Return the members of every child as the newest identity events have it."""
        newest = replay.read_published(self.kafka)
        return {number: child.members for number, child in newest.items() if child.members}

    def stands_as(
        self, children: Mapping[str, tuple[str, ...]], held: AbstractSet[str], conflicts: Mapping[str, ConflictState]
    ) -> None:
        """Assert that tables and topics hold these children, held ones and open conflicts."""
        assert self.children() == self.published() == children
        newest = replay.read_published(self.kafka)
        assert {number for number, child in newest.items() if child.held and child.members} == held
        with connect(self.postgres) as connection:
            assert dict(store.read_conflicts(connection)) == conflicts
        assert conflict_differences(read_published_conflicts(self.kafka), conflicts, 1) == []

    def query(self, statement: str) -> list[tuple[object, ...]]:
        """Run one statement; an empty list while the tables are not there."""
        with psycopg.connect(self.postgres.dsn.get_secret_value(), autocommit=True) as connection:
            try:
                cursor = connection.execute(statement.encode())
            except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
                return []
            return cursor.fetchall() if cursor.description else []

    def read_so_far(self) -> int:
        """Return how many messages the tables are made of."""
        rows = self.query("select coalesce(sum(next_offset), 0) from matching.position")
        return int(str(rows[0][0])) if rows else 0

    @contextmanager
    def frozen(self, statement: str) -> Iterator[psycopg.Connection[TupleRow]]:
        """Yield a session of a worker that has begun a transaction with a statement, for the test to leave it there."""
        connection = psycopg.connect(self.postgres.dsn.get_secret_value(), application_name=APPLICATION)
        try:
            connection.execute(f"set idle_in_transaction_session_timeout = '6s'; {statement}".encode())
            yield connection
        finally:
            connection.close()

    def _logs(self) -> str:
        return "\n".join(worker.log.read_text()[-3000:] for worker in self.workers)

    def _is_drained(self, ends: Mapping[tuple[str, int], int]) -> bool:
        positions = {(topic, part): at for topic, part, at, _ in self.query(QUERIES["read_positions"])}
        reached = all(int(str(positions.get(partition, 0))) >= end for partition, end in ends.items())
        left = self.query(
            "select 1 from matching.outbox union all select 1 from matching.owner where replay_until is not null"
        )
        return reached and not left

    def _environment(self, settings: Mapping[str, object]) -> dict[str, str]:
        return {
            **os.environ,
            "CONTACTPOINT_KAFKA": self.kafka.bootstrap_servers,
            "CONTACTPOINT_POSTGRES_DSN": self.postgres.dsn.get_secret_value(),
            **{f"CONTACTPOINT_MATCHING_{name.upper()}": str(value) for name, value in settings.items()},
        }


@contextmanager
def bench(kafka: KafkaSettings, postgres: PostgresSettings, folder: Path) -> Iterator[Bench]:
    """Yield a bench and end every process that it started."""
    made = Bench(kafka, postgres, folder)
    try:
        yield made
    finally:
        for worker in made.workers:
            if worker.process.poll() is None:
                worker.signal(signal.SIGCONT)
                worker.signal(signal.SIGKILL)
                worker.process.wait()


def undisturbed(events: Sequence[SourceEvent]) -> dict[str, tuple[str, ...]]:
    """Return the members of every child when all events are linked in one batch, without any stage."""
    model = hand_made_model()
    owner = ResidentOwner(model)
    reader = ChangeReader(model)
    owner.apply([reader.read(encode(event).value) for event in events], 1)
    return owner.memberships()
