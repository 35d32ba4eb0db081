from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matching.changes import SourceChange
from matching.linkage.model import LinkageModel, SourcePolicy
from matching.resident import ResidentOwner
from tests.unit.matching.worlds import DurableRows, logs, model, one_batch

WORLDS = [
    model(),
    model(link_threshold=300, cluster_threshold=100, policies=(SourcePolicy("*", "soft", 400),)),
    model(link_threshold=-100, review_floor=-100, policies=(), component_cap=5),
]


def run(
    log: Sequence[SourceChange], world: LinkageModel, cuts: Sequence[int], restarts: Sequence[bool]
) -> tuple[ResidentOwner, DurableRows]:
    """Apply a log in batches of the given sizes, the state thrown away and taken back from the rows where told."""
    owner, rows = ResidentOwner(world), DurableRows()
    start, batch = 0, 0
    while start < len(log):
        size = cuts[batch % len(cuts)]
        rows.commit(owner.apply(log[start : start + size], batch + 1))
        if restarts[batch % len(restarts)]:
            owner = ResidentOwner(world)
            owner.load(rows.rows.values())
        start, batch = start + size, batch + 1
    return owner, rows


@settings(max_examples=300, deadline=None)
@given(
    logs(),
    st.randoms(use_true_random=False),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.lists(st.booleans(), min_size=1, max_size=4),
    st.sampled_from(WORLDS),
)
def test_any_order_and_any_batches_end_where_one_batch_does(
    log: list[SourceChange], rng: random.Random, cuts: list[int], restarts: list[bool], world: LinkageModel
) -> None:
    expected = one_batch(log, world)
    shuffled = log + rng.sample(log, len(log) // 3)
    rng.shuffle(shuffled)
    owner, rows = run(shuffled, world, cuts, restarts)
    assert owner.memberships() == expected
    assert rows.memberships == expected
    assert {number: members for number, members in rows.identities.items() if members} == expected


@pytest.mark.parametrize("size", [1, 1000])
def test_an_empty_batch_changes_nothing(size: int) -> None:
    owner = ResidentOwner(model())
    delta = owner.apply([], size)
    assert (delta.inserted, delta.rewritten, delta.relabelled, delta.identities) == ([], [], [], [])
