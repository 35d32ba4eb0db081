"""Several workers of one consumer group on shared tables: source events in, the identities of one owner out."""

from __future__ import annotations

import random
import re
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from connectors.kafka import end_offsets
from contactpoint.stack import LocalStack
from matching.stage.control import send_command
from matching.stage.replay import read_published
from schemas.settings import KafkaSettings, PostgresSettings
from schemas.topics import IDENTITIES
from tests.factories.linkage import SourceEvent, history
from tests.factories.workers import Bench, Worker, bench, undisturbed

AMID_A_BATCH = """select a.client_port from pg_stat_activity a join pg_locks l on l.pid = a.pid
    where l.relation = to_regclass('matching.position') and l.mode = 'RowExclusiveLock'
    and a.wait_event = 'ClientRead'"""


@pytest.fixture
def line(kafka: KafkaSettings, postgres: PostgresSettings, tmp_path: Path) -> Iterator[Bench]:
    with bench(kafka, postgres, tmp_path) as made:
        yield made


def test_three_workers_one_added_and_one_killed_give_the_children_of_one_owner(line: Bench) -> None:
    events = history(21, 4000)
    _load_under_trouble(line, events, seed=21, batch_records=100)
    assert line.children() == line.published() == undisturbed(events)


@pytest.mark.soak
def test_the_same_with_a_hundred_thousand_records(line: Bench) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    print(f"seed {seed}")
    line.patience = 3600.0
    events = history(seed, 100_000)
    _load_under_trouble(line, events, seed=seed, batch_records=1000)
    assert line.children() == line.published() == undisturbed(events)


@pytest.mark.soak
def test_a_storm_of_workers_that_come_and_go_gives_the_children_of_one_owner(line: Bench) -> None:
    """About each second one joins, and the one that is there longest is told to end, or killed."""
    seed = random.SystemRandom().randrange(1_000_000)
    print(f"seed {seed}")
    rng, events = random.Random(seed), history(seed, 6000)
    workers = [_started(line, 50) for _ in range(3)]
    for turn in range(20):
        line.feed(events[turn * 300 : (turn + 1) * 300])
        workers.append(line.start("--shared", batch_records=50))
        time.sleep(rng.uniform(0.5, 1.5))
        leaving = workers.pop(0)
        leaving.signal(rng.choice([signal.SIGTERM, signal.SIGKILL]))
        leaving.process.wait()
    line.drain()
    assert line.children() == line.published() == undisturbed(events)


def test_a_resident_owner_stands_by_while_shared_workers_have_the_tables(line: Bench) -> None:
    events = history(22, 300)
    line.feed(events)
    line.start("--shared")
    line.drain()
    owner = line.start()
    line.wait_until(lambda: owner.says("standing_by"), "the owner to stand by")
    assert line.children() == line.published() == undisturbed(events)
    assert not owner.says("lease_taken")


def test_workers_and_owners_go_on_where_the_others_stopped_and_where_the_server_crashed(
    line: Bench, stack: LocalStack
) -> None:
    events = history(27, 1200)
    assert stack.postgres is not None
    owner = line.start(batch_records=20)
    line.feed(events[:300])
    line.wait_until(lambda: line.read_so_far() > 40, "some batches to be committed")
    stack.postgres.kill()
    stack.postgres.start()
    line.drain()
    assert line.children() == line.published() == undisturbed(events[:300])
    owner.end()
    workers = [line.start("--shared", batch_records=20) for _ in range(2)]
    line.feed(events[300:900])
    line.wait_until(lambda: line.read_so_far() > 400, "some batches to be committed")
    stack.postgres.kill()
    stack.postgres.start()
    line.drain()
    assert line.children() == line.published() == undisturbed(events[:900])
    successor = line.start()
    line.wait_until(lambda: successor.says("standing_by"), "the owner to stand by while workers are there")
    for worker in workers:
        worker.end()
    assert sum(worker.count("index_made") for worker in workers) == 2
    line.feed(events[900:1050])
    line.drain()
    successor.end()
    workers = [line.start("--shared", batch_records=20) for _ in range(2)]
    line.feed(events[1050:])
    line.drain()
    assert line.children() == line.published() == undisturbed(events)
    for worker in workers:
        worker.end()
    assert sum(worker.count("index_made") for worker in workers) == 1


def test_paused_workers_read_nothing_until_they_are_resumed(line: Bench) -> None:
    workers = [line.start("--shared"), line.start("--shared")]
    send_command(line.kafka, "pause")
    for worker in workers:
        line.wait_until(partial(worker.says, "owner_paused"), "the workers to pause")
    events = history(23, 200)
    line.feed(events)
    assert line.query("select 1 from matching.record") == []
    send_command(line.kafka, "resume")
    line.drain()
    assert line.children() == undisturbed(events)
    for worker in workers:
        worker.end()


