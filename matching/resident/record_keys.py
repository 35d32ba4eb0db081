"""Which record has which key: 52 bytes a record beside the key's own, where a dictionary of strings takes 150.

The keys stand in one block of bytes; an index leads from their hashes to record numbers. Two keys with one hash do no
harm, because what is found is compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, overload

import numpy as np
import numpy.typing as npt

from matching.linkage.growing import grown
from matching.linkage.hashing import Indices, hash_all, hash_text
from matching.linkage.row_texts import RowTexts
from matching.resident.index import BlockIndex

_RECENT: Final = 1 << 14  # keys that are at hand as strings: those of some batches
_CHUNK: Final = 100_000
_FIRST: Final = 1 << 10


class RecordKeys(dict[int, str]):
    """Record keys by record number; as a dictionary it holds those that were asked for lately, and finds the others."""

    def __init__(self) -> None:
        super().__init__()
        self._texts: Final = RowTexts()
        self._index: Final = BlockIndex()

    def __missing__(self, rid: int) -> str:
        key = self[rid] = self._texts.row(rid)
        return key

    @property
    def count(self) -> int:
        """How many records there are."""
        return len(self._texts)

    def extend(self, keys: Sequence[str]) -> None:
        """Add the keys, all of them unknown, of the records that follow."""
        for start in range(0, len(keys), _CHUNK):
            part = keys[start : start + _CHUNK]
            first, encoded = self.count, [key.encode() for key in part]
            self._texts.append(b"\n".join(encoded), list(map(len, encoded)))
            self._index.add(hash_all(encoded), np.arange(first, self.count, dtype=np.int64))
            if len(part) < _RECENT:
                self.update(enumerate(part, first))

    def recall(self, rids: Indices) -> None:
        """Have the keys of these records at hand: all at once is a third of one by one."""
        wanted = [rid for rid in rids.tolist() if rid not in self]
        self.update(zip(wanted, self._texts.rows(np.array(wanted, np.int64)), strict=True))

    def numbers(self, keys: Sequence[str]) -> dict[str, int]:
        """Return the record numbers of those keys that are known, and keep only recent keys at hand."""
        if len(self) > _RECENT:
            self.clear()
        at, rids = self._index.candidates(hash_all([key.encode() for key in keys]))
        known = {}
        for place, rid, key in zip(at.tolist(), rids.tolist(), self._texts.rows(rids), strict=True):
            if key == keys[place]:
                known[key] = rid
                self[rid] = key
        return known

    def number(self, key: str) -> int | None:
        """Return the record number of one key, or None."""
        return next((rid for rid in self._index.records_of(hash_text(key)) if self[rid] == key), None)


class KeyNumbers:
    """The other way to look at the keys: record numbers by key, one at a time."""

    def __init__(self, keys: RecordKeys) -> None:
        self._keys: Final = keys

    def __contains__(self, key: str) -> bool:
        return self._keys.number(key) is not None

    def __getitem__(self, key: str) -> int:
        number = self._keys.number(key)
        if number is None:
            raise KeyError(key)
        return number

    @overload
    def get(self, key: str) -> int | None: ...
    @overload
    def get(self, key: str, default: int) -> int: ...
    def get(self, key: str, default: int | None = None) -> int | None:
        """Return the record number of a key, or the default."""
        number = self._keys.number(key)
        return default if number is None else number


class CodedTexts:
    """A text for each record, of which there are few different ones: 4 bytes a record."""

    def __init__(self) -> None:
        self._codes: npt.NDArray[np.int32] = np.zeros(_FIRST, np.int32)
        self._texts: list[str] = [""]
        self._code_of: dict[str, int] = {"": 0}

    def __getitem__(self, rid: int) -> str:
        return self._texts[int(self._codes[rid])]

    def __setitem__(self, rid: int, text: str) -> None:
        self._codes[rid] = self._code(text)

    def reserve(self, count: int) -> None:
        """Make room for so many records; the text of a new one is empty."""
        self._codes = grown(self._codes, count)

    def put(self, rids: Indices | slice, texts: Sequence[str]) -> None:
        """Set the texts of records."""
        for text in {*texts} - self._code_of.keys():
            self._code(text)
        self._codes[rids] = list(map(self._code_of.__getitem__, texts))

    def of(self, rids: Sequence[int]) -> list[str]:
        """Return the texts of records."""
        return list(map(self._texts.__getitem__, self._codes[np.array(rids, np.int64)].tolist()))

    def _code(self, text: str) -> int:
        code = self._code_of.setdefault(text, len(self._texts))
        if code == len(self._texts):
            self._texts.append(text)
        return code
