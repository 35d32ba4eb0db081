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
    assert owner.end() == 0
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
    owner, standby = _owner_and_standby(line, lease_seconds=1.0, batch_records=20)
    for turn in range(3):
        line.feed(events[turn * 800 : turn * 800 + 500])
        owner.signal(signal.SIGSTOP)  # in the middle of its work, perhaps of a transaction
        taken, standing = standby.count("lease_taken"), owner.count("standing_by")
        line.wait_until(partial(_says_more_often, standby, "lease_taken", taken), "the standby to take over")
        line.feed(events[turn * 800 + 500 : (turn + 1) * 800])
        owner.signal(signal.SIGCONT)
        line.wait_until(partial(_says_more_often, owner, "standing_by", standing), "the zombie to step down")
        owner, standby = standby, owner
    line.drain()
    assert line.children() == line.published() == undisturbed(events)
    assert {worker.end() for worker in (owner, standby)} == {0}


def _owner_and_standby(line: Bench, **settings: object) -> tuple[Worker, Worker]:
    owner = line.start(**settings)
    line.wait_until(lambda: owner.says("state_rebuilt"), "an owner")
    standby = line.start(**settings)
    line.wait_until(lambda: standby.says("standing_by"), "a standby")
    return owner, standby


def _says_more_often(worker: Worker, action: str, before: int) -> bool:
    return worker.count(action) > before
