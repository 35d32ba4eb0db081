"""One suite over both linkage stores: the resident owner, and several workers over shared tables.

Whatever the order, the repeats and the cuts into batches, and whatever workers do between each other's steps, both end
where one batch over the newest versions does.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matching.changes import ConflictState, SourceChange
from matching.linkage.decisions import Decision
from matching.linkage.model import LinkageModel
from schemas.settings import PostgresSettings
from tests.factories.shared import SharedStore
from tests.unit.matching.durable import Event, cut, run_resident
from tests.unit.matching.worlds import (
    JUDGED_WORLDS,
    WORLDS,
    batch_edges,
    decision_logs,
    judged,
    logs,
    marked_logs,
    one_batch,
)

# The default fits into `make test` and is the same each time; EXAMPLES=400 draws others, and has found what 25 had not.
EXAMPLES = int(os.environ.get("EXAMPLES", "25"))
REPEATABLE = "EXAMPLES" not in os.environ

Memberships = dict[str, tuple[str, ...]]


class Outcome(NamedTuple):
    """Memberships as the tables and as the newest identity events have them, edges, who is held, open conflicts."""

    children: Memberships
    published: Memberships
    edges: dict[tuple[str, str], int]
    held: set[str]
    conflicts: dict[str, ConflictState]


Store = Callable[[LinkageModel, list[list[Event]], random.Random], Outcome]


def resident(world: LinkageModel, batches: list[list[Event]], rng: random.Random) -> Outcome:
    """Run a resident owner, its state thrown away and taken back from the rows now and then."""
    owner, rows = run_resident(world, batches, lambda: rng.random() < 0.3)
    assert owner.memberships() == rows.memberships
    published = {number: members for number, members in rows.identities.items() if members}
    return Outcome(rows.memberships, published, rows.edges, rows.held, rows.conflicts)


@pytest.fixture(scope="module")
def shared_store(module_postgres: PostgresSettings) -> Iterator[SharedStore]:
    with SharedStore.opened(module_postgres) as opened:
        yield opened


@pytest.fixture(params=["resident", pytest.param("shared", marks=[pytest.mark.integration, pytest.mark.postgres])])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "resident":
        return resident
    shared: SharedStore = request.getfixturevalue("shared_store")

    def run(world: LinkageModel, batches: list[list[Event]], rng: random.Random) -> Outcome:
        shared.run(world, batches, rng)
        rows = shared.rows()
        children, held = shared.published()
        return Outcome(rows.memberships, children, rows.edges, held, shared.conflicts())

    return run


@settings(
    deadline=None,
    max_examples=EXAMPLES,
    derandomize=REPEATABLE,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    log=logs(),
    seed=st.integers(0, 2**32),
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    world=st.sampled_from(WORLDS),
)
def test_any_order_repeats_and_batches_end_where_one_batch_does(
    store: Store, log: list[SourceChange], seed: int, sizes: list[int], world: LinkageModel
) -> None:
    rng = random.Random(seed)
    shuffled = log + rng.sample(log, len(log) // 3)
    rng.shuffle(shuffled)
    outcome = store(world, cut(shuffled, sizes), rng)
    expected = one_batch(log, world)
    assert outcome.children == outcome.published == expected
    assert outcome.edges == batch_edges(log, world)


@settings(
    deadline=None,
    max_examples=EXAMPLES,
    derandomize=REPEATABLE,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    log=marked_logs(),
    decisions=decision_logs(),
    seed=st.integers(0, 2**32),
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    world=st.sampled_from(JUDGED_WORLDS),
)
def test_decisions_holds_and_conflicts_end_where_one_batch_does(
    store: Store,
    log: list[SourceChange],
    decisions: list[Decision],
    seed: int,
    sizes: list[int],
    world: LinkageModel,
) -> None:
    rng = random.Random(seed)
    events: list[Event] = [*log, *decisions]
    events += rng.sample(events, len(events) // 3)
    rng.shuffle(events)
    outcome = store(world, cut(events, sizes), rng)
    expected = judged(log, decisions, world)
    assert outcome.children == outcome.published == expected.memberships
    assert outcome.held == expected.held
    assert outcome.conflicts == expected.conflicts