def test_after_the_tables_are_dropped_a_replay_publishes_nothing_and_versions_go_on(line: Bench) -> None:
    events = history(25, 900)
    line.feed(events[:800])
    workers = [_started(line, 50) for _ in range(2)]
    line.drain()
    for worker in workers:
        worker.end()
    before, ends, newest = line.children(), end_offsets(line.kafka, [IDENTITIES]), read_published(line.kafka)
    line.query("drop schema matching cascade")
    _started(line, 70)
    _started(line, 30)
    line.drain()
    assert line.children() == line.published() == before
    assert end_offsets(line.kafka, [IDENTITIES]) == ends
    line.feed(events[800:])
    line.drain()
    assert line.children() == line.published() == undisturbed(events)
    highest = max(child.version for child in newest.values())
    assert all(c.version > highest for n, c in read_published(line.kafka).items() if c != newest.get(n))


def test_a_worker_that_freezes_amid_a_batch_and_wakes_after_others_took_its_partitions_does_no_harm(
    line: Bench,
) -> None:
    events = history(24, 1500)
    workers = [_started(line, 20) for _ in range(2)]
    line.feed(events[:1200])
    _freeze_amid_a_batch(line, workers[0], events[:40])
    line.feed(events[1200:])
    line.drain()
    workers[0].signal(signal.SIGCONT)
    line.feed(events[:100])
    line.drain()
    assert line.children() == line.published() == undisturbed(events)
    for worker in workers:
        worker.end()


def test_what_a_frozen_worker_holds_is_taken_from_it_wherever_it_froze(line: Bench) -> None:
    """The sessions are those of workers that will never say another word, two of them not idle to the server."""
    events = history(26, 400)
    worker = _started(line, 50)
    line.feed(events[:200])
    line.drain()
    with line.frozen(
        "update matching.position set next_offset = next_offset where topic = 'source.schools'"
    ) as amid_copy:
        amid_copy.pgconn.send_query(b"copy matching.shared_neighbour from stdin (format binary)")
        with line.frozen("lock table matching.outbox in share mode") as amid_answer:
            amid_answer.pgconn.send_query(b"select repeat('x', 1000) from generate_series(1, 1000000)")
            with line.frozen("select 1 from matching.shared_name for update"):
                other = _started(line, 50)
                line.feed(events[200:])
                line.drain()
    assert line.children() == line.published() == undisturbed(events)
    worker.end()
    other.end()


def _freeze_amid_a_batch(line: Bench, worker: Worker, more: list[SourceEvent]) -> None:
    """Stop a worker that has moved its positions and not committed; `more` keeps it at work until that succeeds."""
    ports = {each.laddr.port for each in psutil.Process(worker.process.pid).net_connections()}

    def frozen() -> bool:
        worker.signal(signal.SIGSTOP)
        time.sleep(0.02)
        if any(port in ports for (port,) in line.query(AMID_A_BATCH)):
            return True
        worker.signal(signal.SIGCONT)
        line.feed(more)
        return False

    line.wait_until(frozen, "the worker to be amid a batch")


def _load_under_trouble(line: Bench, events: list[SourceEvent], *, seed: int, batch_records: int) -> None:
    """Feed all events to three workers, kill one and add another while they work; return once all is linked."""
    rng = random.Random(seed)
    third = len(events) // 3
    workers = [_started(line, batch_records) for _ in range(3)]
    line.feed(events[:third])
    line.wait_until(lambda: line.read_so_far() > third // 2, "a part to be linked")
    victim = rng.choice(workers)
    victim.signal(signal.SIGKILL)
    victim.process.wait()
    workers.remove(victim)
    line.feed(events[third : 2 * third])
    workers.append(_started(line, batch_records))
    line.feed(events[2 * third :])
    line.drain()
    for worker in workers:
        worker.end()
    assert all(_counted(worker, "records") > 0 for worker in workers)
    print(f"conflicts {sum(_counted(worker, 'conflicts') for worker in workers)} of {len(events)} events")


def _started(line: Bench, batch_records: int) -> Worker:
    worker = line.start("--shared", batch_records=batch_records)
    line.wait_until(lambda: worker.says("partitions_assigned"), "the group to take the worker in")
    return worker


def _counted(worker: Worker, what: str) -> int:
    """Return a count that a worker reported when it ended."""
    line = next(line for line in worker.log.read_text().splitlines() if "worker_ended" in line)
    found = re.search(rf"\b{what}=(\d+)", line)
    assert found is not None
    return int(found[1])
