"""When a question is answered, and what a reviewed sample says."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.reviewing.estimates import (
    EDGES,
    Interval,
    Stratum,
    StratumResult,
    agreement,
    band_of,
    overall,
    result,
    wilson,
)
from projections.reviewing.rules import (
    ANSWER_REASONS,
    ANSWERS,
    MOST_ANSWERS,
    Opinion,
    check_answer,
    decision_of,
    verdict,
)
from schemas.errors import RejectedError

NOW = datetime(2026, 3, 2, tzinfo=UTC)
answers = st.lists(st.sampled_from(ANSWERS), max_size=MOST_ANSWERS)


@given(answers, st.randoms(use_true_random=False))
def test_two_that_agree_settle_a_question_in_any_order_and_nothing_else_does(given_: list[str], rng: object) -> None:
    found = verdict(given_)
    agreed = {answer for answer in given_ if given_.count(answer) > 1}
    assert (found.standing == "settled") == bool(agreed)
    assert found.answer == (agreed.pop() if agreed else None)
    assert verdict(given_[::-1]) == found
    assert found.is_open == (found.standing != "settled" and len(given_) < MOST_ANSWERS)


def test_one_person_never_answers_twice_and_a_third_is_asked_where_two_differ() -> None:
    first = [Opinion("ann", "same", "typing_error", NOW)]
    with pytest.raises(RejectedError, match="answered this"):
        check_answer("same", "typing_error", "ann", first)
    two = [*first, Opinion("bob", "different", "twins", NOW)]
    assert verdict([each.answer for each in two]).standing == "disputed"
    assert check_answer("different", "siblings", "cleo", two) == "different"
    settled = [*two, Opinion("cleo", "different", "siblings", NOW)]
    assert decision_of(two) is None
    assert decision_of(settled) == ("cannot-link", settled[1], settled[2])
    with pytest.raises(RejectedError, match="enough people"):
        check_answer("same", "typing_error", "dan", settled)


@pytest.mark.parametrize(
    ("answer", "reason", "says"),
    [
        ("maybe", "twins", "the answers are: same"),
        ("same", "twins", "typing_error"),
        ("cannot_tell", "x", "too_little"),
    ],
)
def test_an_answer_or_reason_that_is_not_listed_is_answered_with_the_list(answer: str, reason: str, says: str) -> None:
    with pytest.raises(RejectedError, match=says):
        check_answer(answer, reason, "ann", [])


def test_every_answer_has_reasons() -> None:
    assert set(ANSWER_REASONS) == set(ANSWERS)
    assert all(ANSWER_REASONS.values())


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_interval_is_that_of_newcombe_1998_table_one(
    successes: int, trials: int, low: float, high: float
) -> None:
    found = wilson(successes, trials)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilsons_interval_holds_the_share_and_mirrors(drawn: tuple[int, int]) -> None:
    successes, trials = drawn
    one, other = wilson(successes, trials), wilson(trials - successes, trials)
    assert 0.0 <= one.low <= one.share <= one.high <= 1.0
    assert math.isclose(one.low, 1.0 - other.high, abs_tol=1e-12)


@given(st.integers(-5000, 5000), st.integers(-1000, 3000))
def test_a_band_is_where_its_bounds_say(weight: int, threshold: int) -> None:
    band = band_of(weight, threshold)
    assert band == 0 or weight - threshold >= EDGES[band - 1]
    assert band == len(EDGES) or weight - threshold < EDGES[band]
    assert Stratum(True, 0).bounds == "under -4"
    assert Stratum(True, 2).bounds == "+0 to +4"
    assert Stratum(True, len(EDGES)).bounds == "+16 and over"


def test_all_links_are_estimated_by_the_shares_of_their_bands_once_every_band_has_an_answer() -> None:
    sure = result(Stratum(True, 4), 0.9, 4, ["same"] * 4)
    doubtful = result(Stratum(True, 2), 0.1, 4, ["same", "different", "cannot_tell"])
    assert (doubtful.settled, doubtful.cannot_tell) == (3, 1)
    found = overall([sure, doubtful], linked=True)
    assert found is not None
    assert math.isclose(found.share, 0.9 * 1.0 + 0.1 * 0.5)
    assert found.low < found.share < found.high
    assert overall([sure, StratumResult(Stratum(True, 2), 0.1, 4, 0, 0, None)], linked=True) is None
    assert overall([sure, doubtful], linked=False) is None


def test_agreement_is_cohens_kappa_and_says_so_when_chance_alone_would_do() -> None:
    pairs = [("same", "same")] * 20 + [("same", "different")] * 5 + [("different", "same")] * 10
    pairs += [("different", "different")] * 15
    found = agreement(pairs)
    assert found is not None
    assert (found.items, found.agreed) == (50, 0.7)
    assert found.kappa is not None
    assert math.isclose(found.kappa, 0.4)
    alike = agreement([("same", "same")])
    assert alike is not None
    assert alike.kappa is None
    assert agreement([]) is None
    assert Interval(0.5, 0.1, 0.9)._asdict() == {"share": 0.5, "low": 0.1, "high": 0.9}
