"""Known answers for the quality figures, and their agreement with counting pairs one by one."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contactpoint.model_tools.quality import Quality, Truth, measure, measure_labels, read_truth

LABELS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=25)


def test_perfect_clusters_have_every_figure_at_one() -> None:
    truth = Truth.of({"a": "P1", "b": "P1", "c": "P2"})
    quality = measure([["b", "a"], ["c"]], truth)
    assert (quality.precision, quality.recall, quality.f1, quality.bcubed_f1) == (1.0, 1.0, 1.0, 1.0)
    assert (quality.merged_clusters, quality.split_people) == (0, 0)


def test_one_cluster_for_everybody_has_full_recall_and_poor_precision() -> None:
    truth = Truth.of({"a": "P1", "b": "P1", "c": "P2", "d": "P3"})
    quality = measure([["a", "b", "c", "d"]], truth)
    assert (quality.linked_pairs, quality.true_pairs, quality.correct_pairs) == (6, 1, 1)
    assert quality.precision == pytest.approx(1 / 6)
    assert quality.recall == 1.0
    assert quality.bcubed_precision == pytest.approx((2 * 2 / 4 + 1 / 4 + 1 / 4) / 4)
    assert quality.merged_clusters == 1


def test_nothing_linked_has_full_precision_and_no_recall() -> None:
    truth = Truth.of({"a": "P1", "b": "P1", "c": "P2"})
    quality = measure([["a"], ["b"], ["c"]], truth)
    assert (quality.precision, quality.recall, quality.f1) == (1.0, 0.0, 0.0)
    assert quality.bcubed_recall == pytest.approx((1 / 2 + 1 / 2 + 1) / 3)
    assert quality.split_people == 1


def test_b_cubed_gives_the_answer_of_its_textbook_example() -> None:
    """Bagga and Baldwin 1998, their first response: {1..5} right, and {6, 7} joined with {8..12}."""
    people = ["A"] * 5 + ["B"] * 2 + ["C"] * 5
    quality = measure_labels([0] * 5 + [1] * 7, people)
    expected_precision = (5 * 1 + 2 * (2 / 7) + 5 * (5 / 7)) / 12
    assert quality.bcubed_precision == pytest.approx(expected_precision)
    assert expected_precision == pytest.approx(0.76, abs=0.005)
    assert quality.bcubed_recall == 1.0


def test_a_cluster_with_two_children_of_one_birth_counts_as_merged_twins() -> None:
    people = {"a": "T1", "b": "T2", "c": "P3", "d": "P4", "e": "T1"}
    quality = measure([["a", "b", "e"], ["c", "d"]], Truth.of(people, {"T1": 7, "T2": 7, "P4": 9}))
    assert quality.merged_clusters == 2
    assert quality.merged_twins == 1


def test_unknown_records_are_left_out_and_missing_ones_stand_alone() -> None:
    quality = measure([["a", "stranger"], ["other stranger"]], Truth.of({"a": "P1", "b": "P1"}))
    assert (quality.unknown_records, quality.missing_records) == (2, 1)
    assert (quality.records, quality.clusters, quality.recall) == (2, 2, 0.0)


@pytest.mark.parametrize("memberships", [[["a"], ["a", "b"]], [["a", "a"], ["b"]]])
def test_a_record_that_is_there_twice_is_refused(memberships: list[list[str]]) -> None:
    with pytest.raises(ValueError, match="a record is in two clusters"):
        measure(memberships, Truth.of({"a": "P1", "b": "P1"}))


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="2 cluster labels, but 1 labels of people"):
        measure_labels([1, 2], ["P1"])


def test_no_records_at_all_are_perfectly_clustered() -> None:
    quality = measure([], Truth.of({}))
    assert (quality.records, quality.f1, quality.bcubed_f1) == (0, 1.0, 1.0)


@given(LABELS)
def test_pair_counts_agree_with_counting_pairs_one_by_one(labels: list[tuple[int, int]]) -> None:
    clusters, people = zip(*labels, strict=True)
    quality = measure_labels(clusters, people)
    pairs = list(combinations(range(len(labels)), 2))
    linked = {pair for pair in pairs if clusters[pair[0]] == clusters[pair[1]]}
    true = {pair for pair in pairs if people[pair[0]] == people[pair[1]]}
    assert (quality.linked_pairs, quality.true_pairs) == (len(linked), len(true))
    assert quality.correct_pairs == len(linked & true)


@given(LABELS, st.randoms(use_true_random=False))
def test_the_order_of_records_and_the_names_of_labels_change_nothing(
    labels: list[tuple[int, int]], rng: Random
) -> None:
    shuffled = sorted(labels, key=lambda _: rng.random())
    one = measure_labels(*zip(*labels, strict=True))
    other = measure_labels([f"c{c}" for c, _ in shuffled], [f"p{p}" for _, p in shuffled])
    assert one == other


@given(LABELS)
def test_swapping_clusters_and_people_swaps_precision_and_recall(labels: list[tuple[int, int]]) -> None:
    clusters, people = zip(*labels, strict=True)
    one, other = measure_labels(clusters, people), measure_labels(people, clusters)
    assert (one.precision, one.bcubed_precision) == pytest.approx((other.recall, other.bcubed_recall))


def test_the_truth_file_gives_live_records_and_births(tmp_path: Path) -> None:
    table = pa.table(
        {
            "record_key": ["s:1", "s:2", "s:3"],
            "person": ["P1", "P2", "P1"],
            "status": ["live", "live", "merged"],
            "birth": pa.array([5, 5, 5], pa.int64()),
        }
    )
    pq.write_table(table, tmp_path / "truth.parquet")
    live = measure([["s:1", "s:2"]], read_truth(tmp_path / "truth.parquet"))
    everything = measure([["s:1", "s:2", "s:3"]], read_truth(tmp_path / "truth.parquet", status=None))
    assert (live.records, live.merged_twins, everything.records) == (2, 1, 3)


def test_the_figures_can_be_printed() -> None:
    figures = measure_labels([1, 1], ["P", "P"]).as_dict()
    assert figures["f1"] == 1.0
    assert set(figures) >= {"records", "bcubed_f1", "merged_twins", "precision", "recall"}
    assert isinstance(measure_labels([1], ["P"]), Quality)
