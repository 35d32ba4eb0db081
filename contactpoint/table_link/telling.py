"""Which fields of a wide table tell most of whom a record is, measured on the table and whatever their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from contactpoint.table_link.reading import Table, texts
from contactpoint.table_link.whole_names import split_whole_name

Codes = npt.NDArray[np.int64]

_PERSONAL: Final = frozenset({"given_name", "surname", "date", "years", "sex"})
_M: Final = 0.95  # how often two records of one person agree, before anything is counted
_BELIEF: Final = 5.0  # pairs that this counts for
_SURE: Final = 6.0  # bits beyond an even chance from which two records are taken for one person
_ROWS: Final = 30_000
_NEAR: Final = 2
_MISSING: Final = -1


def most_telling(table: Table, fields: Mapping[str, Mapping[str, Any]], most: int) -> list[str]:
    """Return the names of `most` fields, those of persons first, then by what agreement in each tells (bits).

    That is the divergence (Kullback and Leibler) of how often two records of one person agree from how often any two
    do, times how often both have a value. Who is one person is told by the other fields that tell of persons, if they
    can; else by all others.
    """
    rows = np.unique(np.linspace(0, table.num_rows - 1, min(_ROWS, table.num_rows), dtype=np.int64))
    seen, names = table.take(rows), sorted(fields)
    codes = np.array([_codes(seen, fields[name]) for name in names])
    bits = _bits(codes, [fields[name]["kind"] for name in names])
    order = sorted(range(len(names)), key=lambda i: (fields[names[i]]["kind"] not in _PERSONAL, -bits[i], names[i]))
    # The first forename is what families are told by.
    return sorted((names[i] for i in order[:most]), key=lambda name: "middle" in name.lower())


def _codes(table: Table, field: Mapping[str, Any]) -> Codes:
    """Return a number for each value of a field, _MISSING where there is none."""
    columns = [field[part] for part in ("column", "year", "month", "day") if part in field]
    values = ["-".join(parts) for parts in zip(*(texts(table, name) for name in columns), strict=True)]
    if field.get("whole_name"):
        values = [split_whole_name(value)[field["kind"] == "surname"] for value in values]
    plain = np.array([value.strip("- ").casefold() for value in values])
    different, codes = np.unique(plain, return_inverse=True)
    return np.where(different[codes] == "", _MISSING, codes)


def _bits(codes: Codes, kinds: Sequence[str]) -> list[float]:
    """Return what agreement tells, for each field; `codes` has shape (fields, rows)."""
    u = np.array([_share_alike(own) for own in codes])
    personal = _most_distinct(kinds, u)
    left, right = _near_pairs(codes, np.argsort(u, kind="stable"))
    enough = np.log2(codes.shape[1]) + _SURE
    told_by = personal if np.log2(_M / u[personal]).sum() >= enough else np.ones(len(u), dtype=bool)
    total = np.zeros(len(left))
    for i in np.flatnonzero(told_by).tolist():
        total += _weights(codes[i], u[i], left, right)
    bits = []
    for i, own in enumerate(codes):
        one = total - told_by[i] * _weights(own, u[i], left, right) >= enough
        there, agree = _compared(own, left[one], right[one])
        m = (agree.sum() + _BELIEF * _M) / (there.sum() + _BELIEF)
        filled = (there.sum() + (own != _MISSING).mean() ** 2) / (one.sum() + 1.0)
        bits.append(float(filled * (m * np.log2(m / u[i]) + (1.0 - m) * np.log2((1.0 - m) / (1.0 - u[i])))))
    return bits


def _compared(codes: Codes, left: Codes, right: Codes) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Tell in which pairs both have a value, and in which they agree."""
    one, other = codes[left], codes[right]
    there = (one != _MISSING) & (other != _MISSING)
    return there, there & (one == other)


def _weights(codes: Codes, u: float, left: Codes, right: Codes) -> npt.NDArray[np.float64]:
    """Return what one field says of each pair, in bits."""
    there, agree = _compared(codes, left, right)
    bits: npt.NDArray[np.float64] = agree * np.log2(_M / u) + (there & ~agree) * np.log2((1.0 - _M) / (1.0 - u))
    return bits


def _most_distinct(kinds: Sequence[str], u: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Tell which field is the most distinct of each personal kind; an age says what the birth date has said."""
    best = {kind: i for i, kind in sorted(enumerate(kinds), key=lambda each: -u[each[0]]) if kind in _PERSONAL}
    if "date" in best:
        best.pop("years", None)
    return np.isin(np.arange(len(kinds)), list(best.values()))


def _share_alike(codes: Codes) -> float:
    """Return how often two records that have a value have the same."""
    _, counts = np.unique(codes[codes != _MISSING], return_counts=True)
    n = counts.sum()
    alike = float((counts * (counts - 1)).sum() + 1.0) / float(max(1, n * (n - 1)) + 1.0)
    return min(alike, 1.0 - 1e-6)


def _near_pairs(codes: Codes, by_distinctness: Sequence[int] | Codes) -> tuple[Codes, Codes]:
    """Return pairs of rows that share a value: the next rows by each field and the most distinct."""
    found = []
    for own in codes:
        order = np.lexsort([codes[i] for i in by_distinctness[2::-1]] + [own])
        for step in range(1, _NEAR + 1):
            left, right = order[:-step], order[step:]
            same = (own[left] == own[right]) & (own[left] != _MISSING)
            found.append(np.minimum(left, right)[same] * codes.shape[1] + np.maximum(left, right)[same])
    pairs = np.unique(np.concatenate(found))
    return pairs // codes.shape[1], pairs % codes.shape[1]
