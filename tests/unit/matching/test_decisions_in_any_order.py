from __future__ import annotations

import random
from functools import partial
from itertools import cycle
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matching.changes import SourceChange
from matching.linkage.decisions import Decision
from matching.linkage.model import LinkageModel
from schemas.conflicts import ConflictKind
from tests.unit.matching.durable import Event, cut, run_resident
from tests.unit.matching.random_worlds import random_decisions, random_log
from tests.unit.matching.worlds import (
    JUDGED_WORLDS,
    decision_logs,
    judged,
    marked_logs,
)


def check(
    log: list[SourceChange],
    decisions: list[Decision],
    rng: random.Random,
    cuts: list[int],
    restarts: list[bool],
    world: LinkageModel,
) -> None:
    expected = judged(log, decisions, world)
    events: list[Event] = [*log, *decisions]
    events += rng.sample(events, len(events) // 3)
    rng.shuffle(events)
    owner, rows = run_resident(world, cut(events, cuts), partial(next, cycle(restarts)))
    assert owner.memberships() == expected.memberships == rows.memberships
    assert {number: members for number, members in rows.identities.items() if members} == expected.memberships
    assert set(owner.holds()) == rows.held == expected.held
    assert owner.conflicts() == rows.conflicts == expected.conflicts


@settings(max_examples=60, deadline=None)
@given(
    marked_logs(),
    decision_logs(),
    st.randoms(use_true_random=False),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.lists(st.booleans(), min_size=1, max_size=4),
    st.sampled_from(JUDGED_WORLDS),
)
def test_records_and_decisions_in_any_order_and_batches_end_where_one_batch_does(
    log: list[SourceChange],
    decisions: list[Decision],
    rng: random.Random,
    cuts: list[int],
    restarts: list[bool],
    world: LinkageModel,
) -> None:
    check(log, decisions, rng, cuts, restarts, world)


def check_seed(seed: int) -> None:
    rng = random.Random(seed)
    log, decisions = random_log(rng), random_decisions(rng)
    cuts, restarts = [rng.randrange(1, 10) for _ in range(3)], [rng.random() < 0.5 for _ in range(3)]
    check(log, decisions, rng, cuts, restarts, JUDGED_WORLDS[seed % len(JUDGED_WORLDS)])


@pytest.mark.parametrize("first", range(0, 1000, 100))
def test_a_thousand_dense_worlds_in_any_order_end_where_one_batch_does(first: int) -> None:
    for seed in range(first, first + 100):
        check_seed(seed)


@pytest.mark.soak
@pytest.mark.parametrize("first", range(1000, 50_000, 1000))
def test_many_more_dense_worlds_do_so_too(first: int) -> None:
    for seed in range(first, first + 1000):
        check_seed(seed)


def test_the_dense_worlds_have_conflicts_of_every_kind_and_held_children() -> None:
    kinds, held = set[str](), 0
    for seed in range(100):
        rng = random.Random(seed)
        judgement = judged(random_log(rng), random_decisions(rng), JUDGED_WORLDS[seed % len(JUDGED_WORLDS)])
        kinds |= {state.kind for state in judgement.conflicts.values()}
        held += len(judgement.held)
    assert kinds == set(get_args(ConflictKind))
    assert held > 5
