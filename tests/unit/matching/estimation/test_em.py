"""Known answers: data are drawn from chosen m, u and prior, and EM must find them again."""

from __future__ import annotations

import numpy as np
import pytest

from matching.estimation.em import Fit, Free, Kin, Moves, Vectors, fit, judge, posteriors
from matching.estimation.probabilities import Probabilities, Table, estimate, level_table, log_ratios
from matching.linkage.model import MAX_LEVELS

M = [(0.05, 0.05, 0.90), (0.10, 0.20, 0.70), (0.02, 0.98), (0.15, 0.85)]
U = [(0.90, 0.08, 0.02), (0.70, 0.20, 0.10), (0.50, 0.50), (0.95, 0.05)]
PRIOR = 0.2
EVERY = np.ones(len(M), dtype=bool)


def table(rows: list[tuple[float, ...]]) -> Table:
    made = np.ones((len(rows), MAX_LEVELS))
    for place, row in enumerate(rows):
        made[place, 1 : len(row) + 1] = row
    return made


def drawn(count: int, prior: float, seed: int, missing: float = 0.0) -> Vectors:
    generator = np.random.default_rng(seed)
    matched = generator.random(count) < prior
    columns = []
    for m, u in zip(M, U, strict=True):
        codes = np.where(matched, generator.choice(len(m), count, p=m), generator.choice(len(u), count, p=u)) + 1
        codes[generator.random(count) < missing] = 0
        columns.append(codes)
    levels, counts = np.unique(np.array(columns, np.int8).T, axis=0, return_counts=True)
    return Vectors(levels, counts.astype(np.float64), np.zeros(len(levels)))


def fitted(vectors: Vectors, start: Probabilities) -> Fit:
    return fit(vectors, start, start, Free(m=True, u=EVERY, comparisons=EVERY), steps=2000)


START = Probabilities(
    table([(0.1, 0.2, 0.7), (0.2, 0.2, 0.6), (0.2, 0.8), (0.3, 0.7)]),
    table([(0.7, 0.2, 0.1), (0.6, 0.2, 0.2), (0.6, 0.4), (0.7, 0.3)]),
)


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_em_recovers_the_m_u_and_prior_that_the_data_were_drawn_from(missing: float) -> None:
    found = fitted(drawn(400_000, PRIOR, seed=1, missing=missing), START)

    assert found.prior == pytest.approx(PRIOR, abs=0.01)
    assert found.probabilities.m == pytest.approx(table(M), abs=0.02)
    assert found.probabilities.u == pytest.approx(table(U), abs=0.02)


def test_em_finds_the_share_of_matches_when_m_and_u_are_known() -> None:
    known = Probabilities(table(M), table(U))

    found = fit(drawn(100_000, 0.03, seed=2), known, known, Free(m=False, u=~EVERY, comparisons=EVERY))

    assert found.prior == pytest.approx(0.03, abs=0.003)
    assert (found.probabilities.m == known.m).all()
    assert (found.probabilities.u == known.u).all()


def test_a_comparison_that_is_not_looked_at_keeps_its_probabilities() -> None:
    looked_at = np.array([True, True, True, False])

    found = fit(drawn(20_000, PRIOR, seed=3), START, START, Free(m=True, u=looked_at, comparisons=looked_at))

    assert (found.probabilities.m[3] == START.m[3]).all()
    assert (found.probabilities.m[0] != START.m[0]).any()


def test_pairs_known_not_to_match_shape_u_but_not_the_share_of_matches() -> None:
    vectors = drawn(50_000, PRIOR, seed=4)
    known = Vectors(
        vectors.levels, vectors.counts, drawn(50_000, 0.0, seed=4).counts.sum() * np.eye(1, len(vectors.levels))[0]
    )
    free = Free(m=False, u=EVERY, comparisons=EVERY)
    start = Probabilities(table(M), START.u)

    without, with_them = (fit(each, start, start, free) for each in (vectors, known))

    assert with_them.probabilities.u[0, known.levels[0, 0]] > without.probabilities.u[0, known.levels[0, 0]]
    assert with_them.prior < 0.5


