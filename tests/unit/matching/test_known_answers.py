"""Known answers: what becomes of children that people, twins, shields and erasure make hard, batch after batch."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from matching.changes import Delta, SourceChange
from matching.linkage.decisions import Decision
from matching.linkage.model import LinkageModel
from matching.resident.owner import ResidentOwner
from schemas.identity import child_number
from tests.unit.matching import worlds
from tests.unit.matching.worlds import ANNA, BEN, LOOSE, TWINS, model

WORLD = model(policies=(), twins=TWINS, shield_rules=LOOSE)
BY_NAME = (*ANNA[:4], "")
A, B, C, D, E = (child_number(f"{letter}:1") for letter in "abcde")


def observed(key: str, values: tuple[str, ...], version: int = 1, verified: int = 0) -> SourceChange:
    return worlds.observed(key, values, version, at=ord(key[0]))._replace(verified=verified)  # a is the eldest


def must(a: str, b: str, name: str = "must", seen: tuple[int, ...] = ()) -> Decision:
    return Decision(name, "must_link", 1, (a,), (b,), seen=seen)


def cannot(a: str, b: str, name: str = "cannot", seen: tuple[int, ...] = ()) -> Decision:
    return Decision(name, "cannot_link", 1, (a,), (b,), seen=seen)


def shield(*keys: str) -> Decision:
    return Decision("shield", "shield", 1, keys)


def retract(name: str) -> Decision:
    return Decision(f"not {name}", "retracted", 2, target=name)


class Story:
    """An owner and what its last batch changed."""

    def __init__(self, world: LinkageModel = WORLD) -> None:
        self.owner = ResidentOwner(world)
        self.batch = 0
        self.last: Delta | None = None

    def then(self, *events: SourceChange | Decision) -> Story:
        self.batch += 1
        changes = [each for each in events if isinstance(each, SourceChange)]
        self.last = self.owner.apply(changes, self.batch, [each for each in events if isinstance(each, Decision)])
        return self

    @property
    def children(self) -> dict[str, tuple[str, ...]]:
        return self.owner.memberships()

    @property
    def asked(self) -> set[tuple[str, tuple[str, ...]]]:
        return {(state.kind, state.records) for state in self.owner.conflicts().values()}

    @property
    def kinds(self) -> dict[str, str]:
        assert self.last is not None
        return {change.child_number: change.kind for change in self.last.identities}


def test_a_person_joins_what_nothing_else_would_and_can_take_it_back() -> None:
    story = Story().then(observed("a:1", ANNA), observed("b:1", BEN)).then(must("a:1", "b:1"))
    assert story.children == {A: ("a:1", "b:1")}
    assert story.kinds == {A: "changed", B: "merged"}
    assert story.then(retract("must")).children == {A: ("a:1",), B: ("b:1",)}


def test_an_unmerged_child_stays_apart_and_gets_its_old_numbers_back() -> None:
    story = Story().then(observed("a:1", BY_NAME), observed("b:1", ("", "", "", "", ANNA[4])))
    story.then(observed("c:1", ANNA))
    assert story.children == {A: ("a:1", "b:1", "c:1")}
    story.then(cannot("a:1", "b:1"))
    assert story.children == {A: ("a:1", "c:1"), B: ("b:1",)}
    assert story.then(observed("b:1", ANNA, 2)).children == {A: ("a:1",), B: ("b:1", "c:1")}
    assert story.then(retract("cannot")).children == {A: ("a:1", "b:1", "c:1")}


def test_a_record_that_matches_a_child_and_one_split_from_it_goes_to_one_of_them() -> None:
    story = Story().then(*(observed(f"{key}:1", ANNA) for key in "abc"), cannot("a:1", "b:1", seen=(2400,)))
    assert story.children == {A: ("a:1", "c:1"), B: ("b:1",)}
    story.then(observed("d:1", ANNA))
    assert story.children == {A: ("a:1", "c:1", "d:1"), B: ("b:1",)}
    assert story.asked == set()


def test_a_record_that_bridges_two_children_is_asked_about() -> None:
    old, new = ("ANNA", "SMITH", "20010203", "AB12CD", ""), ("BEN", "JONES", "20010203", "XY99ZZ", ANNA[4])
    story = Story(model(policies=(), link_threshold=200, cluster_threshold=200))
    story.then(observed("a:1", old), observed("c:1", old), observed("b:1", new), observed("d:1", new))
    story.then(observed("e:1", ANNA))
    assert story.children == {A: ("a:1", "c:1", "e:1"), B: ("b:1", "d:1")}
    assert story.asked == {("bridge", ("b:1", "e:1"))}


def test_decisions_that_clash_leave_the_records_to_their_weights_apart_and_ask() -> None:
    story = Story().then(observed("a:1", ANNA), observed("b:1", BEN), observed("c:1", BEN))
    story.then(must("a:1", "b:1"), cannot("a:1", "b:1"))
    assert story.children == {A: ("a:1",), B: ("b:1", "c:1")}
    assert story.asked == {("decisions_clash", ("a:1", "b:1"))}
    assert story.then(retract("must")).asked == set()


def test_a_clash_over_records_that_nobody_has_seen_is_asked_about_as_well() -> None:
    assert Story().then(must("x:1", "y:1"), must("y:1", "z:1", "2"), cannot("x:1", "z:1")).asked == {
        ("decisions_clash", ("x:1", "y:1", "z:1"))
    }


def test_new_evidence_against_a_decision_is_asked_about_and_the_decision_holds() -> None:
    story = Story().then(observed("a:1", ANNA), observed("b:1", ANNA), must("a:1", "b:1", seen=(2000,)))
    assert story.asked == set()
    story.then(observed("b:1", BEN, 2))
    assert story.children == {A: ("a:1", "b:1")}
    assert story.asked == {("decision_contradicted", ("a:1", "b:1"))}


def test_what_a_person_saw_when_deciding_does_not_contradict_the_decision() -> None:
    story = Story().then(observed("a:1", ANNA), observed("b:1", ANNA), cannot("a:1", "b:1", seen=(2500,)))
    assert (story.children, story.asked) == ({A: ("a:1",), B: ("b:1",)}, set())


def test_a_person_outranks_a_source_that_merges() -> None:
    merge = SourceChange("b:1", "b", "merged", 1, "f", ord("b"), "m", None, "a:1")
    story = Story().then(observed("a:1", ANNA), merge, observed("b:1", BEN, 2))
    assert story.children == {A: ("a:1", "b:1")}
    story.then(cannot("a:1", "b:1"))
    assert story.children == {A: ("a:1",), B: ("b:1",)}
    assert story.asked == {("decision_contradicted", ("a:1", "b:1"))}


def test_a_decision_survives_a_change_of_model() -> None:
    events = (observed("a:1", ANNA), observed("b:1", ANNA), observed("c:1", BEN), cannot("a:1", "b:1"))
    for world in (WORLD, model(policies=(), prior=0.4), model(policies=(), link_threshold=900)):
        story = Story(world).then(*events, must("a:1", "c:1"))
        assert story.children == {A: ("a:1", "c:1"), B: ("b:1",)}


def test_a_decision_ends_with_its_day() -> None:
    story = Story().then(observed("a:1", ANNA), observed("b:1", BEN))
    story.then(must("a:1", "b:1")._replace(day="2026-03-01"), Decision("1", "clock", 1, day="2026-03-01"))
    assert story.children == {A: ("a:1", "b:1")}
    assert story.then(Decision("2", "clock", 1, day="2026-03-02")).children == {A: ("a:1",), B: ("b:1",)}


def test_what_is_erased_stays_erased_when_it_is_sent_again_and_a_newer_version_starts_afresh() -> None:
    story = Story().then(observed("a:1", ANNA), observed("b:1", ANNA))
    story.then(Decision("erase", "erasure", 500, ("a:1",), versions=(3,)))
    assert story.children == {B: ("b:1",)}
    assert story.last is not None
    (row,) = (row for row in story.last.rewritten if row.key == "a:1")
    assert (row.live, row.features, row.edges, row.fingerprint, row.authority) == (False, b"", b"", "~", "")
    assert story.then(observed("a:1", ANNA), observed("a:1", BEN, 3)).children == {B: ("b:1",)}
    assert story.then(observed("a:1", ANNA, 4)).children == {B: ("a:1", "b:1")}


def test_one_verified_number_on_two_children_is_asked_about() -> None:
    wrong = (*BEN[:4], ANNA[4])
    story = Story().then(observed("a:1", ANNA, verified=1), observed("b:1", wrong, verified=1))
    assert story.children == {A: ("a:1",), B: ("b:1",)}
    assert story.asked == {("shared_identifier", ("a:1", "b:1"))}


def test_cousins_with_one_name_are_neither_linked_nor_asked_about() -> None:
    cousin = ("ANNA", "SMITH", "20050607", "XY99ZZ", "")
    story = Story().then(observed("a:1", BY_NAME), observed("b:1", cousin))
    assert (len(story.children), story.asked) == (2, set())


def test_a_family_registered_again_one_letter_off_is_found_child_by_child() -> None:
    family = [("ANNA", "SMITH", "20010203"), ("BEN", "SMITH", "20030405"), ("CARA", "SMITH", "20050607")]
    first = [observed(f"a:{i}", (*child, "AB12CD", "")) for i, child in enumerate(family)]
    again = [observed(f"b:{i}", (child[0], "SMYTH", child[2], "AB12CD", "")) for i, child in enumerate(family)]
    children = set(Story().then(*first, *again).children.values())
    assert children == {(f"a:{i}", f"b:{i}") for i in range(3)}


ONE = ("JACK", "SMITH", "20010203", "AB12CD", "")
CASES: Sequence[tuple[str, tuple[str, ...], tuple[str, ...], int, bool]] = [
    ("the same child", ONE, ONE, 0, True),
    ("another forename", ONE, ("OLIVER", *ONE[1:]), 0, False),
    ("a forename that begins alike", ("CHLOE", *ONE[1:]), ("CHARLOTTE", *ONE[1:]), 0, False),
    ("a typing error in the forename", ("OLIVER", *ONE[1:]), ("OLIVR", *ONE[1:]), 0, True),
    ("a short form of the forename", ("BENJAMIN", *ONE[1:]), ("BEN", *ONE[1:]), 0, True),
    ("one of two forenames", ("ANNA MARIA", *ONE[1:]), ("ANNA", *ONE[1:]), 0, True),
    ("a former forename in common", ("JACK|OLIVER", *ONE[1:]), ("OLIVER", *ONE[1:]), 0, True),
    ("no forename yet", ONE, ("", *ONE[1:]), 0, True),
    ("another forename, a number in common", (*ONE[:4], ANNA[4]), ("OLIVER", *ONE[1:4], ANNA[4]), 0, True),
    ("another forename, numbers of their own", (*ONE[:4], ANNA[4]), ("OLIVER", *ONE[1:4], BEN[4]), 0, False),
    ("alike forenames, verified numbers of their own", ("JAYDEN", *ONE[1:4], ANNA[4]), ("HAYDEN", *ONE[1:4], BEN[4]),
     1, False),
    ("one forename, verified numbers of their own", (*ONE[:4], ANNA[4]), (*ONE[:4], BEN[4]), 1, False),
    ("another forename, one verified number", (*ONE[:4], ANNA[4]), ("OLIVER", *ONE[1:4], ANNA[4]), 1, True),
    ("another forename and a former surname", ("JACK", "SMITH|JONES", *ONE[2:]), ("OLIVER", "JONES", *ONE[2:]),
     0, False),
    ("another forename, no place known", (*ONE[:3], "", ""), ("OLIVER", *ONE[1:3], "", ""), 0, False),
    ("another forename, born a year later", ONE, ("OLIVER", "SMITH", "20020304", *ONE[3:]), 0, False),
]  # fmt: skip


@pytest.mark.parametrize(("case", "left", "right", "verified", "one_child"), CASES, ids=[case[0] for case in CASES])
def test_twins_are_two_children_and_one_child_is_one(
    case: str, left: tuple[str, ...], right: tuple[str, ...], verified: int, *, one_child: bool
) -> None:
    story = Story().then(observed("a:1", left, verified=verified), observed("b:1", right, verified=verified))
    assert (len(story.children) == 1) == one_child, case


def test_twins_are_asked_about_only_where_all_else_says_one_child() -> None:
    twin, stronger = ("OLIVER", *ONE[1:]), (*ONE[:4], ANNA[4])
    story = Story().then(observed("a:1", ONE), observed("b:1", twin))
    assert len(story.children) == 2
    story = Story().then(observed("a:1", stronger, verified=1), observed("b:1", (*ONE[:4], BEN[4]), verified=1))
    assert story.asked == {("constraint_broken", ("a:1", "b:1"))}


def test_one_generic_value_is_one_question_and_not_one_for_each_two_records() -> None:
    equal = [observed(f"{letter}:1", ANNA) for letter in "abcdef"]
    story = Story(model(policies=(), component_cap=5, shield_rules=LOOSE)).then(*equal)
    assert (len(story.children), story.asked) == (6, {("oversize", ("a:1",))})
    assert story.then(shield("a:1")).asked >= {("shield_in_doubt", ("a:1", "b:1")), ("oversize", ("a:1",))}
    assert len(story.then(Decision("not", "retracted", 2, target="shield")).asked) == 1
    gone = equal[5]._replace(kind="withdrawn", version=2, row=None)
    assert (len(story.then(gone).children), story.asked) == (1, set())
