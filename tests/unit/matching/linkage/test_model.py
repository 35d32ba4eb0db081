from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.linkage.model import LinkageModel, SourcePolicy, match_weight
from matching.linkage.model_json import dump_model, load_model
from schemas.errors import ConfigurationError
from tests.unit.matching.worlds import model

probabilities = st.floats(0.0, 1.0)


@given(probabilities, probabilities)
def test_exchanging_m_and_u_negates_the_weight(m: float, u: float) -> None:
    assert match_weight(m, u) == -match_weight(u, m)


@pytest.mark.parametrize(
    ("m", "u", "bits"),
    [
        pytest.param(0.8, 0.1, 3.0, id="agreement eight times as likely among matches"),
        pytest.param(0.5, 0.5, 0.0, id="no evidence"),
        pytest.param(0.01, 0.64, -6.0, id="disagreement"),
        pytest.param(1.0, 1.0, 0.0, id="null level"),
    ],
)
def test_weight_is_the_binary_logarithm_of_m_over_u(m: float, u: float, bits: float) -> None:
    assert match_weight(m, u) == round(100 * bits)


@pytest.mark.parametrize(("m", "u"), [(1.0, 0.0), (1.0, 1e-300), (0.0, 1.0), (0.0, 0.0)])
def test_extreme_probabilities_give_finite_weights(m: float, u: float) -> None:
    assert abs(match_weight(m, u)) <= 3000
    assert math.isfinite(match_weight(m, u))


def test_a_model_survives_its_json_form() -> None:
    trained = model(stop_keys=(1, 2**64 - 1))
    assert load_model(dump_model(trained)) == trained
    assert load_model(dump_model(trained)).model_id == trained.model_id


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(model(link_threshold=201), id="threshold"),
        pytest.param(model(stop_keys=(5,)), id="stop keys"),
        pytest.param(model(policies=()), id="source policies"),
        pytest.param(model(prior=0.06), id="prior"),
        pytest.param(model(component_cap=299), id="cap"),
    ],
)
def test_whatever_can_change_a_result_changes_the_model_id(changed: LinkageModel) -> None:
    assert changed.model_id != model().model_id


def test_description_date_and_notes_leave_the_model_id_alone() -> None:
    other = replace(model(), description="other", created_on="2027-01-01", notes={"trained on": "a table"})
    assert other.model_id == model().model_id
    assert other.file_name == f"model_2027-01-01_{model().model_id}.json"


def test_an_edited_model_file_is_refused() -> None:
    content = json.loads(dump_model(model()))
    content["link_threshold"] += 1
    with pytest.raises(ConfigurationError, match=r"m\.json says model_id .* edited"):
        load_model(json.dumps(content), "m.json")


def test_a_model_file_without_blocking_rules_is_refused_because_it_would_compare_nobody() -> None:
    with pytest.raises(ConfigurationError, match=r"m\.json has no blocking rules"):
        load_model(dump_model(replace(model(), blocking_rules=())), "m.json")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"fields": 3}', '{"adjustments": [{}]}'])
def test_something_else_than_a_model_is_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"m\.json is not a linkage model"):
        load_model(text, "m.json")


def test_a_model_that_cannot_be_used_says_why() -> None:
    good = model()
    with pytest.raises(ConfigurationError, match="review_floor is above"):
        replace(good, review_floor=good.link_threshold + 1)
    with pytest.raises(ConfigurationError, match="reads field 'shoe_size'"):
        replace(good, comparisons=(replace(good.comparisons[0], fields=("shoe_size",)),))
    with pytest.raises(ConfigurationError, match="negative penalty"):
        model(policies=(SourcePolicy("*", "soft", -1),))
    with pytest.raises(ConfigurationError, match="cluster_threshold is above"):
        model(cluster_threshold=good.link_threshold + 1)
    with pytest.raises(ConfigurationError, match="between 0 and 1"):
        replace(good, probability_two_random_records_match=1.0)
    with pytest.raises(ConfigurationError, match="component_cap"):
        replace(good, component_cap=0)


@pytest.mark.parametrize("wrong", [float("nan"), -0.1, 1.1])
def test_a_level_whose_probability_is_none_is_refused_before_any_worker_reads_it(wrong: float) -> None:
    good, first = model(), model().comparisons[0]
    for m, u in ((wrong, 0.5), (0.5, wrong)):
        levels = (*first.levels[:-1], replace(first.levels[-1], m_probability=m, u_probability=u))
        with pytest.raises(ConfigurationError, match=f"{first.name!r} has a level with {wrong}"):
            replace(good, comparisons=(replace(first, levels=levels), *good.comparisons[1:]))


def test_training_replaces_all_levels_but_the_null_level() -> None:
    comparison = model().comparisons[4]
    trained = comparison.with_probabilities((0.1, 0.2, 0.7), (0.7, 0.2, 0.1))
    assert [level.match_weight for level in trained.levels] == [0, -281, 0, 281]
    with pytest.raises(ConfigurationError, match="3 levels; got 2 m"):
        comparison.with_probabilities((0.5, 0.5), (0.5, 0.5))


@pytest.mark.parametrize(
    ("source", "unique"),
    [
        pytest.param("school-1", "none", id="by name"),
        pytest.param("school-2", "hard", id="by kind"),
        pytest.param("school", "hard", id="kind itself"),
        pytest.param("yot-1", "soft", id="all others"),
    ],
)
def test_a_source_is_found_by_name_then_kind_then_star(source: str, unique: str) -> None:
    policies = (SourcePolicy("*", "soft"), SourcePolicy("school", "hard"), SourcePolicy("school-1", "none"))
    assert model(policies=policies).uniqueness(source).unique == unique


def test_a_source_without_policy_is_not_unique() -> None:
    assert model(policies=()).uniqueness("yot-1").unique == "none"
