"""What a person should know before using the clusters: columns that say little, and expectations that are low."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from contactpoint.table_link.config import LinkConfig
from contactpoint.table_link.reading import Table, texts
from matching.estimation.lone_text import is_lone_text
from matching.estimation.training import Trained
from matching.linkage.columns import RecordColumns
from matching.linkage.hashing import Indices
from matching.linkage.model import NULL_LEVEL, LinkageModel
from matching.linkage.scoring import match_probability, total_weights

_MOSTLY_MISSING: Final = 0.95
_MANY_UNREAD: Final = 0.05
_LOW_PRECISION, _LOW_RECALL = 0.9, 0.8
FEW_MATCHES: Final = 30
"""Expected matches below which links are mostly wrong, as in a table without duplicates."""

_SURE: Final = 0.95
_LARGE: Final = 100
_NAMES: Final = frozenset({"given_name", "surname"})


def warnings_of(table: Table, config: LinkConfig, columns: RecordColumns, model: LinkageModel) -> list[str]:
    """Return what is wrong with single fields of the table."""
    rids = np.arange(len(columns), dtype=np.int64)
    said: list[str] = []
    if is_lone_text(model):
        said.append(
            f"{model.fields[0].name} is the only evidence, so it is compared by its words, and how many pairs match is "
            "guessed from how alike they are: look at the pairs (--pairs), or add a column"
        )
    elif not any(field.kind in _NAMES for field in config.fields.values()):
        said.append(
            "no column was taken for a person's name: if the table is not of persons, what is expected is mostly too "
            "good, so look at the pairs (--pairs); if it is, set the kinds in LINK.toml (--save-config)"
        )
    for place, name in enumerate(field.name for field in model.fields):
        folded = columns.texts(rids, place)
        there, field = sum(map(bool, folded)), config.fields[name]
        given = np.zeros(len(columns), dtype=bool)
        for column in field.used:
            given |= np.array([value.strip() != "" for value in texts(table, column)], dtype=bool)
        unread = int(given.sum()) - there
        if unread > _MANY_UNREAD * len(columns):
            said.append(f"{name}: {unread:,} of {given.sum():,} values are no {field.kind} and count as missing")
        if there < (1.0 - _MOSTLY_MISSING) * len(columns):
            said.append(f"{name}: only {there:,} of {len(columns):,} records have a value")
        elif len(set(folded) - {""}) == 1:
            said.append(f"{name}: always the same, so it tells nothing")
    return said


def expectations(model: LinkageModel, trained: Trained | None, largest: int, cut: Sequence[Indices] = ()) -> list[str]:
    """Return where the linkage as a whole should not be trusted without a look at it.

    `cut` are the records of each component that was too large to be clustered whole (`Resolution.oversize`).
    """
    said: list[str] = []
    if _best_probability(model) < _SURE:
        said.append(
            f"two records that agree in everything match with probability {_best_probability(model):.2f}: "
            "the columns hold too little to link safely; add some, or link only where a person looks"
        )
    if trained is not None and trained.expected_matches < FEW_MATCHES:
        said.append(
            f"about {trained.expected_matches:.0f} pairs are expected to match: if the table has no duplicates, "
            "every link is wrong; look at all of them (--pairs)"
        )
    if trained is not None and trained.expected.precision < _LOW_PRECISION:
        said.append(f"about {100 * (1 - trained.expected.precision):.0f} of 100 linked pairs are expected to be wrong")
    if trained is not None and trained.expected.recall < _LOW_RECALL:
        said.append(f"about {100 * (1 - trained.expected.recall):.0f} of 100 true pairs are expected to be missed")
    if cut:
        said.append(
            f"{len(cut):,} groups of connected records, {sum(map(len, cut)):,} in all, were larger than "
            f"{model.component_cap:,} and were cut at their weakest links: look for a value that many people share by "
            "mistake and leave it empty"
        )
    if largest > _LARGE:
        said.append(f"the largest cluster has {largest:,} records: look whether that can be")
    return said


def too_often(source: str | None, most_precision: float) -> list[str]:
    """Return what links inside sources tell of all, where these hold things mostly once and links say otherwise."""
    if most_precision >= _LOW_PRECISION:
        return []
    said = (
        f"many records of one {source} are linked with each other: if each holds a person or thing once, about "
        f'{100 * (1 - most_precision):.0f} of 100 linked pairs are wrong; if not, set unique_in_source to "no"'
    )
    return [said]


def _best_probability(model: LinkageModel) -> float:
    """Return the match probability of two records that agree in everything."""
    best = []
    for comparison in model.comparisons:
        ratios = [
            level.m_probability / level.u_probability if place != NULL_LEVEL else 1.0
            for place, level in enumerate(comparison.levels)
        ]
        best.append(int(np.argmax(ratios)))
    return match_probability(int(total_weights(np.array([best], np.int8), model)[0]))
