"""Links inside sources that hold each thing once tell of all links: the true ones count, whatever a model believes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.estimation.implausible import most_precision

_BOTH = np.array([True, True])


def _two_sources(things: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the thing and the source of each record, of sources that hold each thing once."""
    return np.tile(np.arange(things), 2), np.repeat([0, 1], things)


@given(kind=st.integers(4, 20), kinds=st.integers(2, 30))
def test_of_kinds_taken_for_things_the_true_links_are_counted(kind: int, kinds: int) -> None:
    things, sources = _two_sources(kind * kinds)
    true = 1.0 / (2 * kind - 1)  # of the pairs of a cluster, which holds `kind` things twice
    assert most_precision(things // kind, sources, _BOTH) == pytest.approx(true, abs=0.07)


@given(things=st.integers(1, 50), single=st.integers(0, 20))
def test_things_linked_once_with_the_other_source_may_all_be_right(things: int, single: int) -> None:
    clusters, sources = _two_sources(things)
    alone = np.arange(things, things + single)
    assert most_precision(np.append(clusters, alone), np.append(sources, alone % 2), _BOTH) == 1.0


@given(clusters=st.lists(st.integers(0, 9), min_size=1, max_size=60), once=st.tuples(st.booleans(), st.booleans()))
def test_sources_say_nothing_unless_they_hold_things_once_and_never_more_than_all(
    clusters: list[int], once: tuple[bool, bool]
) -> None:
    each, sources = np.array(clusters), np.arange(len(clusters)) % 2
    assert 0.0 <= most_precision(each, sources, np.array(once)) <= 1.0
    assert most_precision(each, sources, ~_BOTH) == 1.0


@pytest.mark.parametrize(("repeats", "right"), [(10, 1.0), (30, 1 / 3)])
def test_as_many_repeats_as_mostly_allows_are_no_error(repeats: int, right: float) -> None:
    things, sources = _two_sources(100)
    clusters = np.where((sources == 0) & (things < 2 * repeats), things // 2 + 1000, np.arange(200))
    assert most_precision(clusters, sources, _BOTH) == pytest.approx(right)
