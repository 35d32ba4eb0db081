from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matching.linkage.comparisons import KINDS
from matching.linkage.counterfactual import Piece, what_would_join, what_would_split, with_agreements, without
from matching.linkage.evidence import SOURCE_RULE, Evidence, evidence_among, group
from matching.linkage.explain import hidden_comparisons
from tests.unit.matching.linkage.small_evidence import evidences, weighing
from tests.unit.matching.worlds import PLAIN, model


def groups(evidence: Evidence) -> int:
    return len(set(group(evidence).tolist()))


def edges(evidence: Evidence) -> list[Piece]:
    pairs = zip(evidence.left.tolist(), evidence.right.tolist(), evidence.weights.tolist(), strict=True)
    lowest = min(evidence.neutral + 1, evidence.model.link_threshold)
    return [Piece("edge", "", (a, b)) for a, b, weight in pairs if weight >= lowest]


@settings(max_examples=30)
@given(evidences(4))
def test_no_smaller_set_than_the_one_found_splits_the_records(evidence: Evidence) -> None:
    found = what_would_split(evidence)
    assert found.exact
    assert found.holds == (len(evidence.keys) > 1), "without all that joins them, no two records are one child"
    pieces = edges(evidence) + [Piece("decision", name) for name in {each.decision for each in evidence.must}]
    assert not found.holds or groups(without(evidence, found.pieces)) > 1
    assert all(
        groups(without(evidence, some)) == 1 for n in range(len(found.pieces)) for some in combinations(pieces, n)
    )


@settings(max_examples=30)
@given(evidences(5))
def test_beyond_its_bound_the_search_still_splits_and_leaves_out_what_is_not_needed(evidence: Evidence) -> None:
    exact, greedy = what_would_split(evidence), what_would_split(evidence, most_tries=1)
    assert greedy.holds == exact.holds
    assert len(greedy.pieces) >= len(exact.pieces)
    for piece in greedy.pieces:
        fewer = [each for each in greedy.pieces if each != piece]
        assert groups(without(evidence, fewer)) == 1


def test_a_child_of_sixty_records_splits_at_its_loosest_record_without_a_look_at_each_set_of_edges() -> None:
    weights = dict.fromkeys(combinations(range(60), 2), 900) | {(7, i): 600 for i in range(8, 60)}
    found = what_would_split(weighing(60, weights))
    assert (found.holds, found.exact, found.tried < 1000) == (True, False, True)
    assert all(piece.pair is not None and 7 in piece.pair for piece in found.pieces)
    assert sorted(map(len, found.groups)) == [1, 59]


@pytest.mark.parametrize(
    ("weights", "must", "expected"),
    [
        pytest.param({(0, 1): 900}, [], [Piece("edge", "", (0, 1))], id="a pair hangs by its one edge"),
        pytest.param(
            {(0, 1): 900, (0, 2): 700, (1, 2): 700}, [],
            [Piece("edge", "", (0, 2))], id="one weak edge of a triangle: the mean falls below the threshold",
        ),
        pytest.param({(0, 1): -900}, [(0, 1, "d")], [Piece("decision", "d")], id="only a decision holds them"),
        pytest.param(
            {(0, 1): 900}, [(0, 1, "d")], [Piece("decision", "d"), Piece("edge", "", (0, 1))],
            id="weight and decision both hold them",
        ),
    ],
)  # fmt: skip
def test_known_splits(weights: dict[tuple[int, int], int], must: list[tuple[int, int, str]], expected: object) -> None:
    n = 1 + max(b for _, b in weights)
    found = what_would_split(weighing(n, weights, must=must))
    assert (list(found.pieces), found.exact, found.holds) == (expected, True, True)


def test_one_record_cannot_be_split() -> None:
    found = what_would_split(weighing(1, {}))
    assert (found.pieces, found.holds) == ((), False)


SAME = ("ANNA", "SMITH", "20010203", "AB12CD", "9434765919")


def test_the_evidence_that_would_join_two_is_the_fewest_comparisons() -> None:
    other = ("ANNA", "SMITH", "19991231", "XY99ZZ", "1234567881")
    evidence = evidence_among(PLAIN, [("a:1", "school-1", SAME, 0), ("b:1", "health-1", other, 0)])
    found = what_would_join(evidence, [0], [1])
    assert [piece.name for piece in found.pieces] == ["nhs"]
    assert found.groups == ((0, 1),)


def test_a_decision_and_a_source_rule_that_keep_two_apart_are_named() -> None:
    by_person = evidence_among(PLAIN, [("a:1", "x", SAME, 0), ("b:1", "y", SAME, 0)], cannot=[("a:1", "b:1", "d")])
    assert what_would_join(by_person, [0], [1]).pieces == (Piece("decision", "d"),)
    by_rule = evidence_among(model(), [("a:1", "school-1", SAME, 0), ("b:1", "school-1", SAME, 0)])
    assert what_would_join(by_rule, [0], [1]).pieces == (Piece("rule", SOURCE_RULE, (0, 1)),)


def test_two_that_are_joined_already_need_nothing() -> None:
    found = what_would_join(weighing(2, {(0, 1): 900}), [0], [1])
    assert (found.pieces, found.holds) == ((), True)


@settings(max_examples=30)
@given(evidences(4), st.data())
def test_agreement_never_lowers_what_a_pair_weighs(evidence: Evidence, data: object) -> None:
    names = [comparison.name for comparison in PLAIN.comparisons]
    everything = evidence.found | True
    after = with_agreements(evidence, everything, [Piece("agreement", name) for name in names])
    assert (after.weights >= evidence.weights).all()
    assert all(KINDS[c.kind].equal == after.levels[:, i].min(initial=99) or not len(after.levels)
               for i, c in enumerate(PLAIN.comparisons))  # fmt: skip


def test_a_comparison_that_reads_any_field_out_of_sight_is_hidden() -> None:
    assert hidden_comparisons(PLAIN, frozenset({"given_name", "surname"})) == {"date_of_birth", "postcode", "nhs"}
