"""Rows with all that the resident owner looks up by: value hashes, flags and blocking keys.

They depend on the row and the model alone, so the reader's process works them out and sends them with each change; the
owner does it for rows that nobody prepared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from matching.linkage.blocking import Blocker
from matching.linkage.columns import SEPARATOR, Filled, Flags, RecordColumns
from matching.linkage.hashing import Hashes, Indices
from matching.linkage.model import LinkageModel

# Of a row's first word the low half are its flags, the high half says how many bytes it has.
_SIZE: Final = np.uint64(32)
_LOW: Final = np.uint64(0xFFFFFFFF)


@dataclass(frozen=True, slots=True)
class RowsAtHand:
    """Rows numbered from 0, with their hashes, flags and values (joined): to be read as `RecordColumns` are."""

    all_hashes: Hashes
    all_flags: Flags
    rows: Sequence[str]

    def hashes(self, rids: Indices) -> Hashes:
        """Return the value hashes of rows, shape (rows, fields)."""
        return self.all_hashes[rids]

    def flags(self, rids: Indices) -> Flags:
        """Return the flags of rows."""
        return self.all_flags[rids]

    def texts(self, rids: Indices, field: int) -> list[str]:
        """Return the values of rows in one field."""
        return [self.rows[rid].split(SEPARATOR)[field] for rid in rids.tolist()]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows as `RecordColumns` keeps them, and their blocking keys, beside each the position of its row."""

    filled: Filled
    owners: Indices
    keys: Hashes


class Preparer:
    """Prepares rows for one model. A row's words (64 bits each): flags and size, the hash of each value, its keys."""

    def __init__(self, model: LinkageModel) -> None:
        self._blank: Final = RecordColumns(model)
        self._blocker: Final = Blocker(model)
        self._head: Final = 1 + len(model.fields)

    def words(self, rows: Sequence[str]) -> list[bytes]:
        """Return the words of each row (values joined by SEPARATOR)."""
        filled = self._blank.fill(rows)
        owners, keys = self.keys(RowsAtHand(filled.hashes, filled.flags, rows))
        counts = np.bincount(owners, minlength=len(rows)) + self._head
        ends = np.cumsum(counts)
        words = np.empty(int(counts.sum()), np.uint64)
        head = self._head_of_each(ends - counts)
        words[head[:, 0]] = filled.flags | filled.sizes.astype(np.uint64) << _SIZE
        words[head[:, 1:]] = filled.hashes
        words[_others(head, len(words))] = keys[np.argsort(owners, kind="stable")]
        data = words.tobytes()
        return [data[start:end] for start, end in pairwise([0, *(ends * words.itemsize).tolist()])]

    def keys(self, rows: RowsAtHand) -> tuple[Indices, Hashes]:
        """Return the blocking keys of rows: for each key the position of its row, and the key."""
        return self._blocker.keys(rows, np.arange(len(rows.rows)))

    def read(self, rows: Sequence[tuple[str, bytes]]) -> Prepared:
        """Return rows, each given with its words, which are worked out where they are empty."""
        texts, of_each = [row for row, _ in rows], [words for _, words in rows]
        missing = [place for place, words in enumerate(of_each) if not words]
        for place, made in zip(missing, self.words([texts[place] for place in missing]), strict=True):
            of_each[place] = made
        words = np.frombuffer(b"".join(of_each), np.uint64)
        counts = np.array(list(map(len, of_each)), np.int64) // words.itemsize
        head = self._head_of_each(np.cumsum(counts) - counts)
        first, keys = words[head[:, 0]], words[_others(head, len(words))]
        block, flags = SEPARATOR.join(texts).encode(), (first & _LOW).astype(np.uint32)
        filled = Filled(words[head[:, 1:]], flags, block, (first >> _SIZE).astype(np.int64))
        return Prepared(filled, np.repeat(np.arange(len(rows)), counts - self._head), keys)

    def _head_of_each(self, starts: Indices) -> Indices:
        """Return where the words of each row are that every row has, shape (rows, 1 + fields)."""
        return starts[:, None] + np.arange(self._head)


def _others(head: Indices, n: int) -> Indices:
    """Return which of `n` words are keys."""
    is_key = np.ones(n, dtype=bool)
    is_key[head] = False
    return np.flatnonzero(is_key)
