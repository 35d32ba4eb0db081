"""The twins rule: children born together are not one child, however much else they share.

A constraint on pairs, not a weight: such a pair is never linked automatically, and becomes a question for a person
where all else says that it is one child. The rule of HMPPS's Core Person Record (`hmpps-person-match`, `score.py`) is
the model: one surname, one date of birth, one place (or none to compare), forenames that are not alike, and no number
in common. A verified NHS number of each side that differs says the same without looking further.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from rapidfuzz.distance import OSA

from matching.linkage.columns import RecordColumns, vague, with_alternates
from matching.linkage.comparisons import compare
from matching.linkage.hashing import MISSING, Hashes, Indices
from matching.linkage.marks import Bools, Marks, VerifiedNumbers
from matching.linkage.model import LinkageModel, TwinRule
from matching.linkage.normalise import ALTERNATE

UNLIKE: Final = (1, 2)
"""The level codes of the comparison of forenames that say "another name": different, and slightly alike."""


class Twins:
    """The twins rule of one model; without one in the model it keeps nobody apart."""

    def __init__(self, model: LinkageModel) -> None:
        self._rule: Final = model.twins
        self._verified: Final = VerifiedNumbers(model)
        self._forenames: LinkageModel | None = None
        if model.twins is not None:
            given = next(c for c in model.comparisons if c.fields[:1] == (model.twins.given,))
            self._forenames = replace(model, comparisons=(given,), adjustments=())

    def apart(self, columns: RecordColumns, marks: Marks, left: Indices, right: Indices) -> Bools:
        """Tell which pairs of rows are two children born together, or two by their verified NHS numbers."""
        if self._rule is None or self._forenames is None or not len(left):
            return np.zeros(len(left), dtype=bool)
        apart = self._verified.differ(columns, marks, left, right)
        at = np.flatnonzero(self._born_together(self._rule, columns, left, right) & ~apart)
        if len(at):
            apart[at] = self._told_apart(self._rule, columns, left[at], right[at], self._forenames)
        return apart

    def _told_apart(
        self, rule: TwinRule, columns: RecordColumns, left: Indices, right: Indices, forenames: LinkageModel
    ) -> Bools:
        """Tell which pairs that were born together have forenames that are not alike, or numbers that differ."""
        codes = compare(columns, left, right, forenames)[:, 0]
        unlike: Bools = np.isin(codes, UNLIKE)
        at, field = np.flatnonzero(unlike), forenames.field_index[rule.given]
        texts = zip(columns.texts(left[at], field), columns.texts(right[at], field), strict=True)
        unlike[at] = [not _may_be_one_name(one, other) for one, other in texts]
        first, second = columns.hashes(left), columns.hashes(right)
        for name in rule.numbers:
            number = forenames.field_index[name]
            unlike |= (codes > 0) & (first[:, number] != MISSING) & (second[:, number] != MISSING)
        return unlike

    def _born_together(self, rule: TwinRule, columns: RecordColumns, left: Indices, right: Indices) -> Bools:
        """Tell which pairs have one exact date of birth and surname, no places that differ, no number in common."""
        index = self._forenames.field_index if self._forenames else {}
        first, second = columns.hashes(left), columns.hashes(right)
        day = index[rule.birth_date]
        exact = ~vague(columns.flags(left), day)
        found = np.flatnonzero(_equal(first, second, day) & exact)
        if not len(found):
            return np.zeros(len(left), dtype=bool)
        left, right, first, second = left[found], right[found], first[found], second[found]
        given = _equal(first, second, index[rule.given])
        surname = _overlap(columns, (left, right), (first, second), index[rule.surname])
        place, number = np.zeros(len(found), dtype=bool), np.zeros(len(found), dtype=bool)
        unknown = np.ones(len(found), dtype=bool)
        for name in rule.places:
            place |= _overlap(columns, (left, right), (first, second), index[name])
            unknown &= (first[:, index[name]] == MISSING) | (second[:, index[name]] == MISSING)
        for name in rule.numbers:
            number |= _overlap(columns, (left, right), (first, second), index[name])
        together = np.zeros(len(exact), dtype=bool)
        together[found] = surname & (place | unknown) & ~number & ~given
        return together


def _may_be_one_name(one: str, other: str) -> bool:
    """Tell whether forenames that score as unlike are one all the same: an initial, a part, or one slip of the pen."""
    return any(
        a.startswith(b) or b.startswith(a) or a in b or b in a or OSA.distance(a, b, score_cutoff=1) <= 1
        for a in one.split(ALTERNATE)
        for b in other.split(ALTERNATE)
    )


def _equal(first: Hashes, second: Hashes, field: int) -> Bools:
    same: Bools = (first[:, field] == second[:, field]) & (first[:, field] != MISSING)
    return same


def _overlap(columns: RecordColumns, rows: tuple[Indices, Indices], hashes: tuple[Hashes, Hashes], field: int) -> Bools:
    """Tell which pairs have a value of a field in common, alternates included."""
    same = _equal(*hashes, field)
    several = with_alternates(columns.flags(rows[0]) | columns.flags(rows[1]), field)
    at = np.flatnonzero(several & ~same)
    if len(at):
        values = [columns.texts(side[at], field) for side in rows]
        same[at] = [bool({*a.split(ALTERNATE)} & {*b.split(ALTERNATE)} - {""}) for a, b in zip(*values, strict=True)]
    return same
