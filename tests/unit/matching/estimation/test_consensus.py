"""What rules say together, and what a person's other records say of a pair."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.estimation.consensus import of_same_people, weighed

ALL = np.ones(4, dtype=bool)
COUNTS = np.ones(4)


def told(pairs: dict[tuple[int, int], float], records: int) -> dict[tuple[int, int], float]:
    """Return the labels of pairs after all records of the same people were heard."""
    left, right = np.array(list(pairs), np.int64).T
    return dict(zip(pairs, of_same_people(left, right, np.array(list(pairs.values())), records).tolist(), strict=True))


def test_a_rule_that_stands_alone_with_what_it_says_is_hardly_heard() -> None:
    usual, odd = np.array([0.99, 0.98, 0.97, 0.01]), np.full(4, 0.01)

    labels, judged = weighed([(ALL, usual), (ALL, usual), (ALL, usual), (ALL, odd)], COUNTS)

    assert labels[:3].min() > 0.95
    assert judged.all()


def test_where_no_rule_speaks_nothing_is_judged() -> None:
    labels, judged = weighed([(np.array([True, False, False, True]), np.array([0.4, 0.6]))], COUNTS)
    assert labels == pytest.approx([0.4, 0.0, 0.0, 0.6])
    assert judged.tolist() == [True, False, False, True]


def test_an_untidy_match_is_told_by_tidier_records_of_the_same_person() -> None:
    labels = told({(0, 1): 0.99, (1, 2): 0.99, (0, 2): 0.2}, 3)
    assert labels[0, 2] > 0.8
    assert labels[0, 1] == 0.99


def test_a_doubtful_pair_of_siblings_is_told_by_their_other_records() -> None:
    labels = told({(0, 1): 0.99, (2, 3): 0.99, (0, 2): 0.4, (1, 2): 0.001, (0, 3): 0.001, (1, 3): 0.001}, 4)
    assert labels[0, 2] < 0.05


@given(st.lists(st.floats(0.0, 0.9), min_size=1, max_size=6))
def test_where_nobody_is_surely_recorded_twice_labels_stay(labels: list[float]) -> None:
    pairs = {(0, i + 1): label for i, label in enumerate(labels)}
    assert told(pairs, len(labels) + 1) == pairs
