"""No birth date weighs less than one that agrees less: in training, in the model that ships, and on made-up pairs."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.estimation.ordered import with_dates_in_order
from matching.estimation.specification import untrained_model
from matching.estimation.training import train_by_identifiers
from matching.linkage.batch import link_all
from matching.linkage.columns import columns_of
from matching.linkage.model import Comparison, Field, LinkageModel
from matching.linkage.normalise import FOLDERS
from matching.linkage.similarity import DATE_EXACT, DATE_SWAPPED
from matching.stage.model_file import SHIPPED, read_model
from tests.unit.matching.estimation.people import population

SHARES = st.lists(st.floats(0.001, 1.0), min_size=DATE_EXACT, max_size=DATE_EXACT).map(lambda s: np.array(s) / sum(s))
OLIVER = {
    "given": "Oliver",
    "surname": "Hartley",
    "birth_date": "20120304",
    "sex": "m",
    "postcode": "LS6 2AB",
    "address": "12 Church Road",
    "carer": "Susan Hartley",
}
ELSEWHERE = {"postcode": "M14 5TT", "address": "8 Elm Grove", "carer": "Joan Quigley"}

BEFORE, AFTER = "93bbd90563d0f292", "f1b3bbb4b9612062"


def dated(m: np.ndarray, u: np.ndarray) -> LinkageModel:
    model = untrained_model("dates", [Field("born", "date")])
    trained = model.comparisons[0].with_probabilities(tuple(m.tolist()), tuple(u.tolist()))
    return replace(model, comparisons=(trained,))


def counted(comparison: Comparison) -> tuple[np.ndarray, np.ndarray]:
    levels = comparison.levels[1:]
    return np.array([each.m_probability for each in levels]), np.array([each.u_probability for each in levels])


def weights(comparison: Comparison) -> list[int]:
    return [level.match_weight for level in comparison.levels[1:]]


def is_one_child(one: dict[str, str], other: dict[str, str]) -> bool:
    model = read_model()
    rows = [tuple(FOLDERS[f.kind](each.get(f.name, "")) for f in model.fields) for each in (one, other)]
    first, second = link_all(
        columns_of(model, rows, ["school", "health"]), model, keys=["school:1", "health:1"]
    ).clusters
    return bool(first == second)


@given(SHARES, SHARES)
def test_dates_in_order_are_the_isotonic_regression_of_what_was_counted(m: np.ndarray, u: np.ndarray) -> None:
    ordered_m, ordered_u = counted(with_dates_in_order(dated(m, u)).comparisons[0])

    levels = range(len(m))
    expected = [  # the max-min formula (Barlow and others 1972)
        max(min(m[a : b + 1].sum() / u[a : b + 1].sum() for b in levels[i:]) for a in levels[: i + 1]) for i in levels
    ]
    assert ordered_m / ordered_u == pytest.approx(expected, rel=1e-4)
    assert (ordered_m.sum(), ordered_u.sum()) == pytest.approx((1.0, 1.0), abs=1e-4)


def test_dates_that_are_counted_in_order_stay_as_they_are() -> None:
    rising = np.arange(1.0, DATE_EXACT + 1) / sum(range(DATE_EXACT + 1))
    model = dated(rising, rising[::-1])
    assert with_dates_in_order(model).comparisons[0] == model.comparisons[0]


def test_training_may_keep_dates_in_order() -> None:
    made = population(100, numbers=0.6)
    trained = train_by_identifiers(made.columns, made.model, on=date(2026, 11, 28), dates_in_order=True).model
    dates = [weights(each) for each in trained.comparisons if each.kind == "date"]
    assert dates
    assert dates == [sorted(each) for each in dates]


def test_in_the_model_that_ships_no_date_weighs_less_than_one_that_agrees_less() -> None:
    dates = [weights(each) for each in read_model().comparisons if each.kind == "date"]
    assert dates
    assert all(each == sorted(each) and each[DATE_EXACT - 1] >= each[DATE_SWAPPED - 1] for each in dates)


def test_the_model_of_decision_51_is_the_one_before_it_with_dates_in_order_and_another_sign() -> None:
    before, after = (read_model(SHIPPED / f"model_2026-11-28_{name}.json") for name in (BEFORE, AFTER))
    assert replace(with_dates_in_order(before), shield_signs=after.shield_signs).model_id == after.model_id


@pytest.mark.parametrize("born", ["20120304", "20120403"])
def test_a_namesake_elsewhere_with_another_carer_is_another_child_whether_the_date_is_the_same_or_swapped(
    born: str,
) -> None:
    assert not is_one_child(OLIVER, {**OLIVER, **ELSEWHERE, "birth_date": born})
    assert is_one_child(OLIVER, {**OLIVER, "birth_date": born})
