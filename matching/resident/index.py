"""The index of the resident owner: from a blocking key to the records that have it, as flat arrays.

An open-addressing hash table (linear probing, Knuth 6.4) leads to a chain of postings. All operations work on whole
arrays of keys: a batch of 1,000 records costs a few dozen numpy calls instead of 8,000 dictionary look-ups, and a
key of a record takes about 20 bytes instead of 110. Nothing is ever removed in place: a posting that no longer holds is
marked, and the index is made again when marks outnumber the rest.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from matching.linkage.growing import grown
from matching.linkage.hashing import MISSING, Hashes, Indices

_END: Final = -1  # end of a chain
_ONE: Final = -2  # less a record's number: the key is that record's alone
_GONE: Final = -1  # a posting whose record no longer has the key
_FIRST: Final = 1 << 12  # slots, and postings, of an empty index
_FULLEST: Final = 0.72  # share of the slots that are taken at most
_HALF: Final = np.uint64(32)
_NEIGHBOURS: Final = 8  # slots that a search looks at in its second step: 64 bytes, what memory gives at once
_WIDEST: Final = 128
_SPARE: Final = 2 * _WIDEST  # slots after the last one that is taken, so that no search comes to the end
_PACE: Final = 8  # slots that are moved for each new key while the index grows
_LEAST: Final = 1 << 12  # slots that are moved at a time, and at most:
_PART: Final = 1 << 18
_HIGHS: Final = 1 << 32  # a key's home goes by its high half

Ints = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]


class _Groups:
    """Keys in order: `order` sorts them, `keys` are the different ones, `number` says which one each sorted one is."""

    __slots__ = ("keys", "number", "order")

    def __init__(self, keys: Hashes) -> None:
        self.order = np.argsort(keys)
        ordered = keys[self.order]
        first = np.ones(len(keys), dtype=bool)
        np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
        self.keys, self.number = ordered[first], np.cumsum(first) - 1


class BlockIndex:
    """Which records have which blocking keys. A record number is below 2^31 - 2, and no key is MISSING.

    `_heads` says for each slot where its chain of postings begins, that it is empty, or which one record has the key:
    most keys belong to one record, and need no posting.

    The index grows by a quarter without a pause: from the last slot down the keys move to where they belong among
    `_wider` slots, some with each batch, in the same arrays. Keys below `_cut` (of the high half) have not moved yet,
    their homes are the first `_unmoved` of `_width` slots.
    """

    def __init__(self, expected_keys: int = 0) -> None:
        self._width = self._wider = max(_FIRST, int(expected_keys / _FULLEST) + 1)
        self._unmoved = self._cut = 0
        self._keys: Hashes = np.zeros(0, np.uint64)  # MISSING: a free slot
        self._heads: Ints = np.zeros(0, np.int32)
        self._widen(self._width)
        self._used = 0
        self._rids: Ints = np.zeros(_FIRST, np.int32)
        self._next: Ints = np.zeros(_FIRST, np.int32)
        self._postings = 0
        self._gone = 0
        self._held = 0

    def __len__(self) -> int:
        """The number of (key, record) pairs that hold."""
        return self._held

    def add(self, keys: Hashes, rids: Indices) -> None:
        """Record that each of `rids` has the key beside it. No (key, rid) may be added twice."""
        if len(keys):
            groups = _Groups(keys)
            self._hold(self._slots_for(groups.keys)[groups.number], rids[groups.order])

    def add_and_find(self, keys: Hashes, rids: Indices, new: Bools) -> tuple[Indices, Indices]:
        """Add the `new` ones of the pairs, then answer as `candidates` does; the others are there already."""
        if not len(keys):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        groups = _Groups(keys)
        slots, fresh = self._slots_for(groups.keys)[groups.number], new[groups.order]
        self._hold(slots[fresh], rids[groups.order[fresh]])
        at, found = self._records_at(slots)
        return groups.order[at], found

    def _hold(self, slots: Indices, rids: Indices) -> None:
        """Record that records have the keys of slots; equal slots stand together."""
        self._held += len(slots)
        firsts = np.flatnonzero(np.diff(slots, prepend=-1))
        counts = np.diff(firsts, append=len(slots))
        slots = slots[firsts]
        heads = self._heads[slots]
        only = (heads == _END) & (counts == 1)
        self._heads[slots[only]] = _ONE - rids[firsts[only]]
        # A key that one record had until now gets postings for that record, too.
        had_one = heads <= _ONE
        followers = np.where(had_one, self._chain((_ONE - heads[had_one]).astype(np.int64), had_one), heads)
        many = ~only
        self._prepend(slots[many], rids[np.repeat(many, counts)], counts[many], followers[many])

    def _chain(self, rids: Indices, places: npt.NDArray[np.bool_]) -> Ints:
        """Write a posting that ends its chain for each record; return them at their places."""
        first, last = self._postings, self._postings + len(rids)
        self._reserve(last)
        self._rids[first:last], self._next[first:last] = rids, _END
        self._postings = last
        at = np.full(len(places), _END, np.int32)
        at[places] = np.arange(first, last)
        return at

    def _prepend(self, slots: Indices, rids: Indices, counts: Indices, followers: Ints) -> None:
        """Write postings, so many in a row for each slot, before those that its chain has."""
        first, last = self._postings, self._postings + len(rids)
        self._reserve(last)
        self._rids[first:last] = rids
        ends = np.cumsum(counts)
        # Within a row each posting points at the one before it; the first at what the chain was.
        following = np.arange(first - 1, last - 1, dtype=np.int32)
        following[ends - counts] = followers
        self._next[first:last] = following
        self._heads[slots] = ends - 1 + first
        self._postings = last

    def remove(self, keys: Hashes, rids: Indices) -> None:
        """Take back what `add` recorded; pairs that are not there are passed over."""
        slots = self._find(keys)
        at = np.flatnonzero(slots >= 0)
        alone = at[self._heads[slots[at]] == _ONE - rids[at]]
        self._heads[slots[alone]] = _END
        self._held -= len(alone)
        for at, found in self._walk(slots):
            hit = found[self._rids[found] == rids[at]]
            self._rids[hit] = _GONE
            self._gone += len(hit)
            self._held -= len(hit)
        if self._gone > self._postings // 2 and self._postings > _FIRST:
            self._compact()

    def candidates(self, keys: Hashes) -> tuple[Indices, Indices]:
        """Return all records that have one of the keys: positions in `keys`, and record numbers beside them."""
        return self._records_at(self._find(keys))

    def records_of(self, key: int) -> list[int]:
        """Return all records that have one key: for look-ups one by one, which arrays would make slow."""
        high = key >> 32
        slot = high * (self._wider if high >= self._cut else self._width) >> 32
        while (stored := int(self._keys[slot])) != key:
            if stored == MISSING:
                return []
            slot += 1
        head = int(self._heads[slot])
        if head <= _ONE:
            return [_ONE - head]
        found = []
        while head != _END:
            found.append(int(self._rids[head]))
            head = int(self._next[head])
        return [rid for rid in found if rid != _GONE]

    def _records_at(self, slots: Indices) -> tuple[Indices, Indices]:
        """Return the records of slots (negative: none) with their positions."""
        at = np.flatnonzero(slots >= 0)
        heads = self._heads[slots[at]].astype(np.int64)
        one = heads <= _ONE
        positions, rids = [at[one]], [_ONE - heads[one]]
        for at, found in self._walk(slots):
            records = self._rids[found]
            holds = records != _GONE
            positions.append(at[holds])
            rids.append(records[holds].astype(np.int64))
        return np.concatenate(positions), np.concatenate(rids)

    def _walk(self, slots: Indices) -> list[tuple[Indices, Indices]]:
        """Return all postings of slots (negative: none), one step of every chain at a time: (positions, postings)."""
        at = np.flatnonzero(slots >= 0)
        current = self._heads[slots[at]].astype(np.int64)
        at, current = at[current >= 0], current[current >= 0]
        steps = []
        while len(at):
            steps.append((at, current))
            current = self._next[current].astype(np.int64)
            going = current != _END
            at, current = at[going], current[going]
        return steps

    def _find(self, keys: Hashes) -> Indices:
        """Return the slot of each key; ~slot of the free one where the search ended if it is not there.

        The first look settles most; the others then look at some neighbours at a time, as each step of numpy has a
        price of its own.
        """
        slots = self._home(keys)
        stored = self._keys[slots]
        result = np.where(stored == keys, slots, ~slots)
        at = np.flatnonzero((stored != keys) & (stored != MISSING))
        first, width = slots[at] + 1, _NEIGHBOURS
        while len(at):
            window = first[:, None] + np.arange(width)
            stored = np.take(self._keys, window, mode="clip")
            ends = (stored == keys[at, None]) | (stored == MISSING)
            place = ends.argmax(axis=1)
            rows = np.arange(len(at))
            slot = first + place
            result[at] = np.where(stored[rows, place] == MISSING, ~slot, slot)
            going = ~ends[rows, place]
            at, first, width = at[going], first[going] + width, min(4 * width, _WIDEST)
        return result

    def _slots_for(self, keys: Hashes) -> Indices:
        """Return the slot of each of the (different) keys, taking free ones for keys that are new."""
        self._make_room(len(keys))
        slots = self._find(keys)
        at = np.flatnonzero(slots < 0)
        slots[at] = self._take(keys[at], ~slots[at])
        return slots

    def _take(self, keys: Hashes, free: Indices) -> Indices:
        """Take the free slot that the search for each of the (different) keys ended at; their chains are empty."""
        slots, at = np.empty(len(keys), np.int64), np.arange(len(keys))
        while len(at):
            self._widen(int(free.max()) + 1)
            # Several keys may want one free slot: all write, and the one whose key is there afterwards has won.
            self._keys[free] = keys[at]
            won = self._keys[free] == keys[at]
            slots[at[won]] = free[won]
            at = at[~won]
            free = ~self._find(keys[at])
        self._heads[slots] = _END
        self._used += len(keys)
        return slots

    def _home(self, keys: Hashes) -> Indices:
        """Return the slot where the search for each key begins: it grows with the key, so sorted keys go forward."""
        high = keys >> _HALF
        widths = np.where(high < self._cut, self._width, self._wider) if self._unmoved else self._wider
        return (high * np.asarray(widths, np.uint64) >> _HALF).astype(np.int64)

    def _make_room(self, n: int) -> None:
        """Have room for so many new keys, and go on growing."""
        pace = max(_PACE * n, _LEAST)
        self._move(pace)
        if self._used + n > _FULLEST * self._wider:
            self._move(self._unmoved)
            self._wider = max(self._width + self._width // 4, int((self._used + n) / _FULLEST) + 1)
            self._widen(self._wider)
            self._unmoved, self._cut = self._width, _HIGHS
            self._move(pace)

    def _widen(self, n_slots: int) -> None:
        """Let the arrays have so many slots at least, and the spare ones."""
        n = n_slots + _SPARE
        if n > len(self._keys):
            self._keys, self._heads = grown(self._keys, n)[:n], grown(self._heads, n)[:n]

    def _move(self, n_slots: int) -> None:
        """Move the keys of about so many more slots; the chains stay as they are."""
        end = max(0, self._unmoved - n_slots)
        while self._unmoved > end:
            self._move_from(max(end, self._unmoved - _PART))

    def _move_from(self, start: int) -> None:
        """Move the keys whose homes are from a free slot after `start` on, all that have not moved yet.

        What lies between two free slots can be taken out and put in again without harm to other searches. In order of
        their homes each key takes its home or, if that is taken, the slot after the key before it: what linear probing
        would do one by one. Those who come to the slots of keys that have moved are taken in last.
        """
        start = self._after_free(start)
        end = _free_from(self._keys, self._unmoved)
        free_to = max(end, self._cut * self._wider >> 32)
        taken = start + np.flatnonzero(self._keys[start:end])
        keys, heads = self._keys[taken], self._heads[taken]
        self._keys[start:end] = MISSING
        self._unmoved, self._cut = start, -(-(start << 32) // self._width)
        if not start:
            self._width = self._wider
        home, steps = self._home(keys), np.arange(len(keys))
        order = np.argsort(home, kind="stable")
        slots = np.maximum.accumulate(home[order] - steps) + steps
        fit = int(np.searchsorted(slots, free_to))
        self._keys[slots[:fit]], self._heads[slots[:fit]] = keys[order[:fit]], heads[order[:fit]]
        self._used -= len(keys) - fit
        last = order[fit:]
        slots = self._take(keys[last], ~self._find(keys[last]))  # which may make the arrays longer
        self._heads[slots] = heads[last]

    def _after_free(self, start: int) -> int:
        """Return the first slot from one on that comes after a free one; from an earlier one on if there is none."""
        while start > 0:
            after = _free_from(self._keys, start) + 1
            if after < self._unmoved:
                return after
            start -= self._unmoved - start
        return 0

    def _compact(self) -> None:
        """Make the index again without the postings that are gone."""
        slot_keys = self._keys[self._keys != MISSING]
        at, rids = self.candidates(slot_keys)
        fresh = BlockIndex(len(at))
        fresh.add(slot_keys[at], rids)
        self.__dict__.update(fresh.__dict__)

    def _reserve(self, n: int) -> None:
        self._rids, self._next = grown(self._rids, n), grown(self._next, n)


def _free_from(keys: Hashes, start: int) -> int:
    """Return the first free slot from one on, or the number of slots if there is none."""
    width = _WIDEST
    while start < len(keys):
        free = np.flatnonzero(keys[start : start + width] == MISSING)
        if len(free):
            return start + int(free[0])
        start += width
    return len(keys)
