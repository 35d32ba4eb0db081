"""Evidence among a few records with weights given by hand, or drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
from hypothesis import strategies as st

from matching.linkage.evidence import Evidence, evidence_among
from matching.linkage.model import SourcePolicy
from tests.unit.matching.worlds import PLAIN, SOURCES, model, values

WORLDS = (
    PLAIN,
    model(),
    model(link_threshold=-100),
    model(link_threshold=300, cluster_threshold=0),
    model(link_threshold=0, prior=0.9),  # pairs that are brought together are likelier matches than not
)
Weights = Mapping[tuple[int, int], int]


def weighing(n: int, weights: Weights, *, must: Sequence[Any] = (), cannot: Sequence[Any] = ()) -> Evidence:
    """Return evidence among records k0, k1, ... that weigh this; all pairs not named weigh -900."""
    rows = [(f"k{i}", "school-1", ("", "", "", "", ""), 0) for i in range(n)]
    named = [[(f"k{a}", f"k{b}", decision) for a, b, decision in each] for each in (must, cannot)]
    found = evidence_among(PLAIN, rows, *named)
    given = [weights.get(pair, -900) for pair in combinations(range(n), 2)]
    return replace(found, weights=np.array(given, np.int64), found=np.ones(len(given), dtype=bool))


rows = st.lists(st.tuples(values, st.sampled_from(SOURCES)), min_size=1, max_size=7)


@st.composite
def evidences(draw: st.DrawFn, most: int = 7) -> Evidence:
    """Draw records that agree and disagree often, with decisions between some."""
    table = draw(rows)[:most]
    world = draw(st.sampled_from([*WORLDS, model(policies=(SourcePolicy("*", "soft", 200),))]))
    records = [(f"{source}:{i}", source, row, 0) for i, (row, source) in enumerate(table)]
    keys = [key for key, _, _, _ in records]
    pairs = st.lists(st.tuples(st.sampled_from(keys), st.sampled_from(keys), st.sampled_from("xyz")), max_size=2)
    return evidence_among(world, records, draw(pairs), draw(pairs))
