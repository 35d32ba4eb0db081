from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matching.changes import FormerChild, IdentityChange, RowLabel, SourceChange
from matching.linkage.explain import explain_pair
from matching.linkage.model import LinkageModel
from matching.resident.owner import ResidentOwner
from schemas.errors import ConfigurationError, FatalError
from schemas.identity import child_number
from tests.unit.matching.durable import DurableRows
from tests.unit.matching.worlds import (
    ANNA,
    BEN,
    PLAIN,
    logs,
    model,
    observed,
)


@pytest.mark.parametrize("size", [1, 1000])
def test_an_empty_batch_changes_nothing(size: int) -> None:
    owner = ResidentOwner(model())
    delta = owner.apply([], size)
    assert (delta.inserted, delta.rewritten, delta.relabelled, delta.identities) == ([], [], [], [])


SISTER = ("HANNAH", "SMITH", "20040506", "AB12CD", "")


def withdrawn(key: str, version: int) -> SourceChange:
    return SourceChange(key, key.partition(":")[0], "withdrawn", version, "", version, f"{key}/{version}")


def merged(key: str, into: str, version: int) -> SourceChange:
    return SourceChange(key, key.partition(":")[0], "merged", version, into, version, f"{key}/{version}", None, into)


def story(*batches: list[SourceChange], world: LinkageModel = PLAIN) -> list[IdentityChange]:
    """Apply batches one after another; return what the last one changed."""
    owner = ResidentOwner(world)
    deltas = [owner.apply(batch, number) for number, batch in enumerate(batches, 1)]
    return deltas[-1].identities


A, B, C = (child_number(f"{key}:1") for key in "abc")


def test_a_new_record_creates_a_child_named_after_it() -> None:
    (change,) = story([observed("a:1", ANNA)])
    assert change == IdentityChange("created", A, 1, "a:1", ("a:1",), (), (), ("a:1/1",), ())


def test_a_record_that_matches_joins_the_child_of_the_elder_record() -> None:
    (change,) = story([observed("b:1", ANNA, at=1)], [observed("a:1", ANNA, at=2)])
    assert (change.kind, change.child_number, change.founder) == ("changed", B, "b:1")
    assert (change.members, change.before) == (("a:1", "b:1"), (FormerChild(B, ("b:1",)),))
    assert (change.version, change.causes, change.successors) == (2, ("a:1/1",), ())
    (pair,) = change.evidence
    explanation = explain_pair(PLAIN, ANNA, ANNA)
    assert (pair.left, pair.right, pair.weight) == ("a:1", "b:1", explanation.total)
    assert pair.levels == tuple(row.level_code for row in explanation.rows)


def test_records_ingested_together_are_named_after_the_first_key() -> None:
    changes = story([observed("b:1", ANNA), observed("a:1", ANNA), observed("c:1", BEN)])
    assert {(c.kind, c.child_number, c.members) for c in changes} == {
        ("created", A, ("a:1", "b:1")),
        ("created", C, ("c:1",)),
    }


def test_a_bridge_merges_two_children_into_the_elder() -> None:
    by_names, by_number = (*ANNA[:4], ""), ("", "", "", "", ANNA[4])
    before = [observed("a:1", by_number, at=5), observed("b:1", by_names, at=1)]
    changes = {change.child_number: change for change in story(before, [observed("c:1", ANNA, at=9)])}
    gone, stays = changes[A], changes[B]
    assert (gone.kind, gone.child_number, gone.members, gone.successors) == ("merged", A, (), (B,))
    assert (stays.kind, stays.child_number, stays.members) == ("changed", B, ("a:1", "b:1", "c:1"))
    assert set(stays.before) == {FormerChild(A, ("a:1",)), FormerChild(B, ("b:1",))}
    assert gone.causes == stays.causes == ("c:1/1",)


def test_a_changed_record_leaves_and_the_founder_keeps_the_number() -> None:
    together = [observed("a:1", ANNA), observed("b:1", ANNA), observed("c:1", ANNA)]
    changes = {change.child_number: change for change in story(together, [observed("c:1", BEN, 2)])}
    assert (changes[A].kind, changes[A].members, changes[A].successors) == ("split", ("a:1", "b:1"), (C,))
    assert (changes[C].kind, changes[C].members) == ("created", ("c:1",))
    assert changes[C].before == (FormerChild(A, ("a:1", "b:1", "c:1")),)


