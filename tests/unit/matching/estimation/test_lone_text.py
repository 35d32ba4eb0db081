"""A table of one text: matches are told by how many pairs there are at each level, and by the nearest record."""

from __future__ import annotations

from datetime import date

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from matching.estimation.lone_text import share_of_matches
from matching.estimation.specification import untrained_model
from matching.estimation.training import train_unsupervised
from matching.linkage.batch import link_all
from matching.linkage.columns import columns_of
from matching.linkage.model import Field, SourcePolicy
from matching.linkage.words import LEVELS, weighed

_M = np.array([m for _, m, _ in LEVELS])
_PARTS = ("ALPHA BEACON CASTLE DELTA EAGLE FALCON".split(), "BAKERY FOODS MOTORS TEXTILES ENERGY".split())


@given(st.lists(st.integers(0, 10_000), min_size=len(_M), max_size=len(_M)))
def test_nearer_pairs_never_match_less_often(counts: list[int]) -> None:
    shares = share_of_matches(np.array(counts, float), _M)
    assert (np.diff(shares) >= 0.0).all()
    assert ((shares > 0.0) & (shares < 1.0)).all()


def test_pairs_beyond_what_chance_leaves_are_matches() -> None:
    falling = np.array([9e4, 4e4, 4000, 1000, 250, 60, 1, 0, 0])
    often = np.array([9e4, 4e4, 4000, 3800, 3600, 3400, 1, 0, 0])
    assert share_of_matches(falling, _M)[5] < 0.1
    assert share_of_matches(often, _M)[5] > 0.8


def _linked(names: list[str], sources: list[str], policies: list[SourcePolicy]) -> list[int]:
    model = untrained_model("table", [Field("name", "text")], policies)
    columns = columns_of(model, [[value] for value in weighed(names)], sources)
    trained = train_unsupervised(columns, model, on=date(2026, 11, 28))
    clusters: list[int] = link_all(columns, trained.model, scored=trained.scored).clusters.tolist()
    return clusters


def test_the_names_of_two_lists_are_linked_though_nothing_else_is_known() -> None:
    rng = np.random.default_rng(1)
    surnames = ["".join(rng.choice(list("ABDEGIKLMNORSTU"), 7)) for _ in range(120)]
    first = [f"{name} {_PARTS[1][i % 5]} {_PARTS[0][i % 6]}" for i, name in enumerate(surnames)]
    second = [f"{name} {_PARTS[1][i % 5]} LTD" for i, name in enumerate(surnames[:60])]
    found = _linked([*first, *second], ["a"] * 120 + ["b"] * 60, [SourcePolicy("*", "soft")])
    assert sum(found[120 + i] == found[i] for i in range(60)) >= 55
    assert len(set(found[:120])) == 120
