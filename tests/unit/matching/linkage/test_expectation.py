"""The operating curve that a fitted model expects, without labels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.linkage.expectation import expected_operating_points, match_probabilities
from matching.linkage.scoring import match_probability

WEIGHTS = st.lists(st.integers(-3000, 3000), max_size=40).map(lambda found: np.array(found, np.int64))


def test_expected_precision_is_the_mean_probability_and_recall_the_share_of_expected_matches() -> None:
    weights = np.array([200, 0, -200], np.int64)  # odds 4, 1 and 1/4: probabilities .8, .5 and .2

    points = expected_operating_points(weights, np.array([-300, 0, 100, 300]))

    assert [point.precision for point in points] == pytest.approx([0.5, 0.65, 0.8, 1.0])
    assert [point.recall for point in points] == pytest.approx([1.0, 1.3 / 1.5, 0.8 / 1.5, 0.0])


@given(WEIGHTS, st.integers(-3000, 3000), st.integers(0, 500))
def test_a_higher_threshold_never_finds_more_and_is_never_less_precise(
    weights: np.ndarray, threshold: int, step: int
) -> None:
    low, high = expected_operating_points(weights, np.array([threshold, threshold + step]))

    assert high.recall <= low.recall + 1e-12
    assert high.precision >= low.precision - 1e-12


@given(st.integers(-200_000, 200_000))
def test_probabilities_are_those_that_explanations_state(weight: int) -> None:
    assert match_probabilities(np.array([weight]))[0] == pytest.approx(match_probability(weight))


def test_drawn_pairs_show_the_precision_and_recall_that_their_model_expects() -> None:
    generator = np.random.default_rng(5)
    weights = generator.normal(-300, 500, 200_000).round().astype(np.int64)
    matched = generator.random(len(weights)) < match_probabilities(weights)

    for point in expected_operating_points(weights, np.arange(-600, 900, 300)):
        linked = weights >= point.threshold
        assert matched[linked].mean() == pytest.approx(point.precision, abs=0.01)
        assert matched[linked].sum() / matched.sum() == pytest.approx(point.recall, abs=0.01)
