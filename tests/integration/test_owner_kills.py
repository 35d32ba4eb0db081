"""The resident owner is killed again and again while records and decisions arrive: the end is that of one batch."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from connectors.kafka import EventProducer
from matching.decision_reader import read_decision
from matching.features import ChangeReader
from matching.one_batch import Judgement
from schemas.codec import encode
from schemas.conflicts import ConflictKind
from schemas.decisions import AnyDecisionEvent
from schemas.settings import KafkaSettings, PostgresSettings
from schemas.topics import DECISIONS
from tests.factories.decisions import decide_at_random
from tests.factories.linkage import SourceEvent, hand_made_model, history, topic_of
from tests.factories.workers import Bench, Worker, bench
from tests.unit.matching.worlds import judged

SEED = 830422  # a small world in which somebody is held
AnEvent = SourceEvent | AnyDecisionEvent
EVERY_KIND: set[ConflictKind] = {
    "possible_link",
    "constraint_broken",
    "decision_contradicted",
}


@pytest.fixture
def line(kafka: KafkaSettings, postgres: PostgresSettings, tmp_path: Path) -> Iterator[Bench]:
    with bench(kafka, postgres, tmp_path) as made:
        made.patience = 3600.0
        yield made


@pytest.mark.parametrize(
    ("seed", "kills", "count", "records", "batch_records"),
    [
        (SEED, 2, 2500, 1500, (20, 40, 80)),
        pytest.param(None, 5, 150_000, 100_000, (200, 500, 1000), marks=pytest.mark.soak),
    ],
)
def test_an_owner_killed_at_random_points_ends_where_one_batch_does(
    line: Bench, seed: int | None, kills: int, count: int, records: int, batch_records: tuple[int, ...]
) -> None:
    seed = random.SystemRandom().randrange(1_000_000) if seed is None else seed
    print(f"seed {seed}")
    rng = random.Random(seed)
    events = history(seed, count)
    assert len({event.subject for event in events}) >= records
    decisions = decisions_about(events, seed, count // 500)
    stops = sorted(rng.sample(range(count // 20, count * 9 // 10), kills))
    stream = shuffled_in(events, decisions, rng)
    last = len(stream) * 19 // 20  # what comes after the kills, so that none hits an owner which has read all
    with publishing(line, stream[:last]):
        for stop in stops:
            worker = line.start(lease_seconds=1.0, batch_records=rng.choice(batch_records))
            line.wait_until(partial(has_read, line, stop), f"{stop} events to be linked")
            time.sleep(rng.random() * 0.05)  # somewhere inside a batch
            kill(worker, rng)
    with publishing(line, stream[last:]):
        worker = line.start(lease_seconds=1.0, batch_records=rng.choice(batch_records))
    line.drain()
    expected = one_batch(events, decisions)
    assert {state.kind for state in expected.conflicts.values()} >= EVERY_KIND
    assert expected.held
    stands_as(line, expected, decisions)
    worker.end()


def decisions_about(events: Sequence[SourceEvent], seed: int, rounds: int) -> list[AnyDecisionEvent]:
    """Return decisions of every kind, un-merges of whole children and their retractions among them."""
    members: dict[str, set[str]] = defaultdict(set)
    for event in events:
        members[event.subject.partition(":")[2]].add(event.subject)
    children = [sorted(keys) for keys in members.values()]
    decider = decide_at_random(sorted({event.subject for event in events}), children, seed, rounds)
    rng = random.Random(seed)
    families = [keys for keys in children if len(keys) > 2]
    for keys in rng.sample(families, min(2 * rounds, len(families))):
        unmerged = decider.cannot(keys[0], keys[1])
        if rng.random() < 0.3:
            decider.retract(unmerged)
    return decider.made


def shuffled_in(events: Sequence[SourceEvent], decisions: list[AnyDecisionEvent], rng: random.Random) -> list[AnEvent]:
    """Return all of both, the decisions in any order and anywhere, some of them twice."""
    places = [(rng.randrange(len(events)), each) for each in [*decisions, *decisions[::7]]]
    after: dict[int, list[AnEvent]] = defaultdict(list)
    for place, each in places:
        after[place].append(each)
    return [each for index, event in enumerate(events) for each in (event, *after[index])]


@contextmanager
def publishing(line: Bench, events: Sequence[AnEvent]) -> Iterator[None]:
    """Publish beside the block; the block's end waits for the last."""

    def publish() -> None:
        with EventProducer(line.kafka) as producer:
            for event in events:
                if isinstance(event, SourceEvent):
                    producer.send_event(topic_of(event), encode(event))
                else:
                    producer.send_event(DECISIONS, encode(event))

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def kill(worker: Worker, rng: random.Random) -> None:
    """SIGKILL the owner, alone or with its helpers."""
    if rng.random() < 0.5:
        worker.signal(signal.SIGKILL)
    else:
        os.kill(worker.process.pid, signal.SIGKILL)
    worker.process.wait()


def has_read(line: Bench, count: int) -> bool:
    return line.read_so_far() >= count


def one_batch(events: Sequence[SourceEvent], decisions: Sequence[AnyDecisionEvent]) -> Judgement:
    """Return what the oracle says of everything at once."""
    model = hand_made_model()
    reader = ChangeReader(model)
    said = [each for event in decisions for each in read_decision(encode(event).value)]
    return judged([reader.read(encode(event).value) for event in events], said, model)


def stands_as(line: Bench, expected: Judgement, decisions: Sequence[AnyDecisionEvent]) -> None:
    """Assert that tables and topics hold the oracle's children, child numbers, held flags and conflicts."""
    line.stands_as(expected.memberships, expected.held, expected.conflicts)
    found = {"children": expected.memberships, "held": expected.held, "conflicts": expected.conflicts}
    print({name: len(each) for name, each in found.items()}, f"after {len(decisions)} decisions")
