from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pytest

from matching.linkage.constraints import Constraints, SourceRules, constrain
from matching.linkage.decisions import Decision, DecisionBook
from matching.linkage.lives import Lives
from matching.linkage.model import SourcePolicy
from tests.unit.matching.test_known_answers import cannot, must, shield
from tests.unit.matching.worlds import model

POLICIES = (SourcePolicy("school", "hard", 500), SourcePolicy("health", "soft", 300))
NAMES = ["school-1", "health-1", "yot-1", "health-2"]


def test_a_hard_source_bars_its_own_pairs_a_soft_one_takes_its_penalty_and_any_other_neither() -> None:
    rules = SourceRules(model(policies=POLICIES), NAMES)
    left, right = np.array(list(product(range(4), repeat=2)), np.int32).T
    weights, barred = rules.apply(np.full(len(left), 1000), left, right)
    lighter = {(1, 1): 700, (3, 3): 700}
    assert weights.tolist() == [lighter.get(pair, 1000) for pair in zip(left.tolist(), right.tolist(), strict=True)]
    assert [(int(left[at]), int(right[at])) for at in np.flatnonzero(barred)] == [(0, 0)]
    assert rules.holds_once(np.arange(4, dtype=np.int32)).tolist() == [True, True, False, True]
    assert rules.count == len(NAMES)


def test_no_constraints_are_pairs_too() -> None:
    assert Constraints().must_link.shape == Constraints().cannot_link.shape == (0, 2)


def test_constraints_are_something_when_either_kind_is_there() -> None:
    pair = np.array([[0, 1]], np.int64)
    assert [bool(each) for each in (Constraints(), Constraints(must_link=pair), Constraints(cannot_link=pair))] == [
        False,
        True,
        True,
    ]


def test_what_is_severed_is_kept_apart_with_all_that_merges_connect_with_it() -> None:
    book = DecisionBook()
    book.add([Decision("s", "severed", 1, ("d", "x"), ("b",)), cannot("a", "d")])
    asked, _, _, lives = constrain({"a": 0, "c": 1, "d": 2}, lambda key: MERGES.get(key, ()), book)
    assert set(map(frozenset, asked.cannot_link.tolist())) == {frozenset({0, 2}), frozenset({1, 2})}
    this = frozenset({"s"})
    assert lives == {0: Lives(new=this), 1: Lives(new=this), 2: Lives(former=this)}


MERGES = {"a": ["b"], "b": ["a", "c"], "c": ["b"]}
CASES: list[tuple[str, Mapping[str, Sequence[str]], list[Decision], tuple[object, ...]]] = [
    ("nothing", {}, [], ([], [], [], [])),
    ("merges alone, over one that is not live", MERGES, [], ([[0, 1]], [], [], [])),
    ("must-links alone", {}, [must("a", "c"), must("c", "d", "m2")], ([[0, 1], [1, 2]], [], [], [])),
    ("merges and a must-link", MERGES, [must("c", "d")], ([[0, 1], [1, 2]], [], [], [])),
    ("a cannot-link elsewhere", MERGES, [cannot("a", "d")], ([[0, 1]], [[0, 2]], [], [])),
    ("a cannot-link inside", MERGES, [cannot("a", "c")], ([], [[0, 1]], [("a", "c")], [])),
    ("one inside beside a must-link", MERGES, [cannot("a", "c"), must("c", "d")],
     ([[1, 2]], [[0, 1]], [("a", "c")], [])),
    ("two parts of several", MERGES, [cannot("a", "c"), must("a", "b"), must("c", "d", "m2"), shield("a", "c")],
     ([[1, 2]], [[0, 1]], [("a", "c")], [0, 1, 2])),
    ("one about what is not live", MERGES, [cannot("b", "c")], ([], [], [("b", "c")], [])),
    ("one with what is not live", {}, [cannot("a", "z")], ([], [], [], [])),
    ("a shield", MERGES, [shield("a")], ([[0, 1]], [], [], [0, 1])),
    ("a shield on what is not live", MERGES, [shield("b")], ([[0, 1]], [], [], [0, 1])),
    ("a shield on a part", MERGES, [shield("a"), cannot("a", "c")], ([], [[0, 1]], [("a", "c")], [0])),
]  # fmt: skip


@pytest.mark.parametrize(("case", "merges", "decisions", "expected"), CASES, ids=[case[0] for case in CASES])
def test_what_merges_and_decisions_ask_of_live_records(
    case: str, merges: Mapping[str, Sequence[str]], decisions: list[Decision], expected: tuple[object, ...]
) -> None:
    book = DecisionBook()
    book.add(decisions)
    asked, overruled, shielded, _ = constrain({"a": 0, "c": 1, "d": 2}, lambda key: merges.get(key, ()), book)
    found = (sorted(asked.must_link.tolist()), sorted(asked.cannot_link.tolist()), overruled, sorted(shielded))
    assert found == expected, case
