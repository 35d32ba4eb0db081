"""The joined values of rows as UTF-8 in one block of bytes: 12 bytes a row beside the text, where a string takes 57."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.linkage.hashing import Indices

_FIRST: Final = 1024
_BETWEEN: Final = 1  # byte between two rows of a block


class RowTexts:
    """Texts by row number, added and replaced in bulk. A replaced text leaves a gap; many gaps are closed up."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._starts: npt.NDArray[np.int64] = np.zeros(_FIRST, np.int64)
        self._sizes: npt.NDArray[np.int32] = np.zeros(_FIRST, np.int32)
        self._count = 0
        self._lost = 0

    def __len__(self) -> int:
        return self._count

    @property
    def capacity(self) -> int:
        """How many bytes the block has, gaps included."""
        return len(self._data)

    def append(self, block: bytes, sizes: Sequence[int]) -> None:
        """Add rows: their bytes with one byte between each two, and the number of bytes of each."""
        first, last = self._count, self._count + len(sizes)
        if last > len(self._starts):
            more = max(last, len(self._starts) + len(self._starts) // 4) - len(self._starts)
            self._starts = np.concatenate([self._starts, np.zeros(more, np.int64)])
            self._sizes = np.concatenate([self._sizes, np.zeros(more, np.int32)])
        self._count = last
        self._put(np.arange(first, last, dtype=np.int64), block, sizes)

    def overwrite(self, rids: Indices, block: bytes, sizes: Sequence[int]) -> None:
        """Replace the texts of rows."""
        self._lost += int(self._sizes[rids].sum())
        self._put(rids, block, sizes)
        if 2 * self._lost > len(self._data):
            self._close_up()

    def row(self, rid: int) -> str:
        """Return the text of one row."""
        start = int(self._starts[rid])
        return self._data[start : start + int(self._sizes[rid])].decode()

    def rows(self, rids: Indices) -> list[str]:
        """Return the texts of rows."""
        return [text.decode() for text in self._slices(rids)]

    def encoded(self, rids: Indices) -> list[bytes]:
        """Return the texts of rows in UTF-8."""
        return list(map(bytes, self._slices(rids)))

    def joined(self, rids: Indices, separator: str) -> str:
        """Return the texts of rows as one, with a separator between each two."""
        return separator.encode().join(self._slices(rids)).decode()

    def _slices(self, rids: Indices) -> list[bytearray]:
        data, starts = self._data, self._starts[rids]
        ends = (starts + self._sizes[rids]).tolist()
        return [data[start:end] for start, end in zip(starts.tolist(), ends, strict=True)]

    def _put(self, rids: Indices, block: bytes, sizes: Sequence[int]) -> None:
        if not len(sizes):
            return
        lengths = np.array(sizes, np.int64)
        self._starts[rids] = len(self._data) + np.cumsum(lengths + _BETWEEN) - lengths - _BETWEEN
        self._sizes[rids] = lengths
        self._data += block
        self._data += b"\n" * _BETWEEN

    def _close_up(self) -> None:
        texts = [text.encode() for text in self.rows(np.arange(self._count, dtype=np.int64))]
        self._data, self._lost = bytearray(), 0
        self._put(np.arange(self._count, dtype=np.int64), b"\n".join(texts), list(map(len, texts)))
