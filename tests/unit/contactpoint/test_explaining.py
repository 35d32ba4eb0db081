"""Explanations without servers: pictures that are safe anywhere, and what is withheld of a shielded child."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contactpoint.cli.why import in_words
from contactpoint.explaining.answers import join_answer, split_answer, tree_answer
from contactpoint.explaining.drawn import draw_change, draw_pair, draw_tree
from contactpoint.explaining.links import strongest_links
from contactpoint.explaining.pictures import Bar, curve, steps, waterfall
from contactpoint.explaining.records import Known
from contactpoint.explaining.sight import EVERYTHING, WITHHELD, Sight, aliases, withhold_link
from contactpoint.explaining.statements import SOURCE_MERGE, decision_book, stated
from contactpoint.explaining.words import NEVER_COMPARED, findings, why_apart
from contactpoint.reviewing.deciding import Deciders, State, decide_link, decide_retraction, decide_severed
from matching.linkage.components import connected_components
from matching.linkage.constraints import constrain
from matching.linkage.evidence import Evidence, evidence_among
from matching.linkage.explain import explain_pair
from matching.linkage.model import BlockingRule
from matching.resident.owner import ResidentOwner
from matching.stage.explain import explain_rows
from projections.audit_trail.lineage import Severance
from projections.audit_trail.reader import IdentityStep
from schemas.decisions import AnyDecisionEvent
from schemas.errors import RejectedError
from schemas.identity import child_number, number_basis
from schemas.in_force import in_force
from tests.factories.linkage import hand_made_model
from tests.unit.matching.worlds import observed

MODEL = hand_made_model()
NUMBERS = ("9434765919", "A801200005001", "")
ROW = ("ANNA", "SMITH", "20010203", "female", "AB12CD", "1 HIGH STREET", "MARY SMITH", *NUMBERS)
OTHER = ("ANNA", "SMITH", "20010203", "female", "XY99ZZ", "", "MARY SMITH", "1234567881", "", "")
UNNUMBERED = (*ROW[:7], "", "", "")
KEYS = ("health-rx1:1", "school-8012000:B1", "yot-700:2")
HIDDEN = {"postcode", "nhs", "upn"}


def pair() -> dict[str, Any]:
    found = explain_pair(MODEL, ROW, OTHER)
    return {
        "left": KEYS[0], "right": KEYS[1], "children": ["A", "B"], "together": False, "findings": findings(found),
        "weight": found.total / 100, "probability": found.match_probability, "threshold": 3.0,
        "decision of this pair alone": found.decision, "model": MODEL.model_id,
    }  # fmt: skip


def known(rows: tuple[tuple[str, ...], ...] = (ROW, ROW, OTHER)) -> Known:
    records = [(key, key.partition(":")[0], row, 0) for key, row in zip(KEYS, rows, strict=False)]
    return Known("1P363AQQSXXVB", tuple(key for key, _, _, _ in records), evidence_among(MODEL, records), {})


def link(row: Sequence[str] = OTHER) -> dict[str, Any]:
    """Return a link as it is withheld, where the second record says this."""
    found = explain_pair(MODEL, ROW, row)
    plain = {"left": KEYS[0], "right": KEYS[1], "weight": found.total / 100, "findings": findings(found)}
    return withhold_link(plain, MODEL, aliases(KEYS))


def test_of_a_shielded_link_only_the_comparisons_that_the_shield_leaves_are_told() -> None:
    told = link()
    by_name = {row["comparison"]: row for row in told["findings"]}
    assert {name for name, row in by_name.items() if row["finding"] == WITHHELD and row["weight"] is None} == HIDDEN
    assert by_name["given"]["finding"] == "the same"
    assert told["weight"] is None
    assert not any(key in repr(told) for key in KEYS)


@given(st.sampled_from(sorted(HIDDEN)), st.sampled_from(["", "other", "same"]))
def test_whatever_a_hidden_field_holds_the_answer_is_the_same(name: str, value: str) -> None:
    place = MODEL.field_index[name]
    changed = {"other": "ZZ99ZZ", "same": ROW[place], "": ""}[value]
    assert link([*OTHER[:place], changed, *OTHER[place + 1 :]]) == link()


def test_the_tree_of_a_shielded_child_has_neither_weights_nor_keys_and_its_split_needs_the_right() -> None:
    blind = Sight(frozenset(KEYS[:1]))
    told = tree_answer(known(), blind)
    assert {step["mean weight"] for step in told["steps"]} == {WITHHELD}
    assert not any(key in repr(told) for key in KEYS)
    assert tree_answer(known(), EVERYTHING)["steps"][0]["mean weight"] > 0
    with pytest.raises(RejectedError, match="needs the right"):
        split_answer(known(), blind)
    with pytest.raises(RejectedError, match="needs the right"):
        join_answer(known(), KEYS[:1], KEYS[2:], blind)


def test_nothing_shows_a_former_identity_beside_the_new_one() -> None:
    severed = (Severance(frozenset(KEYS[:1]), frozenset(KEYS[1:2])),)
    for ask in (tree_answer, split_answer):
        with pytest.raises(RejectedError, match="needs the right"):
            ask(known(), Sight(frozenset(), severances=severed))
        assert ask(known(), Sight(frozenset(), with_right=True, severances=severed))
    Sight(frozenset(), severances=severed).keep_apart(KEYS[1:])


@pytest.mark.parametrize(("basis", "refused"), [("n:1", True), (number_basis("n:1", ["s"]), False)])
def test_a_number_from_before_a_severance_needs_the_right_and_the_new_one_not(basis: str, *, refused: bool) -> None:
    number, sight = child_number(basis), Sight(frozenset(), severances=(Severance(frozenset(), frozenset(["n:1"])),))
    step = IdentityStep("e", number, "retired", 2, ANN.decided_at, "n:1", (), ((number, ("n:1",)),), (), (), "m", ())
    with pytest.raises(RejectedError, match="needs the right") if refused else nullcontext():
        sight.demand_right_to(number, [step])
    EVERYTHING.demand_right_to(number, [step])


def test_what_would_split_and_join_is_told_with_weights_and_how_sure_it_is() -> None:
    split = split_answer(known((ROW, ROW)), EVERYTHING)
    assert [(piece["what"], piece["of"]) for piece in split["pieces"]] == [("edge", list(KEYS[:2]))]
    assert split["search"].startswith("exact")
    apart = (*ROW[:4], *OTHER[4:])
    join = join_answer(known((ROW, ("BEN", "JONES", "19990101", *apart[3:]))), KEYS[:1], KEYS[1:2], EVERYTHING)
    assert join["possible"]
    assert join["pieces"]
    with pytest.raises(RejectedError, match="nothing to split"):
        split_answer(known((ROW,)), EVERYTHING)
    parted = in_words(join_answer(known((ROW, ROW)), KEYS[:1], KEYS[1:2], EVERYTHING))
    assert "above the model's cap" in parted["would join them"][0]


def test_two_that_no_blocking_rule_brings_together_are_said_to_have_never_been_compared() -> None:
    only = replace(MODEL, blocking_rules=(BlockingRule("nhs", ("nhs",)),))
    changes = [observed(key, values=row) for key, row in zip(KEYS, (ROW, UNNUMBERED), strict=False)]
    rows = ResidentOwner(only).apply(changes, 1).inserted
    for model, reason in ((MODEL, "other records"), (only, NEVER_COMPARED)):
        assert why_apart(explain_rows(model, *rows), [])[0].startswith(reason)
        assert why_apart(explain_rows(model, *rows), ["decided"]) == ["decided"]
    compared = [(row.key, row.source, row.values, 0) for row in rows]
    apart = Known("A, B", KEYS[:2], evidence_among(only, compared), {})
    assert in_words(join_answer(apart, KEYS[:1], KEYS[1:2], EVERYTHING))["would join them"] == [NEVER_COMPARED]


def chain_of(evidence: Evidence) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]:
    """Return the links of the chain and the other ones: both records and the weight."""
    chain, others = strongest_links(evidence)
    rows = list(zip(evidence.left.tolist(), evidence.right.tolist(), evidence.weights.tolist(), strict=True))
    return [rows[place] for place in chain], [rows[place] for place in others]


def test_the_links_of_a_child_are_the_strongest_chain_and_the_rest() -> None:
    three = known().evidence
    chain, others = chain_of(replace(three, weights=np.array([900, 300, 700])))
    assert (chain, others) == ([(0, 1, 900), (1, 2, 700)], [(0, 2, 300)])
    assert chain_of(replace(three, weights=np.array([900, MODEL.review_floor, -2771]))) == (
        [(0, 1, 900), (0, 2, MODEL.review_floor)],
        [],
    )
    assert chain_of(replace(three, found=np.array([False, False, True])))[0] == [(1, 2, int(three.weights[2]))]


@given(st.lists(st.integers(MODEL.review_floor - 2, MODEL.review_floor + 30), min_size=10, max_size=10))
def test_a_chain_has_no_circle_and_connects_all_that_the_links_connect(weights: list[int]) -> None:
    records = [(str(i), "school-1", ROW, 0) for i in range(5)]
    chain, others = chain_of(replace(evidence_among(MODEL, records), weights=np.array(weights)))
    parts, all_parts = (
        connected_components(5, *np.array([row[:2] for row in rows], np.int64).reshape(-1, 2).T)
        for rows in (chain, [*chain, *others])
    )
    assert parts.tolist() == all_parts.tolist()
    assert len(chain) == 5 - len(set(parts.tolist()))
    assert len(chain) + len(others) == sum(weight >= MODEL.review_floor for weight in weights)


def test_pictures_show_comparisons_and_weights_and_nobody() -> None:
    drawn = [draw_pair(pair()), draw_tree(tree_answer(known(), EVERYTHING))]
    drawn.append(draw_change(split_answer(known((ROW, ROW)), EVERYTHING)))
    drawn.append(draw_change(join_answer(known((ROW, OTHER)), KEYS[:1], KEYS[1:2], EVERYTHING)))
    for picture in drawn:
        assert well_formed(picture)
        assert not any(word in picture for word in (*KEYS, *filter(None, ROW), "1P363AQQSXXVB"))


@given(st.lists(st.builds(Bar, st.text(max_size=80), st.none() | st.floats(-60, 60)), max_size=6), st.text(max_size=20))
def test_a_picture_is_well_formed_and_inert_whatever_its_words(bars: list[Bar], title: str) -> None:
    for picture in (waterfall(title, title, bars, 3.0), steps(title, title, bars)):
        assert well_formed(picture)
        assert "<script" not in picture


@given(st.lists(st.tuples(st.floats(-20, 40), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=20))
def test_a_curve_of_any_points_is_drawn(points: list[tuple[float, float, float]]) -> None:
    assert well_formed(curve("t", "d", points, points[0][0]))


def well_formed(picture: str) -> bool:
    root = ET.fromstring(picture)  # noqa: S314 - our own picture
    tags = [each.tag.rpartition("}")[2] for each in root.iter()]
    return tags[:3] == ["svg", "title", "desc"] and set(tags) <= {
        "svg",
        "title",
        "desc",
        "rect",
        "line",
        "text",
        "polyline",
    }


A, B, C, D = "school-1:1", "school-1:2", "school-1:3", "school-1:4"
ANN = Deciders("ann", "typing_error", datetime(2026, 3, 2, tzinfo=UTC), approved_by="bob")
NOBODY = State({}, {}, EVERYTHING)


def must(a: str, b: str) -> AnyDecisionEvent:
    return decide_link("must_link", (a, b), ANN, NOBODY)


def cannot(a: str, b: str) -> AnyDecisionEvent:
    return decide_link("cannot_link", (a, b), replace(ANN, reason="twins"), NOBODY)


def severed(a: str, b: str) -> AnyDecisionEvent:
    return decide_severed([a], [b], replace(ANN, reason="adoption"))


def test_what_is_stated_is_chained_also_by_way_of_records_that_are_not_there() -> None:
    assert stated(decision_book([]), [(A, D), (B, D)], {A, B, C}) == ([(A, B, SOURCE_MERGE)], [])
    one, two = must(A, D), must(B, D)
    links, _ = stated(decision_book([one, two]), [], {A, B, C})
    assert [(a, b) for a, b, _ in links] == [(A, B)]
    assert links[0][2] in {one.event_id, two.event_id}


def test_a_cannot_link_overrules_a_merge_and_suspends_must_links_that_it_contradicts() -> None:
    apart = cannot(A, B)
    assert stated(decision_book([apart]), [(A, B)], {A, B}) == ([], [(A, B, apart.event_id)])
    clash = [must(A, C), must(C, B), apart]
    assert stated(decision_book(clash), [], {A, B, C}) == ([], [(A, B, apart.event_id)])


ELSEWHERE = "health-1:9"
pairs = st.permutations([A, B, C, D, ELSEWHERE]).map(lambda keys: keys[:2])
decisions = st.lists(st.tuples(st.sampled_from([must, cannot, severed]), pairs), max_size=5)
merges = st.lists(st.permutations([A, B, C, D]).map(lambda p: (p[0], p[1])), max_size=3)


@given(decisions, merges)
def test_what_is_stated_is_what_clustering_obeys(made: list[Any], merged: list[tuple[str, str]]) -> None:
    book = decision_book([decide(*pair) for decide, pair in made])
    merge_of = dict(merged)
    links, apart = stated(book, merge_of.items(), {A, B, C})
    position = {key: i for i, key in enumerate([A, B, C])}
    neighbours = {k: {x for m in merge_of.items() for x in m if k in m} - {k} for k in (A, B, C, D)}
    expected, *_ = constrain(position, lambda key: neighbours.get(key, ()), book)
    assert groups([(position[a], position[b]) for a, b, _ in links]) == groups(expected.must_link.tolist())
    assert {(position[a], position[b]) for a, b, _ in apart} == set(map(tuple, expected.cannot_link.tolist()))


def groups(pairs: Iterable[Sequence[int]]) -> set[frozenset[int]]:
    listed = np.array(list(pairs), np.int64).reshape(-1, 2)
    labels = connected_components(3, listed[:, 0], listed[:, 1]).tolist()
    return {frozenset(i for i in range(3) if labels[i] == label) for label in labels}


@given(decisions, st.booleans())
def test_which_decisions_hold_is_what_matching_says(made: list[Any], retract: bool) -> None:
    events: list[AnyDecisionEvent] = [decide(*pair) for decide, pair in made]
    if events and retract:
        state = State({}, in_force(events), EVERYTHING)
        events.append(decide_retraction(events[0].event_id, replace(ANN, reason="mistaken"), state))
    book = decision_book(events)
    stated_of = [each.others(key) for key in (A, B, C, D, ELSEWHERE) for each in (book.must, book.cannot)]
    assert {event for others in stated_of for ids in others.values() for event in ids} == set(in_force(events))
