from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from projections.audit_trail.lineage import Lineage, NumberStep, Severance, lineage

START = datetime(2026, 1, 1, tzinfo=UTC)


def step(number: str, kind: str, version: int, members: str = "", successors: str = "", before: str = "") -> NumberStep:
    return NumberStep(
        number, kind, version, START + timedelta(days=version), tuple(members.split()), tuple(before.split()),
        tuple(successors.split()), causes=(f"cause{version}",),
    )  # fmt: skip


MERGED_TWICE = [
    step("A", "created", 1, "a"),
    step("B", "created", 1, "b"),
    step("C", "created", 1, "c"),
    step("B", "merged", 2, "", "A", before="b"),
    step("A", "changed", 2, "a b", before="a"),
    step("A", "merged", 5, "", "C", before="a b"),
    step("C", "changed", 5, "a b c", before="c"),
]


def test_a_number_merged_away_leads_to_the_number_in_use_with_each_date_and_cause() -> None:
    found = lineage("B", MERGED_TWICE)
    assert found.current == ("C",)
    assert [(s.child_number, s.kind, s.successors, s.causes) for s in found.steps] == [
        ("B", "merged", ("A",), ("cause2",)),
        ("A", "merged", ("C",), ("cause5",)),
    ]


def test_a_number_split_up_leads_to_all_parts_and_one_that_was_restored_to_itself() -> None:
    apart = [*MERGED_TWICE, step("C", "split", 6, "", "D E", before="a b c")]
    apart += [step("D", "created", 6, "a"), step("E", "created", 6, "b c")]
    assert lineage("A", apart).current == ("D", "E")
    assert lineage("B", [*apart, step("B", "created", 7, "b")]).current == ("B",)


def test_a_number_never_issued_is_told_from_one_that_ended() -> None:
    assert lineage("X", MERGED_TWICE) == Lineage("X", issued=False, current=(), steps=())
    ended = lineage("C", [step("C", "created", 1, "c"), step("C", "retired", 3, before="c")])
    assert (ended.issued, ended.current, [s.kind for s in ended.steps]) == (True, (), ["retired"])


@given(st.permutations(MERGED_TWICE), st.lists(st.sampled_from(MERGED_TWICE)))
def test_order_and_repeats_change_nothing(steps: list[NumberStep], repeats: list[NumberStep]) -> None:
    assert lineage("B", [*steps, *repeats]) == lineage("B", MERGED_TWICE)


ADOPTED = [
    step("A", "created", 1, "f1 f2 n1"),
    step("A", "split", 4, "f1 f2", "N", before="f1 f2 n1"),
    step("N", "created", 4, "n1", before=""),
    step("N", "merged", 8, "", "M", before="n1"),
    step("M", "created", 5, "n2"),
    step("M", "changed", 8, "n1 n2", before="n2"),
]
SEVERED = [Severance(frozenset({"f1", "f2"}), frozenset({"n1", "n2"}))]


def test_nothing_leads_from_a_former_identity_to_the_new_one_or_back() -> None:
    former, new = lineage("A", ADOPTED, SEVERED), lineage("N", ADOPTED, SEVERED)
    assert (former.current, former.steps) == (("A",), ())
    assert new.current == ("M",)
    told = repr((former, new.steps))
    assert "n1" not in repr([s.successors for s in former.steps])
    assert "'N'" not in repr(former)
    assert "'A'" not in repr(new)
    assert "f1" not in repr(new)
    assert told


def test_a_former_number_that_went_up_in_both_looks_like_any_merged_one() -> None:
    gone = [
        step("A", "created", 1, "f1 f2 n1"),
        step("A", "split", 4, "", "F N", before="f1 f2 n1"),
        step("F", "created", 4, "f1 f2"),
        step("N", "created", 4, "n1"),
    ]
    found = lineage("A", gone, SEVERED)
    assert found.current == ("F",)
    assert [(s.kind, s.successors, s.causes) for s in found.steps] == [("merged", ("F",), ())]


def test_a_number_that_stays_with_the_new_identity_leads_to_the_former_no_more() -> None:
    kept = [
        step("P", "created", 1, "f2"),
        step("P", "merged", 2, "", "A", before="f2"),
        step("A", "changed", 2, "f1 f2 n1", before="f1 n1"),
        step("A", "split", 4, "n1", "F", before="f1 f2 n1"),
        step("F", "created", 4, "f1 f2"),
    ]
    found = lineage("A", kept, SEVERED)
    assert (found.current, found.steps) == (("A",), ())
    assert "'A'" not in repr(lineage("P", kept, SEVERED)), "a number of the former identity leads not to the new one"


names = st.sampled_from("ABCDEF")
keys = st.frozensets(st.sampled_from(["f1", "f2", "n1", "n2", "x"]), max_size=3)


@st.composite
def lives(draw: st.DrawFn) -> list[NumberStep]:
    kinds = st.sampled_from(["created", "changed", "merged", "split", "retired"])
    made = []
    for version in range(draw(st.integers(1, 12))):
        row: dict[str, Any] = {"members": " ".join(sorted(draw(keys))), "before": " ".join(sorted(draw(keys)))}
        row["successors"] = " ".join(sorted(draw(st.frozensets(names, max_size=2))))
        made.append(step(draw(names), draw(kinds), version, **row))
    return made


@given(lives(), names)
def test_whatever_the_steps_no_path_crosses_a_severance_and_every_walk_ends(
    steps: list[NumberStep], asked: str
) -> None:
    found = lineage(asked, steps, SEVERED)
    reached = {*found.current, *(s.child_number for s in found.steps), *(n for s in found.steps for n in s.successors)}
    other = {"former": "new", "new": "former", "": None}[side_of(asked, steps)]
    assert other not in {side_of(number, steps) for number in reached}
    assert lineage(asked, [replace(s) for s in steps], SEVERED) == found


def side_of(number: str, steps: list[NumberStep]) -> str:
    own = [s for s in steps if s.child_number == number]
    ever = {key for s in own for key in (*s.members, *s.before)}
    for held in (set(own[-1].members) if own else set(), ever):
        if side := "former" if held & SEVERED[0].former else "new" if held & SEVERED[0].current else "":
            return side
    return ""
