"""The fingerprints of all records: 16 bytes each, where a string of 32 hexadecimal digits takes 89."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.linkage.growing import grown
from matching.linkage.hashing import Indices

_BYTES: Final = 16
_FIRST: Final = 1 << 10


class Fingerprints:
    """Texts by record number. Those that are not 32 small hexadecimal digits are kept beside, as they are."""

    def __init__(self) -> None:
        self._packed: npt.NDArray[np.uint8] = np.zeros((_FIRST, _BYTES), np.uint8)
        self._odd: dict[int, str] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, rid: int) -> str:
        odd = self._odd.get(rid) if self._odd else None
        return self._packed[rid].tobytes().hex() if odd is None else odd

    def __setitem__(self, rid: int, fingerprint: str) -> None:
        packed = _pack(fingerprint) if len(fingerprint) == 2 * _BYTES else None
        if packed is None:
            self._odd[rid] = fingerprint
        else:
            self._packed[rid] = packed
            self._odd.pop(rid, None)

    def extend(self, fingerprints: Sequence[str]) -> None:
        """Add the fingerprints of the records that follow."""
        first, last = self._count, self._count + len(fingerprints)
        self._packed, self._count = grown(self._packed, last), last
        self.put(np.arange(first, last), fingerprints)

    def put(self, rids: Indices, fingerprints: Sequence[str]) -> None:
        """Set the fingerprints of records."""
        packed = _pack("".join(fingerprints)) if set(map(len, fingerprints)) == {2 * _BYTES} else None
        if packed is None:
            for rid, fingerprint in zip(rids.tolist(), fingerprints, strict=True):
                self[rid] = fingerprint
            return
        self._packed[rids] = packed.reshape(-1, _BYTES)
        for rid in rids.tolist() if self._odd else ():
            self._odd.pop(rid, None)

    def of(self, rids: Sequence[int]) -> list[str]:
        """Return the fingerprints of records."""
        if self._odd:
            return [self[rid] for rid in rids]
        digits = self._packed[np.array(rids, np.int64)].tobytes().hex()
        return [digits[at : at + 2 * _BYTES] for at in range(0, len(digits), 2 * _BYTES)]


def _pack(digits: str) -> npt.NDArray[np.uint8] | None:
    """Return the bytes that digits stand for, or None if they cannot be told again from the bytes."""
    try:
        data = bytes.fromhex(digits)
    except ValueError:
        return None
    return np.frombuffer(data, np.uint8) if data.hex() == digits else None
