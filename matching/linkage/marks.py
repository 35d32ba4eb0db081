"""What is known of a record beside its compared values, in one byte: its marks.

One bit for each field of VERIFIED: the field has exactly one number, and the source says that it is verified. Three
bits for the birth order: the place in a multiple birth, 0 where nothing is known of one.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from matching.linkage.columns import RecordColumns
from matching.linkage.hashing import MISSING, Indices
from matching.linkage.model import LinkageModel

VERIFIED: Final = ("nhs", "upn")
"""Names of the fields whose numbers can be verified, the first has bit 0."""

MOST_BIRTH_ORDER: Final = 7
"""The last place in a multiple birth that marks can hold."""

_ORDER_SHIFT: Final = len(VERIFIED)
_ORDER_BITS: Final = np.uint8(MOST_BIRTH_ORDER << _ORDER_SHIFT)
VERIFIED_BITS: Final = np.uint8((1 << _ORDER_SHIFT) - 1)
"""The bits of verified numbers."""

Marks = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]


def with_birth_order(verified: int, order: int) -> int:
    """Return the marks of a record with these verified numbers and this place in a multiple birth (0: not known)."""
    known = order if 0 < order <= MOST_BIRTH_ORDER else 0
    return verified | known << _ORDER_SHIFT


def birth_order(marks: int) -> int:
    """Return the place in a multiple birth that marks hold, 0 where nothing is known of one."""
    return (marks & int(_ORDER_BITS)) >> _ORDER_SHIFT


def birth_orders_differ(marks: Marks, left: Indices, right: Indices) -> Bools:
    """Tell which pairs of rows have each a birth order, and not the same one."""
    first, second = marks[left] & _ORDER_BITS, marks[right] & _ORDER_BITS
    differ: Bools = (first != second) & (first != 0) & (second != 0)
    return differ


class VerifiedNumbers:
    """Compares the verified numbers of pairs, for one model."""

    def __init__(self, model: LinkageModel) -> None:
        self._fields: Final = [
            (model.field_index[name], np.uint8(1 << bit))
            for bit, name in enumerate(VERIFIED)
            if name in model.field_index
        ]

    def shared(self, columns: RecordColumns, marks: Marks, left: Indices, right: Indices) -> Bools:
        """Tell which pairs of rows have one verified number in common."""
        shared = np.zeros(len(left), dtype=bool)
        both = marks[left] & marks[right] & VERIFIED_BITS
        at = np.flatnonzero(both)
        if len(at):
            first, second = columns.hashes(left[at]), columns.hashes(right[at])
            for field, bit in self._fields:
                same = (first[:, field] == second[:, field]) & (first[:, field] != MISSING)
                shared[at] |= same & (both[at] & bit != 0)
        return shared

    def differ(self, columns: RecordColumns, marks: Marks, left: Indices, right: Indices, name: str = "nhs") -> Bools:
        """Tell which pairs of rows have each a verified number of this name, and not the same one."""
        apart = np.zeros(len(left), dtype=bool)
        for field, bit in self._fields:
            at = np.flatnonzero(marks[left] & marks[right] & bit)
            if VERIFIED[int(bit).bit_length() - 1] == name and len(at):
                apart[at] = columns.hashes(left[at])[:, field] != columns.hashes(right[at])[:, field]
        return apart
