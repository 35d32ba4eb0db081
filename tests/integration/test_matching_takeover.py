"""Two matching workers on one database: the lease decides who works, the epoch who may write."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from schemas.settings import KafkaSettings, PostgresSettings
from tests.factories.linkage import history
from tests.factories.workers import Bench, Worker, bench, undisturbed


@pytest.fixture
def line(kafka: KafkaSettings, postgres: PostgresSettings, tmp_path: Path) -> Iterator[Bench]:
    with bench(kafka, postgres, tmp_path) as made:
        yield made


def test_a_standby_takes_over_at_once_when_the_owner_is_told_to_stop(line: Bench) -> None:
    events = history(11, 900)
    # A lease far longer than the test's patience: only its release can let the standby in.
    owner, standby = _owner_and_standby(line, lease_seconds=300.0)
    line.feed(events[:500])
    line.drain()
    owner.end()
    line.feed(events[500:])
    line.drain()
    assert standby.says("lease_taken")
    assert line.children() == line.published() == undisturbed(events)


def test_a_standby_takes_over_when_the_owner_is_killed(line: Bench) -> None:
    events = history(12, 900)
    owner, standby = _owner_and_standby(line, lease_seconds=1.0)
    line.feed(events)
    owner.signal(signal.SIGKILL)
    owner.process.wait()
    line.drain()
    assert standby.says("lease_taken")
    assert line.children() == line.published() == undisturbed(events)


def test_a_frozen_owner_that_wakes_after_its_lease_steps_down_and_does_no_harm(line: Bench) -> None:
    events = history(13, 2400)
    workers = _owner_and_standby(line, lease_seconds=3.0, batch_records=20)
    for turn in range(3):
        line.feed(events[turn * 800 : turn * 800 + 500])
        frozen = line.wait_until(partial(_freeze_owner, line, workers), "an owner to freeze")
        line.wait_until(partial(_another_owns, line, workers, frozen), "the other to take over")
        line.feed(events[turn * 800 + 500 : (turn + 1) * 800])
        before = _losses(frozen)
        frozen.signal(signal.SIGCONT)
        line.wait_until(partial(_has_lost_again, frozen, before), "the zombie to drop its state")
    line.drain()
    assert line.children() == line.published() == undisturbed(events)
    for worker in workers:
        worker.end()


def _owner(line: Bench, workers: tuple[Worker, ...]) -> Worker | None:
    """Return the worker that holds the lease by the database's word, if any does."""
    holders = [str(row[0]) for row in line.query("select holder from matching.owner where holder is not null")]
    return next((worker for worker in workers if any(f":{worker.process.pid}/" in holder for holder in holders)), None)


def _another_owns(line: Bench, workers: tuple[Worker, ...], frozen: Worker) -> bool:
    return _owner(line, workers) not in (None, frozen)


def _freeze_owner(line: Bench, workers: tuple[Worker, ...]) -> Worker | None:
    """Stop the owner and its helpers wherever they are, perhaps in a transaction; wake it if it was not the owner."""
    owner = _owner(line, workers)
    if owner is not None:
        owner.signal(signal.SIGSTOP)
        if _owner(line, workers) is owner:
            return owner
        owner.signal(signal.SIGCONT)
    return None


def _owner_and_standby(line: Bench, **settings: object) -> tuple[Worker, Worker]:
    owner = line.start(**settings)
    line.wait_until(lambda: owner.says("state_rebuilt"), "an owner")
    standby = line.start(**settings)
    line.wait_until(lambda: standby.says("standing_by"), "a standby")
    return owner, standby


def _losses(worker: Worker) -> int:
    """Count how often a worker has dropped its state: the lease was lost, or its connection ended."""
    return worker.count("stepped_down") + worker.count("starting_afresh")


def _has_lost_again(worker: Worker, before: int) -> bool:
    return _losses(worker) > before
