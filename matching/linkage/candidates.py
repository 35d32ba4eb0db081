"""All candidate pairs of a whole table, in chunks, each pair once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from matching.linkage.blocking import Blocker
from matching.linkage.columns import RecordColumns
from matching.linkage.hashing import MISSING, Hashes, Indices, is_among, one_of_each, sorted_unique
from matching.linkage.model import LinkageModel
from schemas.errors import ConfigurationError

CHUNK: Final = 250_000
"""Pairs that are in memory at a time, about."""

MOST_RULES: Final = 64
"""Rules are kept as bits of one word."""

_TOGETHER: Final = 8  # rules whose blocks are compared at once, as the bytes of one word
_GATHER, _TOP = np.uint64(0x0102040810204080), np.uint64(56)  # by which eight bytes of 0 or 1 become eight bits

_BESIDE: Final = 2  # how many that come next each record of a sorted block is paired with

Pairs = tuple[Indices, Indices]
Blocks = npt.NDArray[np.uint32]
Numbers = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class RuleKeys:
    """The blocks of a table by rule.

    `groups` number the block of each record under eight rules at a time, shape (records, 8): two records have one
    number where they share a key of the rule, one of them if a record has several. `several` marks the records with
    several keys of one rule (a field with alternates), `all_keys` has the rules with such records: owners and keys.
    `on_words` are the rules on words of a text: there `groups` and so `shared` say nothing.
    `stopped` are the owners and keys of blocks that are too large, by rule on several fields (of one surname there are
    too many people to look for one among them); there each record is by itself.
    """

    groups: list[Blocks]
    rules: int
    several: npt.NDArray[np.bool_]
    all_keys: dict[int, tuple[Indices, Hashes]]
    stopped: list[tuple[Indices, Hashes]]
    on_words: list[int]

    def blocks(self, rule: int) -> Blocks:
        """Return the number of each record's block under a rule."""
        return self.groups[rule // _TOGETHER][:, rule % _TOGETHER]

    def of_rule(self, rule: int) -> tuple[Indices, Blocks | Hashes]:
        """Return records, and a number of each that says which share a key; a record with several comes as often."""
        if rule in self.all_keys:
            return self.all_keys[rule]
        blocks = self.blocks(rule)
        return np.arange(len(blocks), dtype=np.int64), blocks

    def shared(self, left: Indices, right: Indices, rules: int | None = None) -> Hashes:
        """Return for each pair the bits of the rules under which it has one block; with `rules` of so many first."""
        bits, wanted = np.zeros(len(left), np.uint64), self.rules if rules is None else rules
        for place in range(0, wanted, _TOGETHER):
            group = self.groups[place // _TOGETHER]
            same = (group.take(left, axis=0) == group.take(right, axis=0)).view(np.uint64)[:, 0]
            first = min(_TOGETHER, wanted - place)
            bits |= ((same * _GATHER) >> _TOP & np.uint64((1 << first) - 1)) << np.uint64(place)
        return bits

    def shared_words(self, codes: npt.NDArray[np.uint64]) -> Hashes:
        """Return for each pair (`encode_pairs`, in order) the bits of the rules on words under which it has a key."""
        bits = np.zeros(len(codes), np.uint64)
        for rule in self.on_words:
            for pair in _pairs_within_blocks(*self.all_keys[rule], CHUNK):
                own = encode_pairs(*pair)
                at = np.minimum(np.searchsorted(codes, own), len(codes) - 1)
                bits[at[codes[at] == own]] |= np.uint64(1) << np.uint64(rule)
        return bits

    def cost(self) -> int:
        """Return how many pairs share a block, counted once for each rule: what blocking will cost at most."""
        whole = [np.bincount(self.blocks(rule)) for rule in range(self.rules) if rule not in self.on_words]
        words = [np.bincount(one_of_each(self.all_keys[rule][1])[1]) for rule in self.on_words]
        return sum(int((sizes * (sizes - 1) // 2).sum()) for sizes in (*whole, *words))


def rule_keys(columns: RecordColumns, model: LinkageModel, *, beside: bool = False) -> RuleKeys:
    """Return the blocks of a whole table, 4 bytes a record and rule, with `beside` also those that are stopped.

    Raises ConfigurationError for too many rules.
    """
    n, rules = len(columns), len(model.blocking_rules)
    if rules > MOST_RULES:
        message = f"the model has {rules} blocking rules; a whole table is linked by {MOST_RULES} at most"
        raise ConfigurationError(message)
    rids = np.arange(n, dtype=np.int64)
    # Where nothing else is said each record is in a block of its own.
    groups = [np.repeat(rids.astype(np.uint32), _TOGETHER).reshape(n, _TOGETHER) for _ in range(0, rules, _TOGETHER)]
    keys = RuleKeys(groups, rules, np.zeros(n, dtype=bool), {}, [], [])
    stop_keys = np.array(model.stop_keys, np.uint64)
    blocker = Blocker(replace(model, stop_keys=()))
    for rule, each in enumerate(blocker.keys_by_rule(columns, rids)):
        stopped = is_among(each[1], stop_keys)
        if beside and len(blocker.rules[rule].fields) > 1:
            keys.stopped.append((each[0][stopped], each[1][stopped]))
        owners, found = each[0][~stopped], each[1][~stopped]
        on_words, held = blocker.rules[rule].on_words, np.bincount(owners, minlength=n)
        if on_words:
            keys.on_words.append(rule)
        else:
            _fill_blocks(keys.blocks(rule), owners, found)
        repeated = held > (0 if on_words else 1)
        if on_words or repeated.any():
            keys.several[repeated] = True
            keys.all_keys[rule] = owners, found
    return keys


def _fill_blocks(blocks: Blocks, owners: Indices, found: Hashes) -> None:
    """Give the records of one key one number; `blocks` holds each record's own."""
    by_record = np.full(len(blocks), MISSING, np.uint64)
    by_record[owners] = found
    places, block = one_of_each(by_record)
    blocks[:] = np.where(by_record == MISSING, blocks, places.astype(np.uint32)[block])


def candidate_pairs(
    columns: RecordColumns, model: LinkageModel, chunk: int = CHUNK, *, beside: bool = False
) -> Iterator[Pairs]:
    """Yield (left, right) row numbers with left < right: every pair that shares a blocking key, each once.

    With `beside` also those that stand beside each other in a block too large to be compared (`_beside_each_other`).
    """
    keys = rule_keys(columns, model, beside=beside)
    yield from pairs_that_share(keys, chunk)
    codes = _beside_each_other(columns, keys)
    for start in range(0, len(codes), chunk):
        left, right = decode_pairs(codes[start : start + chunk])
        fresh = (keys.shared(left, right) == 0) & ~(keys.several[left] | keys.several[right])
        yield left[fresh], right[fresh]


def pairs_that_share(
    keys: RuleKeys, chunk: int = CHUNK, wanted: Callable[[Indices, Indices], npt.NDArray[np.bool_]] | None = None
) -> Iterator[Pairs]:
    """Yield the pairs that share a blocking key as `candidate_pairs` does; with `wanted` only those that it chooses.

    A pair that shares keys of several rules is given by the first of them, which is seen by comparing the records'
    blocks; so nothing has to remember the pairs already given. Only pairs in which a record has alternates (hence
    several keys of one rule) are collected to the end.
    """
    leftover: list[npt.NDArray[np.uint64]] = []
    for rule in range(keys.rules):
        for pairs in _pairs_within_blocks(*keys.of_rule(rule), chunk):
            chosen = slice(None) if wanted is None else wanted(*pairs)
            left, right = (side[chosen] for side in pairs)
            fresh = ~(keys.several[left] | keys.several[right])
            leftover.append(np.unique(encode_pairs(left[~fresh], right[~fresh])))
            fresh &= keys.shared(left, right, rule) == 0
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


def encode_pairs(left: Numbers, right: Numbers) -> npt.NDArray[np.uint64]:
    """Return one number for each unordered pair of numbers below 2^32: smaller first."""
    low, high = np.minimum(left, right).astype(np.uint64), np.maximum(left, right).astype(np.uint64)
    return (low << np.uint64(32)) | high


def decode_pairs(codes: npt.NDArray[np.uint64]) -> Pairs:
    """Return the pairs that `encode_pairs` made the numbers of."""
    return (codes >> np.uint64(32)).astype(np.int64), (codes & np.uint64(0xFFFFFFFF)).astype(np.int64)


def _beside_each_other(columns: RecordColumns, keys: RuleKeys) -> npt.NDArray[np.uint64]:
    """Return the pairs (`encode_pairs`) of near records in stopped blocks of two rules or more.

    A sorted neighbourhood (Hernandez and Stolfo 1995): each block is sorted by all values, by the first fields first
    and by the last fields first, and each record is near the next _BESIDE. So a block of many records of one person is
    connected, and clustering compares the rest; such a person fills blocks of several rules, namesakes seldom do.
    """
    if not any(len(rows) for rows, _ in keys.stopped):
        return np.empty(0, np.uint64)
    fields = columns.hashes(np.arange(len(columns), dtype=np.int64)).T
    ranks = []
    for order in (np.lexsort(fields), np.lexsort(fields[::-1])):
        ranks.append(np.empty(len(order), np.int64))
        ranks[-1][order] = np.arange(len(order))
    near = [sorted_unique(np.concatenate([*_near(*stopped, ranks)])) for stopped in keys.stopped]
    codes, times = np.unique(np.concatenate(near), return_counts=True)
    return codes[times > 1]


def _near(rows: Indices, blocks: Hashes, ranks: list[Indices]) -> Iterator[npt.NDArray[np.uint64]]:
    for rank in ranks:
        at = np.lexsort((rank[rows], blocks))
        owners, own = rows[at], blocks[at]
        for step in range(1, _BESIDE + 1):
            same = own[step:] == own[:-step]
            yield encode_pairs(owners[step:][same], owners[:-step][same])


def _pairs_within_blocks(owners: Indices, keys: Blocks | Hashes, chunk: int) -> Iterator[Pairs]:
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
