"""What two outcomes differ in: every record that moves is told once, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from contactpoint.model_tools.outcome import Outcome, child_changes, told, workload
from matching.changes import ConflictState
from schemas.conflicts import ConflictKind
from schemas.identity import child_number

KEYS = tuple(f"school-1:{number}" for number in range(8))


@st.composite
def memberships(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    """Draw a grouping of some records; a child's number is that of its first record."""
    keys = draw(st.lists(st.sampled_from(KEYS), unique=True))
    labels = {key: draw(st.integers(0, 4)) for key in keys}
    groups = [tuple(sorted(k for k in keys if labels[k] == label)) for label in set(labels.values())]
    return {child_number(group[0]): group for group in groups}


def conflict(kind: ConflictKind, *records: str, authority: str = "E1", held: str = "") -> ConflictState:
    return ConflictState(kind, records, (), (), (), authority, shielded=False, held=held)


@given(memberships(), memberships())
def test_the_changes_lead_from_the_one_grouping_to_the_other(
    before: dict[str, tuple[str, ...]], after: dict[str, tuple[str, ...]]
) -> None:
    changes = child_changes(before, after)
    gone = {number for each in changes for number in each.before}
    applied = {number: members for number, members in before.items() if number not in gone}
    for each in changes:
        assert not applied.keys() & each.after.keys()
        applied |= each.after
    assert applied == after
    unmoved = {number for number in before if before[number] == after.get(number)}
    assert not gone & unmoved


@given(memberships())
def test_the_same_grouping_changes_nothing(before: Mapping[str, tuple[str, ...]]) -> None:
    assert child_changes(before, before) == []


def test_known_changes_are_named_merge_split_and_move() -> None:
    before = {"A": ("a", "b"), "C": ("c",), "D": ("d", "e"), "F": ("f", "g"), "H": ("h", "i")}
    after = {"A": ("a", "b", "c"), "D": ("d",), "E": ("e",), "F": ("f",), "H": ("g", "h", "i")}
    found = child_changes(before, after)
    assert [(each.kind, sorted(each.records)) for each in found] == [
        ("merge", ["a", "b", "c"]),
        ("split", ["d", "e"]),
        ("move", ["f", "g", "h", "i"]),
    ]
    assert found[0].as_row()["numbers gone"] == ["C"]
    assert found[1].as_row()["numbers new"] == ["E"]


def test_the_workload_adds_up_by_kind_and_owner() -> None:
    before = {"1": conflict("possible_link", "a"), "2": conflict("bridge", "b")}
    after = {"1": before["1"], "3": conflict("possible_link", "c"), "4": conflict("possible_link", "d", authority="")}
    rows = {(row["kind"], row["owner"]): row for row in workload(before, after)}
    assert rows["possible_link", "E1"] | {"open": 1, "new": 1, "closed": 0, "then": 2} == rows["possible_link", "E1"]
    assert all(row["open"] + row["new"] - row["closed"] == row["then"] for row in rows.values())
    assert rows["possible_link", None]["new"] == rows["bridge", "E1"]["closed"] == 1


def test_what_the_asker_may_not_see_is_neither_told_nor_counted() -> None:
    before = Outcome({"A": ("a",), "B": ("b",)}, frozenset({"A"}), {"1": conflict("shield_in_doubt", "a", "b")})
    after = Outcome({"A": ("a", "b")}, frozenset(), {})
    assert told(before, after, lambda _: False)["workload"][0]["closed"] == 1
    hidden = told(before, after, lambda records: "a" in records)
    assert (hidden["changes"], hidden["closed conflicts"], hidden["workload"]) == ([], [], [])
    assert hidden["held"] == {"new": [], "released": []}


def test_neither_a_count_nor_a_held_child_tells_of_a_hidden_one() -> None:
    doubt = conflict("shield_in_doubt", "a", "b", held="B")
    before = Outcome({"A": ("a",), "B": ("b",), "C": ("c",), "D": ("d",)})
    after = Outcome({"A": ("a", "c"), "B": ("b",), "D": ("d",)}, frozenset({"B"}), {"1": doubt})
    whole, hidden = (told(before, after, hides) for hides in (lambda _: False, lambda records: "a" in records))
    assert (whole["children"], whole["held"]["new"]) == ({"now": 4, "then": 3}, ["B"])
    assert (hidden["children"], hidden["held"]["new"]) == ({"now": 4, "then": 4}, [])
