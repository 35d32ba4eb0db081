"""The pairs that training looks at: blocked pairs with the rules that found them, and random pairs.

Where there are too many, a fixed sample of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.estimation.em import Levels, Vectors
from matching.linkage.candidates import decode_pairs, encode_pairs, pairs_that_share, rule_keys
from matching.linkage.columns import RecordColumns
from matching.linkage.comparisons import compare
from matching.linkage.hashing import Hashes, Indices, mix, one_of_each
from matching.linkage.model import LinkageModel

_LARGEST: Final = 2.0**64
_LEVEL_BITS: Final = np.uint64(4)
_CHUNK: Final = 250_000
MOST_REPEATS: Final = 0.1
"""Matches a record inside a source that is said to hold a person once, mostly."""


@dataclass(frozen=True, slots=True)
class TrainingPairs:
    """Pairs of rows with their level codes (pairs, comparisons), and a bit for each blocking rule that gives the pair.

    `known_non_match` marks pairs of two records of one source that holds each person once. `share` of all candidate
    pairs is here.
    """

    left: Indices
    right: Indices
    levels: Levels
    rules: Hashes
    known_non_match: npt.NDArray[np.bool_]
    share: float

    def __len__(self) -> int:
        return len(self.left)


def blocked_pairs(columns: RecordColumns, model: LinkageModel, most: int, seed: int) -> TrainingPairs:
    """Return the candidate pairs of a table, or a sample of about `most` of them that depends on `seed` alone."""
    keys = rule_keys(columns, model)
    share = min(1.0, most / max(1, keys.cost()))
    found = pairs_that_share(keys, wanted=lambda left, right: _sampled(left, right, share, seed))
    codes = np.concatenate([np.empty(0, np.uint64), *(encode_pairs(*pair) for pair in found)])
    codes.sort()
    left, right = decode_pairs(codes)
    rules = keys.shared_words(codes)
    for part in _chunks(len(codes)):
        rules[part] |= keys.shared(left[part], right[part])
    del keys, found, codes
    levels = compare_in_chunks(columns, left, right, model)
    return TrainingPairs(left, right, levels, rules, same_unique_source(columns, left, right, model), share)


@dataclass(frozen=True, slots=True)
class RandomPairs:
    """Level codes (pairs, comparisons) of random pairs of different records."""

    levels: Levels


def random_pairs(columns: RecordColumns, model: LinkageModel, most: int, seed: int) -> RandomPairs:
    """Return about `most` random pairs, or all pairs of a small table."""
    n = len(columns)
    if n * (n - 1) // 2 <= most:
        left, right = np.triu_indices(n, 1)
    else:
        left, right = np.random.default_rng(seed).integers(0, n, (2, most))
        left, right = left[left != right], right[left != right]
    return RandomPairs(compare_in_chunks(columns, left.astype(np.int64), right.astype(np.int64), model))


def compare_in_chunks(columns: RecordColumns, left: Indices, right: Indices, model: LinkageModel) -> Levels:
    """Compare many pairs a part at a time, so that memory stays bounded."""
    levels = np.empty((len(left), len(model.comparisons)), np.int8)
    for part in _chunks(len(left)):
        levels[part] = compare(columns, left[part], right[part], model)
    return levels


def same_unique_source(
    columns: RecordColumns, left: Indices, right: Indices, model: LinkageModel
) -> npt.NDArray[np.bool_]:
    """Tell which pairs are two records of one source that is said to hold each person once."""
    hard = np.array([model.uniqueness(name).unique == "hard" for name in columns.source_names], dtype=bool)
    sources = columns.sources
    same: npt.NDArray[np.bool_] = (sources[left] == sources[right]) & hard[sources[left]]
    return same


def claimed_elsewhere(
    columns: RecordColumns, pairs: TrainingPairs, labels: npt.NDArray[np.float64], model: LinkageModel, sure: float
) -> npt.NDArray[np.bool_]:
    """Tell which pairs cannot match because one side has a surer match in a source that holds each person once.

    A record's match with probability `sure` or more in such a source leaves no place for another there. Among the
    pairs that remain a modest weight means much more: most other pairs of that weight were of records that are taken.
    """
    unique = keeping_their_word(columns, pairs, labels, model)
    if not unique.any():
        return np.zeros(len(pairs), dtype=bool)
    owners = np.concatenate([pairs.left, pairs.right])
    held_by = columns.sources[np.concatenate([pairs.right, pairs.left])]
    _, place = np.unique(owners * len(unique) + held_by, return_inverse=True)
    twice = np.concatenate([labels, labels])
    best = np.zeros(int(place.max(initial=-1)) + 1)
    np.maximum.at(best, place, twice)
    taken = unique[held_by] & (best[place] >= sure) & (twice < best[place])
    claimed: npt.NDArray[np.bool_] = taken[: len(pairs)] | taken[len(pairs) :]
    return claimed


def keeping_their_word(
    columns: RecordColumns, pairs: TrainingPairs, labels: npt.NDArray[np.float64], model: LinkageModel
) -> npt.NDArray[np.bool_]:
    """Tell which sources hold each person once: by their policy, and where that is soft by their expected matches."""
    said = [model.uniqueness(name).unique for name in columns.source_names]
    left, right = columns.sources[pairs.left], columns.sources[pairs.right]
    inside = np.bincount(left[left == right], labels[left == right], len(said)) / pairs.share
    mostly = inside <= MOST_REPEATS * np.bincount(columns.sources, minlength=len(said))
    hard, soft = (np.array([each == kind for each in said], dtype=bool) for kind in ("hard", "soft"))
    unique: npt.NDArray[np.bool_] = hard | (soft & mostly)
    return unique


@dataclass(frozen=True, slots=True)
class Groups:
    """Pairs grouped by comparison vector, rules and whether they are known not to match.

    `vectors` are the unique comparison vectors (vectors, comparisons), `vector` the one of each group, `inverse` the
    group of each pair.
    """

    vectors: Levels
    vector: Indices
    rules: Hashes
    known_non_match: npt.NDArray[np.bool_]
    counts: npt.NDArray[np.float64]
    inverse: Indices

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def levels(self) -> Levels:
        """The comparison vector of each group."""
        return self.vectors[self.vector]

    def of_rule(self, rule: int) -> npt.NDArray[np.bool_]:
        """Tell which groups a rule gives."""
        given: npt.NDArray[np.bool_] = (self.rules >> np.uint64(rule)) & np.uint64(1) == 1
        return given

    def counted(self, rule: int) -> Vectors:
        """Return the comparison vectors of the pairs that one rule gives."""
        given = self.of_rule(rule)
        known = given & self.known_non_match
        given &= ~known
        counts = np.bincount(self.vector[given], self.counts[given], len(self.vectors))
        non_matches = np.bincount(self.vector[known], self.counts[known], len(self.vectors))
        there = np.flatnonzero(counts + non_matches)
        return Vectors(self.vectors[there], counts[there].astype(np.float64), non_matches[there].astype(np.float64))

    def share(self, rule: int, labels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the mean label of the pairs of each vector of `counted(rule)`; `labels` are those of groups."""
        given = self.of_rule(rule)
        vector, counts = self.vector[given], self.counts[given]
        there = np.unique(vector)
        expected = np.bincount(vector, labels[given] * counts)[there]
        unknown = np.bincount(vector, counts * ~self.known_non_match[given])[there]
        return expected / np.maximum(unknown, 1.0)

    def mean(self, labels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the mean of the labels of each group's pairs."""
        return np.bincount(self.inverse, labels, len(self)) / self.counts


def group(pairs: TrainingPairs) -> Groups:
    """Group pairs that training cannot tell apart, in order of vector, rules and what is known."""
    vectors = np.zeros(len(pairs), np.uint64)
    for column in pairs.levels.T:
        vectors = (vectors << _LEVEL_BITS) | column.astype(np.uint64)
    first, which = one_of_each(mix(mix(vectors) ^ pairs.rules) ^ pairs.known_non_match)
    order = np.lexsort((pairs.known_non_match[first], pairs.rules[first], vectors[first]))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    first, inverse = first[order], place[which]
    own, vector = one_of_each(vectors[first])
    counts = np.bincount(inverse, minlength=len(first)).astype(np.float64)
    known = pairs.known_non_match[first]
    return Groups(pairs.levels[first[own]], vector, pairs.rules[first], known, counts, inverse)


def _chunks(pairs: int) -> Iterator[slice]:
    return (slice(start, start + _CHUNK) for start in range(0, pairs, _CHUNK))


def _sampled(left: Indices, right: Indices, share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Choose a share of pairs by a hash of each, so that the choice does not depend on their order."""
    if share >= 1.0:
        return np.ones(len(left), dtype=bool)
    scrambled = mix(mix(encode_pairs(left, right)) ^ np.uint64(seed))
    chosen: npt.NDArray[np.bool_] = scrambled.astype(np.float64) < share * _LARGEST
    return chosen
