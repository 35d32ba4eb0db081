"""Child numbers of many founders at once, in a third of the time that one by one takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import numpy as np

from schemas.identity import CHECK_ALPHABET, basis_hash, child_number

_SYMBOLS: Final = np.frombuffer(CHECK_ALPHABET.encode(), np.uint8)
_SHIFTS: Final = np.arange(59, 0, -5, dtype=np.uint64)  # twelve symbols of five bits, the last four bits are not said
_LENGTH: Final = len(_SHIFTS) + 1


class ChildNumbers(dict[int, str]):
    """Child numbers by founder, each worked out once a batch."""

    def __init__(self, basis_of: Callable[[int], str]) -> None:
        super().__init__()
        self._basis_of = basis_of

    def __missing__(self, founder: int) -> str:
        number = self[founder] = child_number(self._basis_of(founder))
        return number

    def __call__(self, founder: int) -> str:
        """Return the child number of the cluster with this founder."""
        return self[founder]

    def work_out(self, founders: Iterable[int]) -> None:
        """Have the child numbers of these clusters at hand."""
        wanted = [founder for founder in founders if founder not in self]
        self.update(zip(wanted, child_numbers(list(map(self._basis_of, wanted))), strict=True))


def child_numbers(bases: Sequence[str]) -> list[str]:
    """Return what `schemas.identity.child_number` says of each basis."""
    hashes = np.frombuffer(b"".join(map(basis_hash, bases)), ">u8").astype(np.uint64)
    symbols = np.empty((len(hashes), _LENGTH), np.uint8)
    symbols[:, :-1] = _SYMBOLS[((hashes[:, None] >> _SHIFTS) & np.uint64(31)).astype(np.int64)]
    symbols[:, -1] = _SYMBOLS[((hashes >> np.uint64(4)) % np.uint64(len(_SYMBOLS))).astype(np.int64)]
    text = symbols.tobytes().decode()
    return [text[first : first + _LENGTH] for first in range(0, len(text), _LENGTH)]
