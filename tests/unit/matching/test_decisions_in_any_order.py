from __future__ import annotations

import random
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from matching.changes import SourceChange
from matching.linkage.decisions import Decision
from matching.linkage.model import BlockingRule, LinkageModel, SourcePolicy, TwinRule
from matching.resident import ResidentOwner
from tests.unit.matching.worlds import DurableRows, decision_logs, judged, marked_logs, model

TWINS = TwinRule("date_of_birth", "surname", "given_name", ("postcode",), ("nhs",))
LOOSE = (BlockingRule("day", ("date_of_birth",)), BlockingRule("names", ("sorted(given_name, surname)",)))
WORLDS = [
    model(twins=TWINS, shield_rules=LOOSE),
    model(link_threshold=300, cluster_threshold=100, policies=(SourcePolicy("*", "soft", 400),), shield_rules=LOOSE),
    model(link_threshold=-100, review_floor=-300, policies=(), component_cap=4, twins=TWINS),
]

Event = SourceChange | Decision


def run(
    events: Sequence[Event], world: LinkageModel, cuts: Sequence[int], restarts: Sequence[bool]
) -> tuple[ResidentOwner, DurableRows]:
    """Apply events in batches of the given sizes, the state thrown away and taken back from the rows where told."""
    owner, rows = ResidentOwner(world), DurableRows()
    start, batch = 0, 0
    while start < len(events):
        part = events[start : start + cuts[batch % len(cuts)]]
        changes = [each for each in part if isinstance(each, SourceChange)]
        rows.commit(owner.apply(changes, batch + 1, [each for each in part if isinstance(each, Decision)]))
        if restarts[batch % len(restarts)]:
            owner = ResidentOwner(world)
            owner.load(rows.rows.values(), rows.decisions, rows.conflicts.items())
        start, batch = start + len(part), batch + 1
    return owner, rows


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
    owner, rows = run(events, world, cuts, restarts)
    assert owner.memberships() == expected.memberships == rows.memberships
    assert {number: members for number, members in rows.identities.items() if members} == expected.memberships
    assert set(owner.holds()) == rows.held == expected.held
    assert owner.conflicts() == rows.conflicts == expected.conflicts


SMALL = (
    marked_logs(),
    decision_logs(),
    st.randoms(use_true_random=False),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.lists(st.booleans(), min_size=1, max_size=4),
    st.sampled_from(WORLDS),
)


@settings(max_examples=200, deadline=None)
@given(*SMALL)
def test_records_and_decisions_in_any_order_and_batches_end_where_one_batch_does(
    log: list[SourceChange],
    decisions: list[Decision],
    rng: random.Random,
    cuts: list[int],
    restarts: list[bool],
    world: LinkageModel,
) -> None:
    check(log, decisions, rng, cuts, restarts, world)