def test_a_missing_value_is_no_evidence() -> None:
    known = Probabilities(table(M), table(U))

    said = posteriors(np.zeros((1, len(M)), np.int8), known, 0.3, EVERY)

    assert said == pytest.approx([0.3])


def test_probabilities_near_nought_and_one_stay_finite() -> None:
    known = Probabilities(table([(1e-9, 1.0 - 1e-9)]), table([(1.0 - 1e-9, 1e-9)]))

    said = posteriors(np.array([[1], [2]], np.int8), known, 0.5, np.ones(1, dtype=bool))

    assert np.isfinite(said).all()
    assert said[0] < 1e-6 < 1.0 - 1e-6 < said[1]


def test_exchanging_m_and_u_negates_every_weight() -> None:
    forth, back = Probabilities(table(M), table(U)), Probabilities(table(U), table(M))

    assert log_ratios(forth) == pytest.approx(-log_ratios(back))


def test_a_mover_differs_in_postcode_and_address_together_and_is_still_a_match() -> None:
    m = table([(0.01, 0.99), (0.05, 0.95), (0.05, 0.95)])
    u = table([(0.99, 0.01), (0.90, 0.10), (0.90, 0.10)])
    places = np.array([False, True, True])
    moved = np.array([[2, 1, 1]], np.int8)

    alone = judge(moved, Probabilities(m, u), 0.2, np.ones(3, dtype=bool))
    allowed = judge(moved, Probabilities(m, u), 0.2, np.ones(3, dtype=bool), Moves(places, u, 0.1))

    assert alone.matched[0] < 0.15
    assert allowed.matched[0] > 0.65
    assert allowed.stayed[0] < 0.1


def test_a_level_that_was_never_seen_keeps_the_weight_it_started_with() -> None:
    start = Probabilities(table([(0.2, 0.1, 0.7)]), table([(0.9, 0.05, 0.05)]))
    matches, others = np.array([[3]] * 6_000, np.int8), np.array([[1]] * 6_000, np.int8)

    m = estimate(level_table(matches, np.ones(len(matches))), start.m)
    u = estimate(level_table(others, np.ones(len(others))), start.u)

    assert np.log(m[0, 2] / u[0, 2]) == pytest.approx(np.log(0.1 / 0.05), abs=1e-6)


def drawn_classes(*classes: tuple[Table, int]) -> Vectors:
    generator = np.random.default_rng(6)
    drawn_levels = [np.array([1 + (generator.random(n) < row[2]) for row in each[:3]]).T for each, n in classes]
    levels, counts = np.unique(np.concatenate(drawn_levels).astype(np.int8), axis=0, return_counts=True)
    return Vectors(levels, counts.astype(np.float64), np.zeros(len(levels)))


def test_relatives_are_told_from_one_person_by_their_forenames() -> None:
    m = table([(0.05, 0.95), (0.05, 0.95), (0.1, 0.9)])  # forename, birth date, address
    strangers, kin = table([(0.95, 0.05), (0.98, 0.02), (0.9, 0.1)]), table([(0.95, 0.05), (0.6, 0.4), (0.05, 0.95)])
    vectors = drawn_classes((m, 10_000), (strangers, 40_000), (kin, 50_000))
    start, free = (
        Probabilities(m, strangers),
        Free(m=False, u=np.ones(3, dtype=bool), comparisons=np.ones(3, dtype=bool)),
    )
    relatives = Kin(np.array([False, True, True]), (m + strangers) / 2, 0.5)

    alone, told = fit(vectors, start, start, free), fit(vectors, start, start, free, steps=1000, kin=relatives)

    assert told.prior == pytest.approx(0.1, abs=0.01)
    assert told.kin is not None
    assert told.kin.u[1, 2] == pytest.approx(0.4, abs=0.05)
    assert abs(alone.prior - 0.1) > abs(told.prior - 0.1)
