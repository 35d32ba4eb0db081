"""One suite over both linkage stores: the resident owner, and several workers over shared tables.

Whatever the order, the repeats and the cuts into batches, and whatever workers do between each other's steps, both end
where one batch over the newest versions does.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matching.changes import SourceChange
from matching.linkage.model import LinkageModel, SourcePolicy
from matching.resident import ResidentOwner
from schemas.settings import PostgresSettings
from tests.factories.shared import SharedStore
from tests.unit.matching.worlds import DurableRows, batch_edges, logs, model, one_batch

WORLDS = [
    model(),
    model(link_threshold=300, cluster_threshold=100, policies=(SourcePolicy("*", "soft", 400),)),
    model(link_threshold=-100, review_floor=-100, policies=(), component_cap=5),
]

Memberships = dict[str, tuple[str, ...]]


class Outcome(NamedTuple):
    """Memberships as the tables and as the newest identity events have them, and the weights of the edges."""

    children: Memberships
    published: Memberships
    edges: dict[tuple[str, str], int]


Store = Callable[[LinkageModel, list[list[SourceChange]], random.Random], Outcome]


def resident(world: LinkageModel, batches: list[list[SourceChange]], rng: random.Random) -> Outcome:
    """Run a resident owner, its state thrown away and taken back from the rows now and then."""
    owner, rows = ResidentOwner(world), DurableRows()
    for number, batch in enumerate(batches, 1):
        rows.commit(owner.apply(batch, number))
        if rng.random() < 0.3:
            owner = ResidentOwner(world)
            owner.load(rows.rows.values())
    assert owner.memberships() == rows.memberships
    return Outcome(rows.memberships, {n: members for n, members in rows.identities.items() if members}, rows.edges)


@pytest.fixture(scope="module")
def shared_store(module_postgres: PostgresSettings) -> Iterator[SharedStore]:
    with SharedStore.opened(module_postgres) as opened:
        yield opened


@pytest.fixture(params=["resident", pytest.param("shared", marks=[pytest.mark.integration, pytest.mark.postgres])])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "resident":
        return resident
    shared: SharedStore = request.getfixturevalue("shared_store")

    def run(world: LinkageModel, batches: list[list[SourceChange]], rng: random.Random) -> Outcome:
        shared.run(world, batches, rng)
        rows = shared.rows()
        return Outcome(rows.memberships, shared.published(), rows.edges)

    return run


def cut(log: Sequence[SourceChange], sizes: Sequence[int]) -> list[list[SourceChange]]:
    batches: list[list[SourceChange]] = []
    start = 0
    while start < len(log):
        size = sizes[len(batches) % len(sizes)]
        batches.append(list(log[start : start + size]))
        start += size
    return batches


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
    assert outcome == Outcome(expected, expected, batch_edges(log, world))
