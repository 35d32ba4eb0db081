"""How alike two unequal values are, as level codes: the kernels of the comparison kinds.

A kernel takes two lists of folded values, the i-th of one against the i-th of the other, all present and unequal, and
returns one level code each. Kernels are told each pair in one fixed order, so they need not be symmetric (Jaro is
not, quite).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import OSA, JaroWinkler, Prefix
from rapidfuzz.process import cpdist

from matching.linkage.nicknames import NICKNAME_GROUPS, are_nicknames

Levels = npt.NDArray[np.int8]
Kernel = Callable[[Sequence[str], Sequence[str]], Levels]

DIFFERENT: Final = 1
"""The level code of "anything else" in every kind."""

NAME_SLIGHT, NAME_ALIKE, NAME_VARIANT, NAME_NEAR, NAME_SWAPPED, NAME_EXACT = range(2, 8)
DATE_YEAR, DATE_TWO_PARTS, DATE_VAGUE, DATE_ONE_EDIT, DATE_SWAPPED, DATE_EXACT = range(2, 8)
POSTCODE_AREA, POSTCODE_SECTOR, POSTCODE_ONE_EDIT, POSTCODE_EXACT = range(2, 6)
TEXT_SLIGHT, TEXT_ALIKE, TEXT_NEAR, TEXT_EXACT = range(2, 6)
YEARS_NEAR, YEARS_EXACT = range(2, 4)
IDENTIFIER_CLOSE, IDENTIFIER_EXACT = range(2, 4)
SAME: Final = 2

JARO_WINKLER_STEPS: Final = (0.70, 0.85, 0.92)
"""Jaro-Winkler similarity from which two texts are slightly alike, alike, nearly the same (measured on 50k people)."""

_ALIKE: Final = 2  # steps
_NEAR_YEARS: Final = 2

# Words of surnames that many unrelated people share.
PARTICLES: Final = frozenset(
    "AL ABU BIN BINT DA DAS DE DEL DEN DER DI DO DOS DU EL IBN LA LE LOS MAC MC OF SAN ST TEN TER THE VAN VON Y".split()
)


def jaro_winkler_steps(left: Sequence[str], right: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return how many of the JARO_WINKLER_STEPS each pair reaches, 0 to 3."""
    similarity = _pairwise(JaroWinkler.similarity, left, right, score_cutoff=JARO_WINKLER_STEPS[0], dtype=np.float64)
    return np.searchsorted(JARO_WINKLER_STEPS, similarity, side="right")


