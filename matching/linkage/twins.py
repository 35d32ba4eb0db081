"""The twins rule: children born together are not one child, however much else they share.

A constraint on pairs, not a weight: such a pair is never linked automatically, and becomes a question for a person
where all else says that it is one child. The rule of HMPPS's Core Person Record (`hmpps-person-match`, `score.py`) is
the model: one surname, one date of birth, one place (or none to compare), forenames that are not alike, and no number
in common. Birth orders that differ, and a verified NHS number of each side that differs, say the same without looking
further. So do two records that one source holds side by side: a register that means to hold each person once knows why
it has both.

What one source knows is then held against the records of others (`Twins.spread`): two forenames that belong to two
children of one birth do so in the whole component, so that no record of TOMMY LEE joins TOMMY over a third record.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from rapidfuzz.distance import OSA

from matching.linkage.columns import RecordColumns, with_alternates
from matching.linkage.comparisons import compare
from matching.linkage.constraints import SourceRules
from matching.linkage.hashing import MISSING, Hashes, Indices
from matching.linkage.marks import Bools, Marks, VerifiedNumbers, birth_orders_differ
from matching.linkage.model import LinkageModel, TwinRule
from matching.linkage.normalise import ALTERNATE
from matching.linkage.similarity import NAME_ALIKE, NAME_NEAR, NAME_VARIANT

UNLIKE: Final = (1, 2)
"""The level codes of the comparison of forenames that say "another name": different, and slightly alike."""

SURELY_UNLIKE: Final = (*UNLIKE, NAME_ALIKE, NAME_VARIANT, NAME_NEAR)
"""Those that say so of records of one source, or of a girl and a boy: there a short form is another child's name."""


