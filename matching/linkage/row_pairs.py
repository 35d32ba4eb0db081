"""Pairs of rows to be compared, with what comparisons read of them: hashes gathered once, and texts found once."""

from __future__ import annotations

from copy import copy

import numpy as np

from matching.linkage.columns import SEPARATOR, RecordColumns
from matching.linkage.hashing import Indices, sorted_unique
from matching.linkage.signs import Numbers


class RowPairs:
    """The rows that a set of pairs touches, their hashes gathered once; of a spread table simply all rows."""

    def __init__(self, columns: RecordColumns, left: Indices, right: Indices) -> None:
        self._columns = columns
        self._text: str | None = None
        self.whole = columns.whole
        if self.whole is not None:
            self.left, self.right, self._hashes = left, right, self.whole.numbers
            self.flags = columns.all_flags
            return
        self._rids = sorted_unique(np.concatenate([left, right]))
        self.left, self.right = np.searchsorted(self._rids, left), np.searchsorted(self._rids, right)
        self._hashes = np.asfortranarray(columns.hashes(self._rids))
        self.flags = columns.flags(self._rids)

    def only(self, at: Indices) -> RowPairs:
        """Return some of the pairs, over the same rows."""
        some = copy(self)
        some.left, some.right = self.left[at], self.right[at]
        return some

    def hashes(self, field: int) -> tuple[Numbers, Numbers]:
        """Return the hashes of one field on both sides of each pair; of a spread table the numbers of its values."""
        column = self._hashes[:, field]
        return column[self.left], column[self.right]

    def texts(self, rows: Indices, field: int) -> list[str]:
        """Return the values of one field of rows (as in `left` and `right`)."""
        if self.whole is not None:
            return self._columns.texts(rows, field)
        if self._text is None:
            self._text = self._columns.joined(self._rids)
            self._ends = _separators(self._text)
        text, at = self._text, rows * self._columns.n_fields + field
        ends = self._ends[at + 1]
        return [text[start:end] for start, end in zip((self._ends[at] + 1).tolist(), ends.tolist(), strict=True)]


def _separators(text: str) -> Indices:
    """Return where each value of a joined text ends, and before them -1."""
    signs = np.frombuffer(text.encode(), np.uint8) if text.isascii() else np.frombuffer(text.encode("utf-32-le"), "<u4")
    return np.concatenate([[-1], np.flatnonzero(signs == ord(SEPARATOR)), [len(text)]])
