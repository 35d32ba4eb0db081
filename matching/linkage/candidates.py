"""All candidate pairs of a whole table, in chunks, each pair once."""

from __future__ import annotations

from collections.abc import Iterator
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


def candidate_pairs(columns: RecordColumns, model: LinkageModel, chunk: int = CHUNK) -> Iterator[Pairs]:
    """Yield (left, right) row numbers with left < right: every pair that shares a blocking key, each once.

    A pair that shares keys of several rules is given by the first of them, which is seen by comparing the records'
    keys; so nothing has to remember the pairs already given. Only pairs in which a record has alternates (hence
    several keys of one rule) are collected to the end.
    """
    rids = np.arange(len(columns), dtype=np.int64)
    rules = list(Blocker(model).keys_by_rule(columns, rids))
    only_key, several = _only_keys(rules, len(columns))
    leftover: list[npt.NDArray[np.uint64]] = []
    for rule, (owners, keys) in enumerate(rules):
        for left, right in _pairs_within_blocks(owners, keys, chunk):
            simple = ~(several[left] | several[right])
            leftover.append(np.unique(encode_pairs(left[~simple], right[~simple])))
            earlier = _share_an_earlier_rule(only_key, rule, left, right)
            fresh = simple & ~earlier
            if fresh.any():
                yield left[fresh], right[fresh]
    codes = np.unique(np.concatenate(leftover)) if leftover else np.empty(0, np.uint64)
    for start in range(0, len(codes), chunk):
        yield decode_pairs(codes[start : start + chunk])


def oversize_keys(columns: RecordColumns, model: LinkageModel, most: int) -> list[int]:
    """Return the blocking keys that more than `most` records share: what a model's stop list is made of."""
    rids = np.arange(len(columns), dtype=np.int64)
    stopped: list[int] = []
    for _, keys in Blocker(model).keys_by_rule(columns, rids):
        values, counts = np.unique(keys, return_counts=True)
        stopped.extend(values[counts > most].tolist())
    return sorted(stopped)


def encode_pairs(left: Indices, right: Indices) -> npt.NDArray[np.uint64]:
    """Return one number for each unordered pair of row numbers (below 2^32): smaller first."""
    low, high = np.minimum(left, right).astype(np.uint64), np.maximum(left, right).astype(np.uint64)
    return (low << np.uint64(32)) | high


def decode_pairs(codes: npt.NDArray[np.uint64]) -> Pairs:
    """Return the pairs that `encode_pairs` made the numbers of."""
    return (codes >> np.uint64(32)).astype(np.int64), (codes & np.uint64(0xFFFFFFFF)).astype(np.int64)


def _only_keys(rules: list[tuple[Indices, Hashes]], n: int) -> tuple[list[Hashes], npt.NDArray[np.bool_]]:
    """Return each record's key by rule (MISSING if it has none), and which records have several keys of one rule."""
    only_key: list[Hashes] = []
    several = np.zeros(n, dtype=bool)
    for owners, keys in rules:
        by_record = np.full(n, MISSING, np.uint64)
        by_record[owners] = keys
        only_key.append(by_record)
        several |= np.bincount(owners, minlength=n) > 1
    return only_key, several


def _share_an_earlier_rule(only_key: list[Hashes], rule: int, left: Indices, right: Indices) -> npt.NDArray[np.bool_]:
    shared = np.zeros(len(left), dtype=bool)
    for keys in only_key[:rule]:
        first = keys[left]
        shared |= (first == keys[right]) & (first != MISSING)
    return shared


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
