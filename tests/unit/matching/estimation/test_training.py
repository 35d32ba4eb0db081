"""Training on households, where the nearest record is often a brother's: without labels, with numbers, with labels."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from contactpoint.model_tools.quality import measure_labels
from matching.estimation.labelled import UNLABELLED, count_labelled, expected_beside, labels_of_clusters
from matching.estimation.rules import needed_rules, propose_rules, rule_fields, whole_fields
from matching.estimation.sampling import TrainingPairs, blocked_pairs, claimed_elsewhere, group, random_pairs
from matching.estimation.store import save_model
from matching.estimation.training import Trained, train_by_identifiers, train_unsupervised, train_with_labels
from matching.estimation.unsupervised import label_without_truth
from matching.linkage.batch import link_all
from matching.linkage.columns import RecordColumns
from matching.linkage.model import BlockingRule, Field
from matching.linkage.model_json import dump_model, load_model
from tests.unit.matching.estimation.people import Population, population

TODAY = date(2026, 11, 23)


def quality(made: Population, trained: Trained) -> float:
    return measure_labels(link_all(made.columns, trained.model).clusters, made.people).f1


@pytest.mark.parametrize(
    ("unique", "least"), [pytest.param(True, 0.98, id="one-per-source"), pytest.param(False, 0.97, id="any-source")]
)
def test_training_without_labels_tells_people_from_their_households(unique: bool, least: float) -> None:
    made = population(400, unique=unique)

    trained = train_unsupervised(made.columns, made.model, on=TODAY)

    assert quality(made, trained) > least


def test_records_too_untidy_to_tell_alone_are_told_by_the_others_of_the_same_person() -> None:
    made = population(40, copies=6, errors=0.4, seed=3)

    trained = train_unsupervised(made.columns, made.model, on=TODAY)

    assert quality(made, trained) > 0.975  # pair by pair: .969


def test_nobody_is_joined_where_no_two_records_are_more_likely_one_person_than_not() -> None:
    made = population(40, copies=1)  # of two the best guess is a quarter

    trained = train_unsupervised(made.columns, made.model, on=TODAY)

    clusters = link_all(made.columns, trained.model).clusters
    assert len(np.unique(clusters)) == len(made.people)


def test_the_share_of_matches_of_each_rule_is_found_without_labels() -> None:
    made = population(400)
    pairs = blocked_pairs(made.columns, made.model, 10**6, 1)
    groups = group(pairs)
    true = np.bincount(groups.inverse, made.people[pairs.left] == made.people[pairs.right], len(groups))

    found = label_without_truth(made.model, pairs, groups, random_pairs(made.columns, made.model, 10**5, 1), 1)

    for rule in range(len(made.model.blocking_rules)):
        given, of_rule = groups.of_rule(rule), groups.of_rule(rule)[groups.inverse]
        assert found.labels[of_rule].mean() == pytest.approx(true[given].sum() / groups.counts[given].sum(), abs=0.12)


def test_agreement_of_numbers_may_label_pairs() -> None:
    made = population(300, numbers=0.6)

    trained = train_by_identifiers(made.columns, made.model, on=TODAY)

    number = trained.model.comparisons[-1]
    assert quality(made, trained) > 0.98
    assert number.levels[-1].match_weight > 500 > -200 > number.levels[1].match_weight


def test_known_people_train_a_model_for_the_others() -> None:
    made = population(300, errors=0.2)
    known = np.where(made.people % 2 == 0, made.people, UNLABELLED)

    trained = train_with_labels(made.columns, made.model, known, on=TODAY)

    others = made.people % 2 == 1
    clusters = link_all(made.columns, trained.model).clusters
    assert measure_labels(clusters[others], made.people[others]).f1 > 0.97


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_the_share_of_matches_among_unlabelled_pairs_does_not_depend_on_how_few_people_are_known(share: float) -> None:
    made = population(300, errors=0.2)
    people = np.where(np.random.default_rng(1).random(made.people.max() + 1) < share, 1, 0)[made.people]
    pairs = blocked_pairs(made.columns, made.model, 10**6, 1)
    labels = labels_of_clusters(pairs.left, pairs.right, np.where(people == 1, made.people, UNLABELLED))

    counted = count_labelled(made.model, pairs, labels).probabilities
    expected = expected_beside(pairs, labels, counted, pairs.known_non_match)

    unknown, true = np.isnan(labels), made.people[pairs.left] == made.people[pairs.right]
    assert expected[unknown].sum() == pytest.approx(true[unknown].sum(), rel=0.1)


def test_pairs_with_an_unknown_person_have_no_label() -> None:
    clusters = np.array([1, 1, 2, UNLABELLED], np.int64)

    labels = labels_of_clusters(np.array([0, 0, 0]), np.array([1, 2, 3]), clusters)

    assert labels[:2].tolist() == [1.0, 0.0]
    assert np.isnan(labels[2])


def test_training_twice_with_one_seed_gives_one_model() -> None:
    made = population(100)

    first, second = (train_unsupervised(made.columns, made.model, on=TODAY, seed=3) for _ in range(2))

    assert first.model.model_id == second.model.model_id
    assert first.curve == second.curve


@pytest.mark.parametrize("records", [0, 1, 3])
def test_a_table_too_small_to_learn_from_is_linked_all_the_same(records: int) -> None:
    made = population(3)
    columns = RecordColumns(made.model)
    columns.append([made.columns.row(rid) for rid in range(records)], ["a"] * records)

    trained = train_unsupervised(columns, made.model, on=TODAY)

    assert len(link_all(columns, trained.model).clusters) == records


def test_a_model_file_is_named_by_date_and_hash_and_read_back_whole(tmp_path: Path) -> None:
    made = population(60)
    trained = train_unsupervised(made.columns, made.model, on=TODAY)

    path = save_model(trained.model, tmp_path)

    assert path.name == f"model_2026-11-23_{trained.model.model_id}.json"
    assert load_model(path.read_text(encoding="utf-8")) == trained.model


def test_rules_are_proposed_for_any_kinds_of_fields_and_name_only_them() -> None:
    fields = [Field("title", "short_string"), Field("maker", "short_string"), Field("code", "exact")]

    rules = propose_rules(fields)

    assert {name for rule in rules for name in rule_fields(rule)} <= {"title", "maker", "code"}
    assert ("title",) in {rule.parts for rule in rules}


def test_a_rule_settles_whole_fields_and_parts_of_others() -> None:
    rule = BlockingRule("r", ("sorted(given, surname)", "year(born)", "number"))

    assert rule_fields(rule) == {"given", "surname", "born", "number"}
    assert whole_fields(rule) == {"given", "surname", "number"}


def test_only_rules_that_add_matches_are_kept() -> None:
    made = population(200)
    groups = group(blocked_pairs(made.columns, made.model, 10**6, 1))
    only_first = np.where(groups.rules == 1, 1.0, 0.0)

    kept = needed_rules(groups, only_first, len(made.model.blocking_rules))

    assert kept == [0]


@pytest.mark.parametrize("errors", [0.05, 0.2])
def test_the_precision_and_recall_expected_without_labels_are_near_the_truth(errors: float) -> None:
    made = population(400, errors=errors, unique=True)

    trained = train_unsupervised(made.columns, made.model, on=TODAY)

    true = measure_labels(link_all(made.columns, trained.model).clusters, made.people)
    assert trained.expected.precision == pytest.approx(true.precision, abs=0.03)
    assert trained.expected.recall == pytest.approx(true.recall, abs=0.05)


def test_the_model_file_keeps_the_operating_curve_of_its_training() -> None:
    trained = train_unsupervised(population(60).columns, population(60).model, on=TODAY)

    kept = load_model(dump_model(trained.model)).operating_points

    assert kept == trained.curve
    assert {p.threshold for p in kept} > {trained.model.link_threshold}
    assert [p.threshold for p in kept] == sorted(p.threshold for p in kept)


def test_a_sure_match_leaves_no_place_for_others_in_a_source_that_holds_each_person_once() -> None:
    made = population(1, unique=True)
    columns = RecordColumns(made.model)
    columns.append([made.columns.row(0)] * 4, ["a", "b", "b", "c"])
    none = np.zeros(4, dtype=bool)
    left, right = np.array([0, 0, 1, 2]), np.array([1, 2, 3, 3])
    pairs = TrainingPairs(left, right, np.zeros((4, 1), np.int8), np.zeros(4, np.uint64), none, 1.0)

    claimed = claimed_elsewhere(columns, pairs, np.array([0.99, 0.4, 0.5, 0.6]), made.model, 0.95)

    assert claimed.tolist() == [False, True, False, False]
