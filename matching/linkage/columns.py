"""Records held by column: 64-bit hashes for equality and blocking, texts for the pairs that differ.

A row is known by its number (its rid). The texts of a row are kept joined, a tenth of the memory of separate strings;
`spread()` lays them out by column for a table that is compared as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.linkage.growing import grown
from matching.linkage.hashing import MISSING, Hashes, Indices, hash_all, one_of_each, sorted_unique
from matching.linkage.model import LinkageModel
from matching.linkage.normalise import ALTERNATE
from matching.linkage.row_texts import RowTexts
from matching.linkage.signs import Numbers, Signs, signs_of

SEPARATOR: Final = "\x1f"
"""Stands between the values of one row, in memory and in the durable form."""

Flags = npt.NDArray[np.uint32]
Texts = npt.NDArray[np.object_]

_FIRST_CAPACITY: Final = 1024
_PART: Final = 1 << 15  # rows of a whole table that are added at a time: their single values take much memory
_VAGUE_SHIFT: Final = (
    16  # the low 16 bits of a row's flags say "several alternates", the high 16 "vague", one bit a field
)


@dataclass(frozen=True, slots=True)
class Filled:
    """Rows as they are kept: value hashes, shape (rows, fields), flags, and all texts as one block with their sizes."""

    hashes: Hashes
    flags: Flags
    block: bytes
    sizes: Indices


@dataclass(frozen=True, slots=True)
class Spread:
    """All rows by column: the `numbers` of values, shape (rows, fields), and of each number the text and its signs.

    Equal values have one number in all fields, the missing value has MISSING; numbers are in order of hashes.
    """

    numbers: Numbers
    texts: Texts
    signs: Signs


class RecordColumns:
    """The compared values of records, by field of one model. Rows are appended and overwritten in bulk."""

    def __init__(self, model: LinkageModel) -> None:
        self.n_fields: Final = len(model.fields)
        self._date_fields = [i for i, f in enumerate(model.fields) if f.kind == "date"]
        self._rows = RowTexts()
        self._source_codes: dict[str, int] = {}
        self._hashes: Hashes = np.zeros((_FIRST_CAPACITY, self.n_fields), np.uint64)
        self._flags: Flags = np.zeros(_FIRST_CAPACITY, np.uint32)
        self._sources: npt.NDArray[np.int32] = np.zeros(_FIRST_CAPACITY, np.int32)
        self._spread: Spread | None = None

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def source_names(self) -> list[str]:
        """The name of each source code, in order of code."""
        return list(self._source_codes)

    @property
    def sources(self) -> npt.NDArray[np.int32]:
        """The source code of each row."""
        return self._sources[: len(self._rows)]

    @property
    def all_flags(self) -> Flags:
        """The flags of each row."""
        return self._flags[: len(self._rows)]

    def append(self, rows: Sequence[str], sources: Sequence[str]) -> Indices:
        """Add rows (values joined by SEPARATOR) with the source of each; return their numbers."""
        return self.append_filled(self.fill(rows), sources)

    def append_filled(self, filled: Filled, sources: Sequence[str]) -> Indices:
        """Add rows that `fill` made ready, with the source of each; return their numbers."""
        first, last = len(self._rows), len(self._rows) + len(sources)
        self._reserve(last)
        codes = self._source_codes
        self._sources[first:last] = [codes.setdefault(source, len(codes)) for source in sources]
        self._hashes[first:last], self._flags[first:last] = filled.hashes, filled.flags
        self._rows.append(filled.block, filled.sizes)
        self._spread = None
        return np.arange(first, last, dtype=np.int64)

    def overwrite(self, rids: Indices, filled: Filled) -> None:
        """Replace the values of existing rows by those that `fill` made ready; their sources stay."""
        self._hashes[rids], self._flags[rids] = filled.hashes, filled.flags
        self._rows.overwrite(rids, filled.block, filled.sizes)
        self._spread = None

    def row(self, rid: int) -> str:
        """Return the values of a row, joined by SEPARATOR."""
        return self._rows.row(rid)

    def rows(self, rids: Indices) -> list[str]:
        """Return the values of rows, joined by SEPARATOR."""
        return self._rows.rows(rids)

    def encoded(self, rids: Indices) -> list[bytes]:
        """Return the values of rows, joined by SEPARATOR, in UTF-8."""
        return self._rows.encoded(rids)

    def hashes(self, rids: Indices) -> Hashes:
        """Return the value hashes of rows, shape (rows, fields)."""
        return self._hashes[rids]

    def hashes_in(self, rids: Indices, field: int) -> Hashes:
        """Return the value hashes of rows in one field."""
        hashes: Hashes = self._hashes[rids, field]
        return hashes

    def flags(self, rids: Indices) -> Flags:
        """Return the flags of rows; see `with_alternates` and `vague`."""
        return self._flags[rids]

    def texts(self, rids: Indices, field: int) -> list[str]:
        """Return the values of rows in one field."""
        if self._spread is not None:
            column: list[str] = self._spread.texts[self._spread.numbers[rids, field]].tolist()
            return column
        return [row.split(SEPARATOR)[field] for row in self._rows.rows(rids)]

    def values(self, rids: Indices) -> list[list[str]]:
        """Return all values of rows, a list a row."""
        return [row.split(SEPARATOR) for row in self._rows.rows(rids)]

    def joined(self, rids: Indices) -> str:
        """Return all values of rows as one text, row after row, with SEPARATOR between each two."""
        return self._rows.joined(rids, SEPARATOR)

    def spread(self) -> None:
        """Lay the rows out by column, for the comparison of a whole table. Ends at the next change."""
        if self._spread is not None:
            return
        rids = np.arange(len(self._rows), dtype=np.int64)
        each = [one_of_each(self.hashes_in(rids, field)) for field in range(self.n_fields)]
        found = [self.hashes_in(places, field) for field, (places, _) in enumerate(each)]
        known = sorted_unique(np.concatenate([np.array([MISSING], np.uint64), *found]))
        numbers = np.empty((len(rids), self.n_fields), np.uint32, order="F")
        texts = np.full(len(known), "", dtype=np.object_)
        for field, ((places, which), hashes) in enumerate(zip(each, found, strict=True)):
            own = np.searchsorted(known, hashes).astype(np.uint32)
            numbers[:, field] = own[which]
            texts[own] = self.texts(places, field)
        self._spread = Spread(numbers, texts, signs_of(texts.tolist()))

    @property
    def whole(self) -> Spread | None:
        """All rows by column, if they are spread."""
        return self._spread

    def fill(self, rows: Sequence[str]) -> Filled:
        """Return rows (values joined by SEPARATOR) in the form that is kept."""
        n_values = self.n_fields
        block = SEPARATOR.join(rows).encode()
        values = block.split(SEPARATOR.encode()) if rows else []
        if len(values) != n_values * len(rows):
            msg = f"every row needs {n_values} values"
            raise ValueError(msg)
        signs = np.frombuffer(block, np.uint8)
        ends = np.append(np.flatnonzero(signs == ord(SEPARATOR)), len(signs))
        flags = np.zeros(len(rows), np.uint32)
        row, field = np.divmod(np.searchsorted(ends, np.flatnonzero(signs == ord(ALTERNATE))), n_values)
        np.bitwise_or.at(flags, row, np.uint32(1) << field.astype(np.uint32))
        for f in self._date_fields:
            vague = np.array([value.endswith(b"0101") for value in values[f::n_values]], dtype=bool)
            flags[vague] |= np.uint32(1 << (f + _VAGUE_SHIFT))
        sizes = np.diff(ends[n_values - 1 :: n_values], prepend=-1) - 1 if rows else np.empty(0, np.int64)
        return Filled(hash_all(values).reshape(len(rows), n_values), flags, block, sizes)

    def _reserve(self, n: int) -> None:
        self._hashes, self._flags = grown(self._hashes, n), grown(self._flags, n)
        self._sources = grown(self._sources, n)


def with_alternates(flags: Flags, field: int) -> npt.NDArray[np.bool_]:
    """Tell which rows have several alternates in a field."""
    marked: npt.NDArray[np.bool_] = flags & np.uint32(1 << field) != 0
    return marked


def vague(flags: Flags, field: int) -> npt.NDArray[np.bool_]:
    """Tell which rows have a date in a field that is the 1st of January: often only the year was known."""
    marked: npt.NDArray[np.bool_] = flags & np.uint32(1 << (field + _VAGUE_SHIFT)) != 0
    return marked


def columns_of(model: LinkageModel, values: Iterable[Sequence[str]], sources: Sequence[str]) -> RecordColumns:
    """Return the columns of a whole table: for each record its values in field order, and its source."""
    columns, rows = RecordColumns(model), map(SEPARATOR.join, values)
    while part := list(islice(rows, _PART)):
        columns.append(part, sources[len(columns) : len(columns) + len(part)])
    return columns