class Twins:
    """The twins rule of one model; without one in the model it keeps nobody apart."""

    def __init__(self, model: LinkageModel) -> None:
        self._model: Final = model
        self._rule: Final = model.twins
        self._verified: Final = VerifiedNumbers(model)
        self._sources = SourceRules(model, [])
        self._sexes: Final = [i for i, f in enumerate(model.fields) if f.kind == "sex"]
        self._forenames: LinkageModel | None = None
        if model.twins is not None:
            given = next(c for c in model.comparisons if c.fields[:1] == (model.twins.given,))
            self._forenames = replace(model, comparisons=(given,), shield_signs=())

    def apart(self, columns: RecordColumns, marks: Marks, left: Indices, right: Indices) -> Bools:
        """Tell which pairs of rows are two children: born together, of other birth orders, or verified NHS numbers."""
        if self._rule is None or self._forenames is None or not len(left):
            return np.zeros(len(left), dtype=bool)
        apart = self._verified.differ(columns, marks, left, right) | birth_orders_differ(marks, left, right)
        at = self._one_birth(self._rule, columns, left, right, np.flatnonzero(~apart))
        at = at[~self._share_a_number(self._rule, columns, left[at], right[at])]
        if len(at):
            apart[at] = self._told_apart(self._rule, columns, left[at], right[at], self._forenames)
        return apart

    def reason(self, columns: RecordColumns, marks: Marks, left: int, right: int) -> str | None:
        """Return in words why two rows are two children, None if they may be one."""
        pair = np.array([left]), np.array([right])
        if not self.apart(columns, marks, *pair).any():
            return None
        if birth_orders_differ(marks, *pair).any():
            return "other places in a multiple birth"
        if self._verified.differ(columns, marks, *pair).any():
            return "verified NHS numbers of their own"
        return "one birth date and surname, but forenames or numbers of their own"

    def among(self, columns: RecordColumns, marks: Marks, nodes: Indices | None = None) -> TwinsAmong:
        """Return the rule for the rows `nodes`, numbered from 0; for all rows with None."""
        return TwinsAmong(self, columns, marks, np.arange(len(columns), dtype=np.int64) if nodes is None else nodes)

    def spread(self, columns: RecordColumns, left: Indices, right: Indices, apart: Bools, component: Indices) -> Bools:
        """Tell which pairs have the forenames of two children who are known to be two in the same component.

        Give all pairs of whole components, which of them are `apart`, and the number of each pair's component.
        """
        rule, told = self._rule, np.zeros(len(left), dtype=bool)
        if rule is None or not apart.any():
            return told
        known = self._one_birth(rule, columns, left, right, np.flatnonzero(apart))
        if not len(known):
            return told
        at = np.flatnonzero(np.isin(component, component[known]) & ~apart)
        field = self._model.field_index[rule.given]
        names = {
            int(rid): frozenset(text.split(ALTERNATE)) - {""}
            for rid, text in _texts(columns, np.concatenate([left[at], right[at], left[known], right[known]]), field)
        }
        two = {
            (number, a, b)
            for number, one, other in _rows(component[known], left[known], right[known])
            for a in names[one] - names[other]
            for b in names[other] - names[one]
        }
        told[at] = [
            names[one].isdisjoint(names[other])
            and any((number, a, b) in two or (number, b, a) in two for a in names[one] for b in names[other])
            for number, one, other in _rows(component[at], left[at], right[at])
        ]
        return told

    def _one_birth(
        self, rule: TwinRule, columns: RecordColumns, left: Indices, right: Indices, which: Indices
    ) -> Indices:
        """Return which of these pairs have one date of birth and surname, and forenames that are not the same.

        Also on a 1st of January, which may stand for a year alone: then they are twins or siblings, two in any case.
        A day and month that changed places are one date: twins recorded by two registers, one of them with a slip.
        """
        index = self._model.field_index
        first, second = (columns.hashes_in(rows[which], index[rule.given]) for rows in (left, right))
        which = which[(first != second) | (first == MISSING)]
        rows = left[which], right[which]
        hashes = columns.hashes(rows[0]), columns.hashes(rows[1])
        which = which[_both(*hashes, index[rule.birth_date]) & _overlap(columns, rows, hashes, index[rule.surname])]
        first, second = (columns.hashes_in(rows[which], index[rule.birth_date]) for rows in (left, right))
        one = first == second
        other = np.flatnonzero(~one)
        dates = (columns.texts(rows[which[other]], index[rule.birth_date]) for rows in (left, right))
        one[other] = [_are_exchanged(a, b) for a, b in zip(*dates, strict=True)]
        found: Indices = which[one]
        return found

    def _told_apart(
        self, rule: TwinRule, columns: RecordColumns, left: Indices, right: Indices, forenames: LinkageModel
    ) -> Bools:
        """Tell which pairs of one birth date and surname are two children: by their forenames, or by their numbers.

        They have no number in common. Forenames that are not alike tell so at one place (or where none is known);
        without `by_name` only those of a girl and a boy, or in one source. Numbers that differ tell so of two records
        of one source, and of forenames that are not quite the same.
        """
        index, rows, codes = self._model.field_index, (left, right), compare(columns, left, right, forenames)[:, 0]
        hashes = columns.hashes(left), columns.hashes(right)
        beside = self._side_by_side(columns, left, right)
        surely = beside | self._sexes_differ(*hashes)
        unlike: Bools = np.where(surely, np.isin(codes, SURELY_UNLIKE), np.isin(codes, UNLIKE))
        at, field = np.flatnonzero(unlike), index[rule.given]
        texts = zip(columns.texts(left[at], field), columns.texts(right[at], field), surely[at].tolist(), strict=True)
        unlike[at] = [not (_is_a_slip if sure else _may_be_one_name)(a, b) for a, b, sure in texts]
        place, unknown = np.zeros(len(left), dtype=bool), np.ones(len(left), dtype=bool)
        for name in rule.places:
            place |= _overlap(columns, rows, hashes, index[name])
            unknown &= ~_both(*hashes, index[name])
        differ = np.zeros(len(left), dtype=bool)
        for name in rule.numbers:
            differ |= _both(*hashes, index[name])
        together = place | unknown
        if not rule.by_name:
            unlike &= surely
        told: Bools = (unlike & together) | (differ & (beside | ((codes > 0) & together)))
        return told

    def _share_a_number(self, rule: TwinRule, columns: RecordColumns, left: Indices, right: Indices) -> Bools:
        rows, shared = (left, right), np.zeros(len(left), dtype=bool)
        hashes = columns.hashes(left), columns.hashes(right)
        for name in rule.numbers:
            shared |= _overlap(columns, rows, hashes, self._model.field_index[name])
        return shared

    def _sexes_differ(self, first: Hashes, second: Hashes) -> Bools:
        differ = np.zeros(len(first), dtype=bool)
        for field in self._sexes:
            differ |= _both(first, second, field) & (first[:, field] != second[:, field])
        return differ

    def _side_by_side(self, columns: RecordColumns, left: Indices, right: Indices) -> Bools:
        """Tell which pairs are records of one source that means to hold each person once."""
        names = columns.source_names
        if self._sources.count != len(names):
            self._sources = SourceRules(self._model, names)
        first, second = columns.sources[left], columns.sources[right]
        beside: Bools = (first == second) & self._sources.holds_once(first)
        return beside


