from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.changes import FormerChild, IdentityChange
from matching.linkage.lives import lives_named
from matching.stage.replay import Child, Published, differences
from schemas.identity import child_number, number_basis

keys = [f"school-1:{number}" for number in range(8)]


@st.composite
def partitions(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    """Draw children: some of the records, each with one child, numbered by the first record."""
    groups: dict[int, list[str]] = {}
    for key in keys:
        group = draw(st.integers(-1, 4))
        if group >= 0:
            groups.setdefault(group, []).append(key)
    return {child_number(members[0]): tuple(members) for members in groups.values()}


def published(state: dict[str, tuple[str, ...]]) -> dict[str, Published]:
    return {number: Published(7, members, members[0]) for number, members in state.items()}


def present(state: dict[str, tuple[str, ...]]) -> dict[str, Child]:
    return {number: Child(members[0], members) for number, members in state.items()}


@given(partitions(), partitions())
def test_publishing_the_differences_leads_to_the_present_children(
    before: dict[str, tuple[str, ...]], now: dict[str, tuple[str, ...]]
) -> None:
    state = dict(before)
    for change in differences(published(before), present(now), 8):
        assert change.version == 8
        state[change.child_number] = change.members
    assert {number: members for number, members in state.items() if members} == now


@given(partitions())
def test_nothing_is_published_when_nothing_differs(state: dict[str, tuple[str, ...]]) -> None:
    assert differences(published(state), present(state), 8) == []


@given(partitions(), partitions())
def test_each_difference_says_what_became_of_the_number(
    before: dict[str, tuple[str, ...]], now: dict[str, tuple[str, ...]]
) -> None:
    for change in differences(published(before), present(now), 8):
        moved = {key for key in before.get(change.child_number, ()) if key not in change.members}
        successors = {number for number, members in now.items() if moved & set(members)}
        assert set(change.successors) == successors
        assert (change.kind == "created") == (change.child_number not in before)
        assert (change.kind == "retired") == (not change.members and not successors)
        assert (change.kind == "merged") == (not change.members and len(successors) == 1)


def test_a_merge_names_the_children_that_it_came_from() -> None:
    old, young = child_number(keys[0]), child_number(keys[1])
    changes = differences(
        published({old: (keys[0],), young: (keys[1],)}), present({old: (keys[0], keys[1])}), version=9
    )
    assert {change.child_number: change for change in changes}[old] == IdentityChange(
        kind="changed",
        child_number=old,
        version=9,
        founder=keys[0],
        members=(keys[0], keys[1]),
        before=tuple(sorted([FormerChild(old, (keys[0],)), FormerChild(young, (keys[1],))])),
        successors=(),
        causes=(),
        evidence=(),
    )


@pytest.mark.parametrize("founder", ["f:1", "n:1"])
def test_no_difference_leads_from_a_former_identity_to_the_new_one_or_back(founder: str) -> None:
    old, new = child_number(founder), child_number(number_basis("n:1", ["d"]))
    now = {child_number("f:1"): Child("f:1", ("f:1",)), new: Child("n:1", ("n:1", "x:1"))}
    lives = lives_named("d", ["f:1"], ["n:1"])
    published = {old: Published(7, ("f:1", "n:1"), founder), child_number("x:1"): Published(7, ("x:1",), "x:1")}
    there = {each.child_number: each for each in differences(published, now, 8, lives=lives)}
    assert set(there) == {*published, *now}
    assert {former.child_number for former in there[new].before} == {child_number("x:1")}
    assert there[child_number("x:1")].successors == (new,)
    assert there[old].successors == (() if founder == "f:1" else (child_number("f:1"),))
    assert [former.members for former in there[old].before] == [("f:1",)]
    moved = {new: Published(7, ("f:1", "n:1", "x:1"), "n:1")}
    assert all(new not in (*each.successors, *dict(each.before)) or each.child_number == new
               for each in differences(moved, now, 8, lives=lives))  # fmt: skip