def test_a_founder_that_leaves_takes_the_number_along() -> None:
    together = [observed("a:1", ANNA), observed("b:1", ANNA)]
    changes = {change.child_number: change for change in story(together, [observed("a:1", BEN, 2)])}
    assert (changes[A].kind, changes[A].members, changes[A].successors) == ("split", ("a:1",), (B,))
    assert (changes[B].kind, changes[B].members) == ("created", ("b:1",))


def test_a_founder_that_is_withdrawn_hands_its_child_to_another_number() -> None:
    together = [observed("a:1", ANNA), observed("b:1", ANNA)]
    changes = {change.child_number: change for change in story(together, [withdrawn("a:1", 2)])}
    assert (changes[A].kind, changes[A].members, changes[A].successors) == ("merged", (), (B,))
    assert (changes[B].kind, changes[B].members, changes[B].causes) == ("created", ("b:1",), ("a:1/2",))


def test_the_last_record_of_a_child_retires_its_number_and_brings_it_back() -> None:
    (gone,) = story([observed("a:1", ANNA)], [withdrawn("a:1", 2)])
    assert (gone.kind, gone.members, gone.successors, gone.before) == ("retired", (), (), (FormerChild(A, ("a:1",)),))
    (back,) = story([observed("a:1", ANNA)], [withdrawn("a:1", 2)], [observed("a:1", ANNA, 3)])
    assert (back.kind, back.child_number, back.before) == ("created", A, ())


def test_a_withdrawn_bridge_splits_the_child_it_held_together() -> None:
    world = model(policies=(), link_threshold=0, review_floor=-100)
    by_names, by_number = (*ANNA[:4], ""), ("", "", "", "", ANNA[4])
    before = [observed("a:1", by_names, at=1), observed("b:1", by_number, at=2), observed("c:1", ANNA, at=3)]
    changes = {change.child_number: change for change in story(before, [withdrawn("c:1", 4)], world=world)}
    assert (changes[A].kind, changes[A].members, changes[A].successors) == ("split", ("a:1",), (B,))
    assert (changes[B].kind, changes[B].members, changes[B].causes) == ("created", ("b:1",), ("c:1/4",))


def test_undoing_a_split_restores_the_number() -> None:
    together = [observed("a:1", ANNA), observed("b:1", ANNA)]
    changes = story(together, [observed("b:1", BEN, 2)], [observed("b:1", ANNA, 3)])
    assert {(c.kind, c.child_number, c.members) for c in changes} == {
        ("changed", A, ("a:1", "b:1")),
        ("merged", B, ()),
    }


def test_an_earlier_ingestion_that_comes_late_renames_the_child() -> None:
    together = [observed("a:1", ANNA, at=5), observed("b:1", ANNA, at=7)]
    changes = {change.child_number: change for change in story(together, [observed("b:1", ANNA, at=3)])}
    assert (changes[A].kind, changes[A].successors) == ("merged", (B,))
    assert (changes[B].kind, changes[B].founder, changes[B].members) == ("created", "b:1", ("a:1", "b:1"))


def test_a_late_version_changes_nothing() -> None:
    assert story([observed("a:1", ANNA, 5)], [observed("a:1", BEN, 4, at=9)]) == []


def test_a_late_observation_of_a_withdrawn_record_changes_nothing() -> None:
    assert story([withdrawn("a:1", 5)], [observed("a:1", ANNA, 4)]) == []


def test_a_new_version_with_the_same_values_relabels_its_row_only() -> None:
    owner = ResidentOwner(PLAIN)
    owner.apply([observed("a:1", ANNA)], 1)
    delta = owner.apply([observed("a:1", ANNA, 2)], 2)
    assert delta.relabelled == [RowLabel(0, 2, f"f{ANNA}", 1, A)]
    assert (delta.inserted, delta.rewritten, delta.identities) == ([], [], [])


def test_a_merged_record_is_gone_until_observed_again_and_then_is_the_survivor() -> None:
    before = [observed("a:1", ANNA), observed("b:1", BEN)]
    (gone,) = story(before, [merged("b:1", "a:1", 2)])
    assert (gone.kind, gone.child_number) == ("retired", B)
    (back,) = story(before, [merged("b:1", "a:1", 2)], [observed("b:1", BEN, 3)])
    assert (back.kind, back.child_number, back.members) == ("changed", A, ("a:1", "b:1"))


