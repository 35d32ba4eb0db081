"""The index of the resident owner: from a blocking key to the records that have it, as flat arrays.

An open-addressing hash table (linear probing, Knuth 6.4) leads to a chain of postings. All operations work on whole
arrays of keys: a batch of 1,000 records costs a few dozen numpy calls instead of 8,000 dictionary look-ups, and a
posting takes about 40 bytes instead of 110. Nothing is ever removed in place: a posting that no longer holds is
marked, and the index is made again when marks outnumber the rest.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from matching.linkage.hashing import Hashes, Indices

_FREE: Final = -2  # no key in this slot
_END: Final = -1  # end of a chain
_GONE: Final = -1  # a posting whose record no longer has the key
_FIRST_SLOTS: Final = 1 << 12


class BlockIndex:
    """Which records have which blocking keys. A record number is at most 2^31."""

    def __init__(self, expected_keys: int = 0) -> None:
        n_slots = _FIRST_SLOTS
        while n_slots < 2 * expected_keys:
            n_slots *= 2
        self._keys: Hashes = np.zeros(n_slots, np.uint64)
        self._heads: npt.NDArray[np.int32] = np.full(n_slots, _FREE, np.int32)
        self._used = 0
        self._rids: npt.NDArray[np.int32] = np.zeros(_FIRST_SLOTS, np.int32)
        self._next: npt.NDArray[np.int32] = np.zeros(_FIRST_SLOTS, np.int32)
        self._postings = 0
        self._gone = 0

    def __len__(self) -> int:
        """The number of postings that hold."""
        return self._postings - self._gone

    def add(self, keys: Hashes, rids: Indices) -> None:
        """Record that each of `rids` has the key beside it. No (key, rid) may be added twice."""
        if not len(keys):
            return
        order = np.argsort(keys)
        keys, rids = keys[order], rids[order]
        firsts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
        slots = self._slots_for(keys[firsts])
        first, last = self._postings, self._postings + len(keys)
        self._reserve(last)
        self._rids[first:last] = rids
        # Within a run of equal keys each posting points at the one before it; the first at what the chain was.
        following = np.arange(first - 1, last - 1, dtype=np.int32)
        following[firsts] = self._heads[slots]
        self._next[first:last] = following
        self._heads[slots] = np.append(firsts[1:], len(keys)) - 1 + first
        self._postings = last

    def remove(self, keys: Hashes, rids: Indices) -> None:
        """Take back what `add` recorded; pairs that are not there are passed over."""
        for at, found in self._walk(keys):
            hit = found[self._rids[found] == rids[at]]
            self._rids[hit] = _GONE
            self._gone += len(hit)
        if self._gone > self._postings // 2 and self._postings > _FIRST_SLOTS:
            self._rebuild(len(self._heads))

    def candidates(self, keys: Hashes) -> tuple[Indices, Indices]:
        """Return all records that have one of the keys: positions in `keys`, and record numbers beside them."""
        positions: list[Indices] = [np.empty(0, np.int64)]
        rids: list[Indices] = [np.empty(0, np.int64)]
        for at, found in self._walk(keys):
            records = self._rids[found]
            holds = records != _GONE
            positions.append(at[holds])
            rids.append(records[holds].astype(np.int64))
        return np.concatenate(positions), np.concatenate(rids)

    def _walk(self, keys: Hashes) -> list[tuple[Indices, Indices]]:
        """Return all postings of the keys, one step of every chain at a time: (positions in keys, postings)."""
        slots = self._find(keys)
        at = np.flatnonzero(slots >= 0)
        current = self._heads[slots[at]].astype(np.int64)
        steps = []
        while len(at):
            steps.append((at, current))
            current = self._next[current].astype(np.int64)
            going = current != _END
            at, current = at[going], current[going]
        return steps

    def _find(self, keys: Hashes) -> Indices:
        """Return the slot of each key, -1 if it is not there."""
        mask = np.int64(len(self._heads) - 1)
        result = np.full(len(keys), -1, np.int64)
        at = np.arange(len(keys))
        slots = (keys & np.uint64(mask)).astype(np.int64)
        while len(at):
            free = self._heads[slots] == _FREE
            same = (self._keys[slots] == keys[at]) & ~free
            result[at[same]] = slots[same]
            going = ~(free | same)
            at, slots = at[going], (slots[going] + 1) & mask
        return result

    def _slots_for(self, keys: Hashes) -> Indices:
        """Return the slot of each of the (different) keys, taking free ones for keys that are new."""
        if 2 * (self._used + len(keys)) > len(self._heads):
            self._rebuild(2 * max(len(self._heads), self._used + len(keys)))
        slots = self._find(keys)
        at = np.flatnonzero(slots < 0)
        mask = np.int64(len(self._heads) - 1)
        self._used += len(at)
        tried = (keys[at] & np.uint64(mask)).astype(np.int64)
        while len(at):
            # Several keys may want one free slot: all write, and the one whose key is there afterwards has won.
            free = self._heads[tried] == _FREE
            self._keys[tried[free]] = keys[at[free]]
            won = free.copy()
            won[free] = self._keys[tried[free]] == keys[at[free]]
            self._heads[tried[won]] = _END
            slots[at[won]] = tried[won]
            at, tried = at[~won], (tried[~won] + 1) & mask
        return slots

    def _rebuild(self, n_slots: int) -> None:
        """Make the index again with at least so many slots, without the postings that are gone."""
        taken = np.flatnonzero(self._heads != _FREE)
        keys = [np.empty(0, np.uint64)]
        rids = [np.empty(0, np.int64)]
        slot_keys = self._keys[taken]
        for at, found in self._walk(slot_keys):
            records = self._rids[found]
            holds = records != _GONE
            keys.append(slot_keys[at[holds]])
            rids.append(records[holds].astype(np.int64))
        fresh = BlockIndex(max(n_slots // 2, self._used))
        fresh.add(np.concatenate(keys), np.concatenate(rids))
        self.__dict__.update(fresh.__dict__)

    def _reserve(self, n: int) -> None:
        if n > len(self._rids):
            more = max(n, len(self._rids) + len(self._rids) // 2) - len(self._rids)
            self._rids = np.concatenate([self._rids, np.zeros(more, np.int32)])
            self._next = np.concatenate([self._next, np.zeros(more, np.int32)])
