"""The joined values of rows as UTF-8 in one block of bytes: 12 bytes a row beside the text, where a string takes 57.

The block is an array of numpy, which asks the system for huge pages; rows are read through views of it. Both together
let rows here and there of a large block be read in a third of the time that slices of a `bytearray` take.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.linkage.growing import grown
from matching.linkage.hashing import Indices

_FIRST: Final = 1024
_FIRST_BYTES: Final = 1 << 16
_BETWEEN: Final = 1  # byte between two rows of a block


class RowTexts:
    """Texts by row number, added and replaced in bulk. A replaced text leaves a gap; many gaps are closed up."""

    def __init__(self) -> None:
        self._data: npt.NDArray[np.uint8] = np.empty(_FIRST_BYTES, np.uint8)
        self._used = 0
        self._starts: npt.NDArray[np.int64] = np.zeros(_FIRST, np.int64)
        self._sizes: npt.NDArray[np.int32] = np.zeros(_FIRST, np.int32)
        self._count = 0
        self._lost = 0

    def __len__(self) -> int:
        return self._count

    @property
    def capacity(self) -> int:
        """How many bytes the block has in use, gaps included."""
        return self._used

    def append(self, block: bytes, sizes: Sequence[int] | Indices) -> None:
        """Add rows: their bytes with one byte between each two, and the number of bytes of each."""
        first, last = self._count, self._count + len(sizes)
        self._starts, self._sizes, self._count = grown(self._starts, last), grown(self._sizes, last), last
        self._put(np.arange(first, last, dtype=np.int64), block, sizes)

    def overwrite(self, rids: Indices, block: bytes, sizes: Sequence[int] | Indices) -> None:
        """Replace the texts of rows."""
        self._lost += int(self._sizes[rids].sum())
        self._put(rids, block, sizes)
        if 2 * self._lost > self._used:
            self._close_up()

    def row(self, rid: int) -> str:
        """Return the text of one row."""
        start = int(self._starts[rid])
        return self._data[start : start + int(self._sizes[rid])].tobytes().decode()

    def rows(self, rids: Indices) -> list[str]:
        """Return the texts of rows."""
        return [str(text, "utf-8") for text in self._slices(rids)]

    def encoded(self, rids: Indices) -> list[bytes]:
        """Return the texts of rows in UTF-8."""
        return list(map(bytes, self._slices(rids)))

    def joined(self, rids: Indices, separator: str) -> str:
        """Return the texts of rows as one, with a separator between each two."""
        return separator.encode().join(self._slices(rids)).decode()

    def _slices(self, rids: Indices) -> list[memoryview]:
        data, starts = self._data.data, self._starts[rids]
        ends = (starts + self._sizes[rids]).tolist()
        return [data[start:end] for start, end in zip(starts.tolist(), ends, strict=True)]

    def _put(self, rids: Indices, block: bytes, sizes: Sequence[int] | Indices) -> None:
        if not len(sizes):
            return
        lengths = np.array(sizes, np.int64)
        first, last = self._used, self._used + len(block)
        self._reserve(last + _BETWEEN)
        self._data[first:last] = np.frombuffer(block, np.uint8)
        self._starts[rids] = first + np.cumsum(lengths + _BETWEEN) - lengths - _BETWEEN
        self._sizes[rids] = lengths
        self._used = last + _BETWEEN

    def _reserve(self, n: int) -> None:
        self._data = grown(self._data, n)

    def _close_up(self) -> None:
        texts = self.encoded(np.arange(self._count, dtype=np.int64))
        self._data, self._used, self._lost = np.empty(_FIRST_BYTES, np.uint8), 0, 0
        self._put(np.arange(self._count, dtype=np.int64), b"\n".join(texts), list(map(len, texts)))