def test_a_merge_into_a_record_not_yet_seen_waits_for_it() -> None:
    lost = [observed("b:1", BEN, 3), merged("b:1", "a:1", 2)]
    (change, gone) = sorted(story(lost, [observed("a:1", ANNA, at=0)]), key=lambda c: c.kind)
    assert (change.kind, change.child_number, change.members) == ("created", A, ("a:1", "b:1"))
    assert (gone.kind, gone.child_number, gone.successors) == ("merged", B, (A,))


def test_a_newer_merge_replaces_the_older() -> None:
    before = [observed("a:1", ANNA), observed("c:1", SISTER, at=0), merged("b:1", "a:1", 1), observed("b:1", BEN, 5)]
    changes = {change.child_number: change for change in story(before, [merged("b:1", "c:1", 2)])}
    assert (changes[A].kind, changes[A].members, changes[A].successors) == ("split", ("a:1",), (C,))
    assert (changes[C].kind, changes[C].members) == ("changed", ("b:1", "c:1"))


def test_a_merged_record_that_came_back_and_is_withdrawn_leaves_the_survivor() -> None:
    before = [observed("b:1", BEN, 3, at=0), merged("b:1", "a:1", 2), observed("a:1", ANNA)]
    changes = {change.child_number: change for change in story(before, [withdrawn("b:1", 4)])}
    assert (changes[B].kind, changes[B].successors) == ("merged", (A,))
    assert (changes[A].kind, changes[A].members) == ("created", ("a:1",))


def test_siblings_stay_apart() -> None:
    changes = story([observed("a:1", ANNA), observed("b:1", SISTER)])
    assert {change.members for change in changes} == {("a:1",), ("b:1",)}


def test_a_source_that_holds_each_child_once_is_believed() -> None:
    changes = story([observed("school-1:1", ANNA), observed("school-1:2", ANNA), observed("b:1", ANNA)], world=model())
    assert sorted(len(change.members) for change in changes) == [1, 2]


def test_rows_linked_by_another_model_are_refused() -> None:
    owner, rows = ResidentOwner(PLAIN), DurableRows()
    rows.commit(owner.apply([observed("a:1", ANNA), observed("b:1", ANNA)], 1))
    with pytest.raises(ConfigurationError, match="linked by another model"):
        ResidentOwner(model(policies=(), prior=0.2)).load(rows.rows.values())


@pytest.mark.parametrize("lost", [0, 1])
def test_lost_rows_that_others_were_linked_with_are_noticed(lost: int) -> None:
    owner, rows = ResidentOwner(PLAIN), DurableRows()
    rows.commit(owner.apply([observed("a:1", ANNA)], 1))
    rows.commit(owner.apply([observed("b:1", ANNA)], 2))
    rows.commit(owner.apply([observed("a:1", ("ANNE", *ANNA[1:]), 2)], 3))
    del rows.rows[lost]
    with pytest.raises(FatalError, match="were deleted"):
        ResidentOwner(PLAIN).load(rows.rows.values())


def test_a_withdrawn_record_keeps_no_values_in_its_row() -> None:
    owner, rows = ResidentOwner(PLAIN), DurableRows()
    rows.commit(owner.apply([observed("a:1", ANNA), observed("b:1", ANNA)], 1))
    rows.commit(owner.apply([withdrawn("b:1", 2)], 2))
    row = rows.rows[1]
    assert (row.live, row.features, row.edges, row.child_number, row.content_version) == (False, b"", b"", None, 2)


@settings(max_examples=60, deadline=None)
@given(logs(most_records=6, most_changes=30), st.integers(1, 5))
def test_every_identity_change_starts_where_the_last_one_ended(log: list[SourceChange], size: int) -> None:
    owner = ResidentOwner(model())
    now: dict[str, tuple[str, ...]] = {}
    for batch in range(0, len(log), size):
        changes = owner.apply(log[batch : batch + size], batch).identities
        assert [change.child_number for change in changes] == sorted({change.child_number for change in changes})
        after = now | {change.child_number: change.members for change in changes}
        for change in changes:
            assert all(former.members == now[former.child_number] for former in change.before)
            assert child_number(change.founder) == change.child_number
            assert change.causes
            assert (change.kind == "created") == (not now.get(change.child_number))
            went = {n for n, members in after.items() if set(members) & set(now.get(change.child_number, ()))}
            assert set(change.successors) == went - {change.child_number}
            assert all({pair.left, pair.right} <= set(change.members) for pair in change.evidence)
        now = {number: members for number, members in after.items() if members}
    assert now == owner.memberships()