def names_alike(left: Sequence[str], right: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Tell which pairs of names are alike, or one is not there; both orders of a pair give the same."""
    ordered = [(min(pair), max(pair)) for pair in zip(left, right, strict=True)]
    first, second = [a for a, _ in ordered], [b for _, b in ordered]
    alike: npt.NDArray[np.bool_] = jaro_winkler_steps(first, second) >= _ALIKE
    alike |= np.array([not a for a in first], dtype=bool)
    return alike


def one_edit_apart(left: Sequence[str], right: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Tell which pairs are one insertion, deletion, substitution or exchange of neighbours apart (OSA distance 1)."""
    distance = _pairwise(OSA.distance, left, right, score_cutoff=1, dtype=np.int32)
    near: npt.NDArray[np.bool_] = distance <= 1
    return near


def given_name_levels(left: Sequence[str], right: Sequence[str]) -> Levels:
    """Forenames: Jaro-Winkler steps; a short form (William, Bill) or one of several names counts as a variant."""
    levels = _name_levels(left, right)
    short = [i for i, a in enumerate(left) if a in NICKNAME_GROUPS and are_nicknames(a, right[i])]
    levels[short] = np.maximum(levels[short], np.int8(NAME_VARIANT))
    return levels


def surname_levels(left: Sequence[str], right: Sequence[str]) -> Levels:
    """Surnames: Jaro-Winkler steps; one part of a double name (Smith, Smith-Jones) counts as a variant."""
    return _name_levels(left, right)


def date_levels(left: Sequence[str], right: Sequence[str]) -> Levels:
    """Dates as YYYYMMDD: day and month swapped, one edit, two of the three parts the same, the year the same."""
    a, b = _digits(left), _digits(right)
    differs = a != b
    year, month, day = (~differs[:, part].any(axis=1) for part in (slice(0, 4), slice(4, 6), slice(6, 8)))
    swapped = year & (a[:, 4:6] == b[:, 6:8]).all(axis=1) & (a[:, 6:8] == b[:, 4:6]).all(axis=1)
    neighbours = (a[:, :-1] == b[:, 1:]) & (a[:, 1:] == b[:, :-1]) & differs[:, :-1]
    count = differs.sum(axis=1)
    one_edit = (count == 1) | ((count == 2) & neighbours.any(axis=1))
    two_parts = year.astype(np.int8) + month + day == 2
    return np.select(
        [swapped, one_edit, two_parts, year],
        [np.int8(code) for code in (DATE_SWAPPED, DATE_ONE_EDIT, DATE_TWO_PARTS, DATE_YEAR)],
        np.int8(DIFFERENT),
    )


def years_levels(left: Sequence[str], right: Sequence[str]) -> Levels:
    """Years of birth, or ages: up to two apart, as between two censuses of one age or where a year was reckoned."""
    apart = np.abs(np.array(left, np.int64) - np.array(right, np.int64))
    return np.where(apart <= _NEAR_YEARS, np.int8(YEARS_NEAR), np.int8(DIFFERENT))


def postcode_levels(left: Sequence[str], right: Sequence[str]) -> Levels:
    """Postcodes without space: one edit apart, same sector (all but the last two signs), same area (first letters)."""
    levels = np.full(len(left), DIFFERENT, np.int8)
    alike = _pairwise(Prefix.similarity, left, right, score_cutoff=1, dtype=np.int32)
    for i in np.flatnonzero(alike).tolist():  # those that begin with the same sign
        a, b = left[i], right[i]
        if a[0].isalpha() and (a[1:2] == b[1:2] or not (a[1:2].isalpha() or b[1:2].isalpha())):
            levels[i] = POSTCODE_AREA
        if a[:-2] == b[:-2] != "":
            levels[i] = POSTCODE_SECTOR
    levels[one_edit_apart(left, right)] = POSTCODE_ONE_EDIT
    return levels


def text_levels(left: Sequence[str], right: Sequence[str]) -> Levels:
    """Addresses, places and other short texts: Jaro-Winkler steps."""
    return (DIFFERENT + jaro_winkler_steps(left, right)).astype(np.int8)


def identifier_levels(left: Sequence[str], right: Sequence[str]) -> Levels:
    """Identifiers: one edit apart, as a slip of the keyboard makes them."""
    return np.where(one_edit_apart(left, right), np.int8(IDENTIFIER_CLOSE), np.int8(DIFFERENT))


def postcode_area(postcode: str) -> str:
    """Return the letters that a postcode begins with (at most two)."""
    return postcode[: 2 if postcode[1:2].isalpha() else 1] if postcode[:1].isalpha() else ""


def _name_levels(left: Sequence[str], right: Sequence[str]) -> Levels:
    codes = np.array([DIFFERENT, NAME_SLIGHT, NAME_ALIKE, NAME_NEAR], np.int8)
    levels: Levels = codes[jaro_winkler_steps(left, right)]
    several = [i for i, (a, b) in enumerate(zip(left, right, strict=True)) if " " in a or " " in b]
    shared = [i for i in several if not _words(left[i]).isdisjoint(_words(right[i]))]
    levels[shared] = np.maximum(levels[shared], np.int8(NAME_VARIANT))
    return levels


@lru_cache(maxsize=1 << 12)
def _words(name: str) -> frozenset[str]:
    """Return the words of a name that tell whose it is."""
    return frozenset(word for word in name.split() if len(word) > 1 and word not in PARTICLES)


def _digits(dates: Sequence[str]) -> npt.NDArray[np.uint8]:
    # Folded dates have eight digits; anything else is cut or filled, so that it stops no batch.
    fits = set(map(len, dates)) <= {8}
    text = "".join(dates if fits else [value[:8].ljust(8) for value in dates])
    return np.frombuffer(text.encode("ascii", "replace"), np.uint8).reshape(len(dates), 8)


def _pairwise(
    scorer: Any, left: Sequence[str], right: Sequence[str], score_cutoff: float, dtype: Any
) -> npt.NDArray[Any]:
    return cpdist(left, right, scorer=scorer, score_cutoff=score_cutoff, dtype=dtype, workers=1)