@dataclass(frozen=True, slots=True)
class TwinsAmong:
    """The twins rule among some rows, which are numbered from 0."""

    rule: Twins
    columns: RecordColumns
    marks: Marks
    nodes: Indices

    def apart(self, left: Indices, right: Indices) -> Bools:
        """Tell which pairs are two children (`Twins.apart`)."""
        return self.rule.apart(self.columns, self.marks, self.nodes[left], self.nodes[right])

    def apart_in_components(self, left: Indices, right: Indices, component: Indices) -> Bools:
        """Tell the same of all pairs of whole components, by what their records say together (`Twins.spread`)."""
        apart = self.apart(left, right)
        return apart | self.spread(left, right, apart, component)

    def spread(self, left: Indices, right: Indices, apart: Bools, component: Indices) -> Bools:
        """Tell which other pairs are two children because of those which are `apart` (`Twins.spread`)."""
        return self.rule.spread(self.columns, self.nodes[left], self.nodes[right], apart, component)


def _are_exchanged(one: str, other: str) -> bool:
    """Tell whether dates (YYYYMMDD) are one but for day and month, which changed places."""
    return any(a[:4] + a[6:] + a[4:6] == b for a in one.split(ALTERNATE) for b in other.split(ALTERNATE))


def _may_be_one_name(one: str, other: str) -> bool:
    """Tell whether forenames that score as unlike are one all the same: an initial, a part, or one slip of the pen."""
    return any(
        a.startswith(b) or b.startswith(a) or a in b or b in a or OSA.distance(a, b, score_cutoff=1) <= 1
        for a in one.split(ALTERNATE)
        for b in other.split(ALTERNATE)
    )


def _is_a_slip(one: str, other: str) -> bool:
    """Tell whether forenames are one but for a slip of the pen on either side, or one of them only an initial."""
    return any(
        OSA.distance(a, b, score_cutoff=2) <= 1 + (min(len(a), len(b)) > 4)
        or (a[:1] == b[:1] and min(len(a), len(b)) == 1)
        for a in one.split(ALTERNATE)
        for b in other.split(ALTERNATE)
    )


def _texts(columns: RecordColumns, rows: Indices, field: int) -> list[tuple[int, str]]:
    rids = np.unique(rows)
    return list(zip(rids.tolist(), columns.texts(rids, field), strict=True))


def _rows(*arrays: Indices) -> list[tuple[int, ...]]:
    return list(zip(*(each.tolist() for each in arrays), strict=True))


def _equal(first: Hashes, second: Hashes, field: int) -> Bools:
    same: Bools = (first[:, field] == second[:, field]) & (first[:, field] != MISSING)
    return same


def _both(first: Hashes, second: Hashes, field: int) -> Bools:
    both: Bools = (first[:, field] != MISSING) & (second[:, field] != MISSING)
    return both


def _overlap(columns: RecordColumns, rows: tuple[Indices, Indices], hashes: tuple[Hashes, Hashes], field: int) -> Bools:
    """Tell which pairs have a value of a field in common, alternates included."""
    same = _equal(*hashes, field)
    several = with_alternates(columns.flags(rows[0]) | columns.flags(rows[1]), field)
    at = np.flatnonzero(several & ~same)
    if len(at):
        values = [columns.texts(side[at], field) for side in rows]
        same[at] = [bool({*a.split(ALTERNATE)} & {*b.split(ALTERNATE)} - {""}) for a, b in zip(*values, strict=True)]
    return same
