"""What other records of the same people say of a pair."""

from __future__ import annotations

from collections.abc import Collection
from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from matching.estimation.transitivity import people_recorded_often, told_by_people

Said = dict[tuple[int, int], float]


def told(pairs: Said, barred: Collection[tuple[int, int]] = ()) -> Said:
    """Return the labels of pairs after all records of the same people were heard."""
    left, right = np.array(list(pairs), np.int64).T
    labels, known = np.array(list(pairs.values())), np.array([pair in barred for pair in pairs])
    people = people_recorded_often(left, right, labels)
    if people is None:
        return pairs
    return dict(zip(pairs, told_by_people(left, right, labels, known, people).tolist(), strict=True))


def people(*sizes: int) -> Said:
    """Return sure labels of all pairs inside people of so many records each."""
    ends = np.cumsum(sizes).tolist()
    return {
        pair: 0.99 for size, end in zip(sizes, ends, strict=True) for pair in combinations(range(end - size, end), 2)
    }


def test_an_untidy_match_is_told_by_tidier_records_of_the_same_person() -> None:
    labels = told(people(4) | {(0, 3): 0.2})
    assert labels[0, 3] > 0.8
    assert labels[0, 1] == 0.99


def test_a_doubtful_pair_of_siblings_is_told_by_their_other_records() -> None:
    between = {(a, b): 0.001 for a in range(3) for b in range(3, 6)}
    assert told(people(3, 3) | between | {(0, 3): 0.4})[0, 3] < 0.05


def test_strangers_become_no_likelier_matches_however_sure_it_was_that_they_are_none() -> None:
    between = {(a, b): 1e-7 for a in range(3) for b in range(3, 6)}
    labels = told(people(3, 3) | between)
    assert all(labels[pair] <= 1e-7 for pair in between)


def test_records_that_are_barred_from_one_another_are_no_person_who_tells_anything() -> None:
    pairs = people(4, 3) | {(0, 3): 0.0, (1, 3): 0.2, (0, 4): 0.9, (1, 4): 0.4}
    assert told(pairs, barred={(0, 3)}) == pairs


@given(st.lists(st.floats(0.0, 0.9), min_size=4, max_size=4))
def test_where_most_people_have_two_records_no_other_record_is_heard(between: list[float]) -> None:
    pairs = people(2, 2, 2, 2, 2) | dict(zip([(0, 2), (0, 3), (1, 2), (1, 3)], between, strict=True))
    assert told(pairs) == pairs
