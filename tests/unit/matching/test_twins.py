"""Twins, triplets and children who only look like them: kind by kind, as the owner clusters them.

Together with the cases of `test_known_answers` these are the kinds that HMPPS's Core Person Record tests for its twins
rule, and those that children's records add: birth orders, placeholders for names, what one source knows of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from matching.linkage.columns import columns_of
from matching.linkage.decisions import Decision
from matching.linkage.explain import explain_pair
from matching.linkage.marks import birth_order, with_birth_order
from matching.linkage.model import LinkageModel, SourcePolicy, TwinRule
from matching.linkage.model_json import dump_model, load_model
from matching.linkage.twins import Twins
from tests.unit.matching.test_known_answers import Story, observed
from tests.unit.matching.worlds import model

RULE = TwinRule("date_of_birth", "surname", "given_name", ("postcode",), ("nhs",))
SOFT = (SourcePolicy("a", "soft", 100), SourcePolicy("b", "soft", 100))
WORLD = model(policies=SOFT, twins=RULE, link_threshold=0)
ADULTS = model(policies=SOFT, twins=replace(RULE, by_name=False), link_threshold=0)
HOME = ("SMITH", "20010203", "AB12CD", "")
AWAY = ("SMITH", "20010203", "XY99ZZ", "")
ONE, TWO = "9434765919", "1234567881"
Row = tuple[str, str, str, str, str]
NAMED: Row = ("TOMMY", *HOME)


def numbered(given: str, nhs: str, home: tuple[str, ...] = HOME) -> Row:
    return (given, home[0], home[1], home[2], nhs)


Case = tuple[str, Row, Row, tuple[int, int], bool]
FIRST, SECOND = with_birth_order(0, 1), with_birth_order(0, 2)
ACROSS: Sequence[Case] = [
    ("one forename, one birth order", NAMED, NAMED, (FIRST, FIRST), True),
    ("one forename, other birth orders", NAMED, NAMED, (FIRST, SECOND), False),
    ("one forename, a birth order on one side", NAMED, NAMED, (FIRST, 0), True),
    ("alike forenames, other birth orders", NAMED, ("TOMMY LEE", *HOME), (FIRST, SECOND), False),
    ("one number, other birth orders", numbered("TOMMY", ONE), numbered("TOMMY", ONE), (FIRST, SECOND), False),
    ("TWIN 1 and TWIN 2", ("", *HOME), ("", *HOME), (FIRST, SECOND), False),
    ("TWIN 1 in two sources", ("", *HOME), ("", *HOME), (FIRST, FIRST), True),
    ("BABY and a forename", ("", *HOME), NAMED, (0, 0), True),
    ("TWIN 2 and the second twin", ("", *HOME), NAMED, (SECOND, SECOND), True),
    ("TWIN 2 and the first twin", ("", *HOME), NAMED, (SECOND, FIRST), False),
    ("a short form, other sources", ("BENJAMIN", *HOME), ("BEN", *HOME), (0, 0), True),
    ("unlike forenames on a 1st of January", ("TOMMY", "SMITH", "20010101", "AB12CD", ""),
     ("OLIVER", "SMITH", "20010101", "AB12CD", ""), (0, 0), False),
    ("unlike forenames at two places", NAMED, ("OLIVER", *AWAY), (0, 0), False),
    ("alike forenames, numbers of their own", numbered("ALBERT", ONE), numbered("ALBIE", TWO), (0, 0), False),
    ("the same former forename", ("TOMMY|OLIVER", *HOME), ("OLIVER|JACK", *HOME), (0, 0), True),
    ("triplets, the third and the second", NAMED, NAMED, (with_birth_order(0, 3), SECOND), False),
]  # fmt: skip


@pytest.mark.parametrize(("case", "left", "right", "marks", "one_child"), ACROSS, ids=[case[0] for case in ACROSS])
def test_two_sources_that_speak_of_a_birth(
    case: str, left: Row, right: Row, marks: tuple[int, int], *, one_child: bool
) -> None:
    story = Story(WORLD).then(observed("a:1", left, verified=marks[0]), observed("b:1", right, verified=marks[1]))
    assert (len(story.children) == 1) == one_child, case


BESIDE: Sequence[tuple[str, Row, Row, bool]] = [
    ("the same again", NAMED, NAMED, True),
    ("a typing error", ("OLIVER", *HOME), ("OLIVR", *HOME), True),
    ("an initial", ("TOMMY", *HOME), ("T", *HOME), True),
    ("a short form", ("ALBERT", *HOME), ("ALBIE", *HOME), False),
    ("a part of the forename", ("TOMMY", *HOME), ("TOMMY LEE", *HOME), False),
    ("one letter, numbers of their own", numbered("ALEXANDRU", ONE), numbered("ALEXANDRA", TWO, AWAY), False),
    ("no forename yet, numbers of their own", numbered("", ONE), numbered("MALACHI", TWO), False),
    ("a short form, a number in common", numbered("BENJAMIN", ONE), numbered("BEN", ONE), True),
]


@pytest.mark.parametrize(("case", "left", "right", "one_child"), BESIDE, ids=[case[0] for case in BESIDE])
@pytest.mark.parametrize("world", [WORLD, ADULTS], ids=["children", "adults"])
def test_two_records_that_one_source_holds_side_by_side(
    world: LinkageModel, case: str, left: Row, right: Row, *, one_child: bool
) -> None:
    story = Story(world).then(observed("a:1", left), observed("a:2", right))
    assert (len(story.children) == 1) == one_child, case


def test_two_unlike_forenames_alone_are_two_children_but_one_adult() -> None:
    records = observed("a:1", ("JACK", *HOME)), observed("b:1", ("OLIVER", *HOME))
    low = {"link_threshold": -300}
    assert len(Story(model(policies=SOFT, twins=RULE, **low)).then(*records).children) == 2  # type: ignore[arg-type]
    adults = model(policies=SOFT, twins=ADULTS.twins, **low)  # type: ignore[arg-type]
    assert len(Story(adults).then(*records).children) == 1


TWINS = (observed("a:1", ("TOMMY", *HOME)), observed("a:2", ("TOMMY LEE", *HOME)))
OTHERS = (observed("b:1", ("TOMMY LEE", *HOME)), observed("c:1", ("TOMMY", *HOME)), observed("d:1", ("TOMMY", *AWAY)))


@pytest.mark.parametrize("world", [WORLD, ADULTS], ids=["children", "adults"])
def test_forenames_that_a_source_knows_for_two_children_are_two_in_every_source(world: LinkageModel) -> None:
    together = {frozenset(members) for members in Story(world).then(*TWINS, *OTHERS).children.values()}
    assert together == {frozenset(("a:2", "b:1")), frozenset(("a:1", "c:1", "d:1"))}


def test_twins_come_out_the_same_in_whatever_order_their_records_arrive() -> None:
    found = set()
    for order in permutations((*TWINS, *OTHERS)):
        story = Story(WORLD)
        for event in order:
            story.then(event)
        found.add(frozenset(frozenset(members) for members in story.children.values()))
    assert len(found) == 1


def test_when_the_source_no_longer_holds_both_nothing_tells_them_apart() -> None:
    story = Story(WORLD).then(*TWINS, *OTHERS)
    gone = [each._replace(kind="withdrawn", version=2, row=None) for each in TWINS]
    assert len(story.then(*gone).children) == 1


def test_a_person_who_knows_better_joins_what_the_rule_keeps_apart() -> None:
    story = Story(WORLD).then(*TWINS, Decision("same", "must_link", 1, ("a:1",), ("a:2",)))
    assert len(story.children) == 1


def test_twins_with_other_birth_orders_are_asked_about_where_all_else_agrees() -> None:
    strong = numbered("TOMMY", ONE)
    story = Story(WORLD).then(observed("a:1", strong, verified=FIRST), observed("b:1", strong, verified=SECOND))
    assert story.asked == {("constraint_broken", ("a:1", "b:1"))}
    assert explain_pair(WORLD, strong, strong).decision == "link"


@pytest.mark.parametrize("order", range(10))
def test_marks_hold_a_birth_order_beside_verified_numbers(order: int) -> None:
    assert birth_order(with_birth_order(3, order)) == (order if order <= 7 else 0)
    assert with_birth_order(3, order) & 3 == 3


def test_a_model_says_whether_forenames_alone_tell_twins_and_older_ones_keep_their_id() -> None:
    assert WORLD.model_id != ADULTS.model_id
    assert load_model(dump_model(ADULTS)) == ADULTS
    older = dump_model(WORLD).replace(',\n  "by_name": true', "")
    assert "by_name" not in older
    assert load_model(older) == WORLD


REASONS = [
    (NAMED, NAMED, (FIRST, SECOND), "other places"),
    (numbered("TOMMY", ONE), numbered("TOMMY", TWO), (1, 1), "verified NHS numbers"),
    (NAMED, ("OLIVER", *HOME), (0, 0), "one birth date and surname"),
    (NAMED, ("OLIVER", "SMITH", "20010302", "AB12CD", ""), (0, 0), "one birth date and surname"),
    (NAMED, ("OLIVER", "SMITH", "20010302|20010203", "AB12CD", ""), (0, 0), "one birth date and surname"),
    (NAMED, ("TOMMY", "SMITH", "20010302", "AB12CD", ""), (0, 0), None),
    (NAMED, ("OLIVER", "SMITH", "20010204", "AB12CD", ""), (0, 0), None),
    (NAMED, NAMED, (0, 0), None),
]


@pytest.mark.parametrize(("left", "right", "marks", "words"), REASONS)
def test_the_reason_why_two_are_kept_apart_is_told_in_words(
    left: Row, right: Row, marks: tuple[int, int], words: str | None
) -> None:
    columns = columns_of(WORLD, [left, right], ["a", "b"])
    told = Twins(WORLD).reason(columns, np.array(marks, np.uint8), 0, 1)
    assert (told is None) == (words is None)
    assert (words or "") in (told or "")
