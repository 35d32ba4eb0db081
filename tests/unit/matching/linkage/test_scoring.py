from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from matching.linkage.columns import columns_of
from matching.linkage.comparisons import compare
from matching.linkage.edges import EDGE, make_edges, model_tag, read_edges
from matching.linkage.explain import explain_levels, explain_pair
from matching.linkage.scoring import match_probability, score, total_weights, weight_table
from tests.unit.matching.worlds import model, values


@given(values, values)
def test_a_pairs_weight_is_the_sum_of_what_explains_it(left: tuple[str, ...], right: tuple[str, ...]) -> None:
    world = model()
    columns = columns_of(world, [left, right], ["a", "b"])
    explanation = explain_pair(world, left, right)
    assert score(columns, np.array([0]), np.array([1]), world).tolist() == [explanation.total]
    assert explanation.total == explanation.prior_weight + sum(row.match_weight for row in explanation.rows)
    assert [row.level_code for row in explanation.rows] == compare(columns, np.array([0]), np.array([1]), world)[
        0
    ].tolist()


def test_missing_values_add_nothing() -> None:
    world = model()
    nulls = np.zeros((1, len(world.comparisons)), np.int8)
    assert total_weights(nulls, world).tolist() == [world.prior_weight]
    assert weight_table(world)[:, 0].tolist() == [0] * len(world.comparisons)


@pytest.mark.parametrize(
    ("weight", "probability"),
    [(0, 0.5), (100, 2 / 3), (-100, 1 / 3), (300, 8 / 9), (10**9, 1.0), (-(10**9), 0.0)],
)
def test_weight_is_log_odds_in_hundredths_of_a_bit(weight: int, probability: float) -> None:
    assert match_probability(weight) == pytest.approx(probability)


def test_the_prior_alone_gives_the_priors_probability() -> None:
    assert match_probability(model(prior=0.05).prior_weight) == pytest.approx(0.05, rel=0.01)


@pytest.mark.parametrize(
    ("right", "decision"),
    [
        (("ANNA", "SMITH", "20010203", "AB12CD", "9434765919"), "link"),
        (("ANNA", "SMITH", "19991231", "", ""), "possible link"),
        (("BEN", "JONES", "19991231", "XY99ZZ", "1234567881"), "non-link"),
    ],
)
def test_decisions_follow_threshold_and_floor(right: tuple[str, ...], decision: str) -> None:
    left = ("ANNA", "SMITH", "20010203", "AB12CD", "9434765919")
    assert explain_pair(model(), left, right).decision == decision


def test_an_explanation_reads_as_words_weights_and_the_threshold() -> None:
    left, right = ("WILLIAM", "SMITH", "20010203", "", ""), ("BILL", "SMITH", "20010302", "", "")
    lines = explain_pair(model(), left, right).as_text().splitlines()
    assert lines[0].split() == ["prior", "-4.25"]
    assert lines[1].endswith("a short form, or one of several names")
    assert lines[3].endswith("day and month exchanged")
    assert lines[4].split() == ["postcode", "+0.00", "missing"]
    assert "threshold +2.00" in lines[-1]
    assert model().model_id in lines[-1]


def test_levels_need_one_code_a_comparison() -> None:
    with pytest.raises(ValueError, match="zip"):
        explain_levels(model(), [0, 0])


def test_edges_survive_their_bytes() -> None:
    tag = model_tag(model())
    data = make_edges(np.array([7, 9]), np.array([1, 2], np.int32), np.array([-450, 1200]), tag).tobytes()
    edges = read_edges(data)
    assert len(data) == 2 * EDGE.itemsize == 32
    assert edges["rid"].tolist() == [7, 9]
    assert edges["content_version"].tolist() == [1, 2]
    assert edges["weight"].tolist() == [-450, 1200]
    assert edges["model"].tolist() == [tag, tag] == [int(model().model_id[:8], 16)] * 2
