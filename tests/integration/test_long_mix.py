"""A long run with every trouble at random, by a seed (F22): records, decisions and poison in, one batch's end out."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from connectors.decisions import publish_decisions
from connectors.kafka import EventProducer, end_offsets
from connectors.postgres import connect
from contactpoint.stack import LocalStack
from projections.rebuild import verify
from projections.registry import PROJECTIONS
from schemas.decisions import AnyDecisionEvent
from schemas.settings import KafkaSettings, PostgresSettings
from schemas.topics import DEAD_LETTERS
from tests.factories.linkage import SourceEvent, history
from tests.factories.projecting import behind, running
from tests.factories.waiting import end
from tests.factories.workers import Bench, Worker, bench
from tests.integration.test_owner_kills import decisions_about, one_batch, stands_as

DIRECTORY = PROJECTIONS["directory"]
MINUTES = 4.0
PER_TURN = 150


@pytest.fixture
def line(kafka: KafkaSettings, postgres: PostgresSettings, tmp_path: Path) -> Iterator[Bench]:
    with bench(kafka, postgres, tmp_path) as made:
        made.patience = 1200.0
        yield made


class Mix:
    """The running stages, and what can happen to them."""

    def __init__(self, line: Bench, stack: LocalStack, rng: random.Random, ended: ExitStack) -> None:
        self.line, self.stack, self.rng, self.ended = line, stack, rng, ended
        self.owner = self._owner()
        self.projection = self._projection()
        self.happened: dict[str, int] = {}
        self.poison = 0

    def one_thing(self) -> None:
        """Let one thing happen, whichever it is."""
        happening = self.rng.choice(
            (
                self.kill_owner,
                self.kill_projection,
                self.freeze_owner,
                self.kill_postgres,
                self.kill_kafka,
                self.poisoned,
            )
        )
        self.happened[happening.__name__] = self.happened.get(happening.__name__, 0) + 1
        happening()
        self.start_again()

    def kill_owner(self) -> None:
        self.owner.signal(signal.SIGKILL)
        self.owner.process.wait()
        self.owner = self._owner()

    def kill_projection(self) -> None:
        self.projection.kill()
        self.projection.wait()
        self.projection = self._projection()

    def freeze_owner(self) -> None:
        """Long enough for its lease to run out, with another that takes over; then it wakes."""
        sleeper, self.owner = self.owner, self._owner()
        sleeper.signal(signal.SIGSTOP)
        time.sleep(self.rng.uniform(1.0, 3.0))
        sleeper.signal(signal.SIGCONT)
        time.sleep(1.0)
        sleeper.signal(signal.SIGKILL)
        sleeper.process.wait()

    def kill_postgres(self) -> None:
        assert self.stack.postgres is not None
        self.stack.postgres.kill()
        self.stack.restore()

    def kill_kafka(self) -> None:
        assert self.stack.kafka is not None
        self.stack.kafka.kill_node(1)
        self.stack.restore()

    def poisoned(self) -> None:
        self.poison += 1
        with EventProducer(self.line.kafka) as producer:
            producer.send("source.yot", f"yot-1:poison{self.poison}".encode(), b"\x00 no event", [])

    def start_again(self) -> None:
        """Start again what has ended: a stage that starts while its broker is away does, and has a supervisor."""
        if self.owner.process.poll() is not None:
            self.owner = self._owner()
        if self.projection.poll() is not None:
            self.projection = self._projection()

    def _owner(self) -> Worker:
        return self.line.start(lease_seconds=1.0, batch_records=self.rng.choice((20, 50, 200)))

    def _projection(self) -> subprocess.Popen[bytes]:
        return self.ended.enter_context(running(DIRECTORY, self.line.kafka, self.line.postgres, batch=50))


@pytest.mark.soak
def test_hours_of_everything_at_once_end_where_one_batch_does(line: Bench, stack: LocalStack) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    print(f"seed {seed}")
    rng, told, decided = random.Random(seed), list[SourceEvent](), list[AnyDecisionEvent]()
    events = iter(history(seed, 6_000))
    until = time.monotonic() + 60 * MINUTES
    with ExitStack() as ended:
        mix = Mix(line, stack, rng, ended)
        while time.monotonic() < until:
            part = [event for _, event in zip(range(PER_TURN), events, strict=False)]
            told += part
            line.feed(part)
            if len(told) == 8 * PER_TURN:
                decided = decisions_about(told, seed, 20)
                publish_decisions(line.kafka, decided)
            time.sleep(rng.random() * 2)  # somewhere inside whatever is going on
            mix.one_thing()
        line.drain(mix.start_again)
        mix.start_again()  # no server is killed any more
        with connect(line.postgres, autocommit=True) as connection:
            line.wait_until(lambda: not behind(connection, line.kafka, DIRECTORY), "all to be folded")
        assert decided
        print(f"{len(told)} events, {len(decided)} decisions, {mix.happened}")
        assert sum(end_offsets(line.kafka, [DEAD_LETTERS]).values()) >= mix.poison
        stands_as(line, one_batch(told, decided), decided)
        end(mix.projection)
    assert verify(DIRECTORY, line.kafka, line.postgres).equal
