"""All candidate pairs of a whole table, in chunks, each pair once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.linkage.blocking import Blocker
from matching.linkage.columns import RecordColumns
from matching.linkage.hashing import MISSING, Hashes, Indices
from matching.linkage.model import LinkageModel

CHUNK: Final = 1_000_000
"""Pairs that are in memory at a time, about."""

Pairs = tuple[Indices, Indices]


@dataclass(frozen=True, slots=True)
class RuleKeys:
    """The blocking keys of a table by rule.

    `only` holds each record's key of a rule, MISSING if it has none, one of them if it has several. `several` marks the
    records with several keys of one rule (a field with alternates), `all_keys` has the rules with such records: owners
    and keys.
    """

    only: list[Hashes]
    several: npt.NDArray[np.bool_]
    all_keys: dict[int, tuple[Indices, Hashes]]

    def of_rule(self, rule: int) -> tuple[Indices, Hashes]:
        """Return the records that have a key of a rule, and the key of each; a record with several comes as often."""
        if rule in self.all_keys:
            return self.all_keys[rule]
        owners = np.flatnonzero(self.only[rule] != MISSING)
        return owners, self.only[rule][owners]

    def shared(self, rule: int, left: Indices, right: Indices) -> npt.NDArray[np.bool_]:
        """Tell which pairs have the same key of a rule."""
        first = self.only[rule][left]
        same: npt.NDArray[np.bool_] = (first == self.only[rule][right]) & (first != MISSING)
        return same


def rule_keys(columns: RecordColumns, model: LinkageModel) -> RuleKeys:
    """Return the blocking keys of a whole table, 8 bytes a record and rule."""
    n = len(columns)
    keys = RuleKeys([], np.zeros(n, dtype=bool), {})
    rids = np.arange(n, dtype=np.int64)
    for rule, (owners, found) in enumerate(Blocker(model).keys_by_rule(columns, rids)):
        by_record = np.full(n, MISSING, np.uint64)
        by_record[owners] = found
        keys.only.append(by_record)
        repeated = np.bincount(owners, minlength=n) > 1
        if repeated.any():
            keys.several[repeated] = True
            keys.all_keys[rule] = owners, found
    return keys


def candidate_pairs(columns: RecordColumns, model: LinkageModel, chunk: int = CHUNK) -> Iterator[Pairs]:
    """Yield (left, right) row numbers with left < right: every pair that shares a blocking key, each once."""
    return pairs_that_share(rule_keys(columns, model), chunk)


def pairs_that_share(
    keys: RuleKeys, chunk: int = CHUNK, wanted: Callable[[Indices, Indices], npt.NDArray[np.bool_]] | None = None
) -> Iterator[Pairs]:
    """Yield the pairs that share a blocking key as `candidate_pairs` does; with `wanted` only those that it chooses.

    A pair that shares keys of several rules is given by the first of them, which is seen by comparing the records'
    keys; so nothing has to remember the pairs already given. Only pairs in which a record has alternates (hence
    several keys of one rule) are collected to the end.
    """
    leftover: list[npt.NDArray[np.uint64]] = []
    for rule in range(len(keys.only)):
        for pairs in _pairs_within_blocks(*keys.of_rule(rule), chunk):
            chosen = slice(None) if wanted is None else wanted(*pairs)
            left, right = (side[chosen] for side in pairs)
            fresh = ~(keys.several[left] | keys.several[right])
            leftover.append(np.unique(encode_pairs(left[~fresh], right[~fresh])))
            for earlier in range(rule):
                fresh &= ~keys.shared(earlier, left, right)
            if fresh.any():
                yield left[fresh], right[fresh]
    codes = np.unique(np.concatenate(leftover)) if leftover else np.empty(0, np.uint64)
    for start in range(0, len(codes), chunk):
        yield decode_pairs(codes[start : start + chunk])


def shared_keys(columns: RecordColumns, model: LinkageModel) -> tuple[Hashes, Indices]:
    """Return the blocking keys that several records share, rule by rule, and how many share each."""
    rids = np.arange(len(columns), dtype=np.int64)
    keys, sizes = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    for _, found in Blocker(model).keys_by_rule(columns, rids):
        values, counts = np.unique(found, return_counts=True)
        keys.append(values[counts > 1])
        sizes.append(counts[counts > 1])
    return np.concatenate(keys), np.concatenate(sizes)


def encode_pairs(left: Indices, right: Indices) -> npt.NDArray[np.uint64]:
    """Return one number for each unordered pair of row numbers (below 2^32): smaller first."""
    low, high = np.minimum(left, right).astype(np.uint64), np.maximum(left, right).astype(np.uint64)
    return (low << np.uint64(32)) | high


def decode_pairs(codes: npt.NDArray[np.uint64]) -> Pairs:
    """Return the pairs that `encode_pairs` made the numbers of."""
    return (codes >> np.uint64(32)).astype(np.int64), (codes & np.uint64(0xFFFFFFFF)).astype(np.int64)


def _pairs_within_blocks(owners: Indices, keys: Hashes, chunk: int) -> Iterator[Pairs]:
    """Yield all pairs of records that share a key of one rule, about `chunk` at a time."""
    order = np.argsort(keys, kind="stable")
    owners, keys = owners[order], keys[order]
    ends = np.append(np.flatnonzero(keys[1:] != keys[:-1]) + 1, len(keys))
    # Each record is paired with those that follow it in its block.
    following = np.repeat(ends, np.diff(ends, prepend=0)) - np.arange(len(keys)) - 1
    cuts = np.append(0, np.cumsum(following))
    start = 0
    while start < len(keys):
        stop = max(int(np.searchsorted(cuts, cuts[start] + chunk, side="right")) - 1, start + 1)
        counts = following[start:stop]
        firsts = np.repeat(np.arange(start, stop), counts)
        steps = np.arange(len(firsts)) - np.repeat(cuts[start:stop] - cuts[start], counts)
        left, right = owners[firsts], owners[firsts + 1 + steps]
        if len(left):
            yield np.minimum(left, right), np.maximum(left, right)
        start = stop
