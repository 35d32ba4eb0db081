"""What is known of a record beside its compared values: which of its numbers its source has verified.

A mark is one bit for each field of VERIFIED: the field has exactly one number, and the source says that it is verified.
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

Marks = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]


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
        both = marks[left] & marks[right]
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
