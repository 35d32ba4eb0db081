"""Matches among the pairs of a table that has one text and nothing else to tell its records by.

One comparison cannot say by itself what its matches look like: EM would fit any share of matches as well. Three things
are known all the same. Most pairs with nine tenths in common match, which says how many matches there are; the m that
training starts with says at which levels they fall. Chance agreement falls off: of blocked pairs that do not match,
about half as many have a tenth more in common (.3 to .6 in twelve tables of names and titles), and what there is beyond
that are matches, as where things are recorded often. In a source that holds each thing once only the nearest counts;
elsewhere what is beyond chance must have more in common, as a list of names made of the same words has many such pairs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.estimation.probabilities import Probabilities, estimate, level_table, starting_probabilities
from matching.estimation.sampling import Groups, TrainingPairs, group, keeping_their_word
from matching.estimation.unsupervised import Labelling
from matching.linkage.columns import RecordColumns
from matching.linkage.model import MAX_LEVELS, LinkageModel
from matching.linkage.words import STEPS

_FALLS: Final = 0.5
_HALF, _SIX, _EIGHT, _SURE = (STEPS.index(step) + 1 for step in (0.5, 0.6, 0.8, 0.9))  # levels, from the lowest
_MATCH_IF_SURE: Final = 0.9
_LEAST, _MOST = 0.005, 0.98
_WORTH: Final = 0.05  # share of matches below which a level is expected to have none: its pairs are too many

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def is_lone_text(model: LinkageModel) -> bool:
    """Tell whether a model compares one text and nothing else."""
    return [comparison.kind for comparison in model.comparisons] == ["text"]


def label_lone_text(
    columns: RecordColumns, model: LinkageModel, pairs: TrainingPairs, groups: Groups
) -> tuple[Labelling, Groups]:
    """Estimate m, u, prior and labels by how many blocked pairs each level has; return also the groups used."""
    found = _labelled(model, groups, _EIGHT)
    beaten = beaten_by_nearer(columns, pairs, keeping_their_word(columns, pairs, found.labels, model))
    if not beaten.any():
        return found, groups
    groups = group(replace(pairs, known_non_match=pairs.known_non_match | beaten))
    return _labelled(model, groups, _SIX), groups


def share_of_matches(counts: Floats, m: Floats, least: int = _EIGHT) -> Floats:
    """Return the share of matches among the pairs of each level, from the lowest up, never less than of the one below.

    `counts` are the pairs at each level: with less than the first of STEPS in common, from each of them on, and equal.
    From the level `least` up those that are more than chance leaves are matches.
    """
    matches = _MATCH_IF_SURE * counts[_SURE:].sum() * m / m[_SURE:].sum()
    chance = counts.copy()
    for level in range(_HALF + 1, len(counts)):
        chance[level] = min(counts[level], chance[level - 1] * _FALLS)
    chance[:least] = counts[:least]
    more = np.maximum(matches, counts - chance)
    shares = np.divide(more, counts, out=np.zeros_like(m), where=counts > 0)
    shares[_SURE:] = np.maximum(shares[_SURE:], _MATCH_IF_SURE)
    return np.clip(np.maximum.accumulate(shares), _LEAST, _MOST)


def beaten_by_nearer(columns: RecordColumns, pairs: TrainingPairs, once: Bools) -> Bools:
    """Tell which pairs have a record that is nearer to another one in a source that holds each thing once (`once`).

    So are two records of such a source.
    """
    sources, n = columns.sources, len(pairs)
    owners, others = np.concatenate([pairs.left, pairs.right]), np.concatenate([pairs.right, pairs.left])
    held_by, nearness = sources[others], np.tile(pairs.levels[:, 0], 2)
    _, place = np.unique(owners * len(once) + held_by, return_inverse=True)
    best = np.zeros(int(place.max(initial=-1)) + 1, np.int8)
    np.maximum.at(best, place, nearness)
    beaten = once[held_by] & ((nearness < best[place]) | (sources[owners] == held_by))
    either: Bools = beaten[:n] | beaten[n:]
    return either


def _labelled(model: LinkageModel, groups: Groups, least: int) -> Labelling:
    start, used = starting_probabilities(model), slice(1, len(model.comparisons[0].levels))
    levels, heard = groups.levels[:, 0], groups.counts * ~groups.known_non_match
    by_level = np.zeros(MAX_LEVELS)
    counts = np.bincount(levels, heard, MAX_LEVELS)[used].astype(np.float64)
    by_level[used] = share_of_matches(counts, start.m[0, used], least)
    shares = by_level[levels]
    probabilities = Probabilities(
        estimate(level_table(groups.levels, shares * heard), start.m),
        estimate(level_table(groups.levels, (1.0 - shares) * heard), start.u),
    )
    prior = float(np.clip((shares * heard).sum() / max(1.0, heard.sum()), 1e-6, 1.0 - 1e-6))
    labels = np.where((shares > _WORTH) & ~groups.known_non_match, shares, 0.0)
    return Labelling(probabilities, prior, labels[groups.inverse])
