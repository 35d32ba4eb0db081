"""The parts of blocking rules as hashes, a whole column of rows at a time.

A record whose field has alternates has a key for each of them, and for each way to choose where several fields have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from matching.linkage.columns import Flags, with_alternates
from matching.linkage.hashing import MISSING, Hashes, Indices, combine, combine_unordered, hash_texts, mix, one_of_each
from matching.linkage.normalise import ALTERNATE
from matching.linkage.similarity import postcode_area
from matching.linkage.words import word_keys

_SOUNDEX: Final = {letter: code for code, group in enumerate("BFPV CGJKQSXZ DT L MN R".split(), 1) for letter in group}
_REMEMBERED: Final = 1 << 16  # values of a part whose hash is known already; names and dates come again and again

Bools = npt.NDArray[np.bool_]


@lru_cache(maxsize=1 << 12)
def soundex(name: str) -> str:
    """Return the Soundex code of a name (Russell 1918): its first letter, three digits for the consonants after it."""
    digits: list[int] = []
    last = _SOUNDEX.get(name[:1], 0)
    for letter in name[1:]:
        code = _SOUNDEX.get(letter, 0)
        if code and code != last:
            digits.append(code)
        if letter not in "HW":  # the same sound on both sides of H or W counts once
            last = code
    return name[:1] + "".join(map(str, digits[:3])).ljust(3, "0") if name else ""


PARTS: Final[dict[str, Callable[[str], str]]] = {
    "year": lambda date: date[:4],
    "month_day": lambda date: date[4:],
    "year_month": lambda date: date[:6],
    "first": lambda name: name[:1],
    "first3": lambda name: name[:3],
    "first_word": lambda name: name.partition(" ")[0],
    "last_word": lambda name: name.rpartition(" ")[2],
    "soundex": soundex,
    "area": postcode_area,
    "sector": lambda postcode: postcode[:-2],
    "first_words": lambda text: " ".join(text.split()[:2]),
}
"""Functions of one value that a blocking rule may use as a part; `sorted(a, b)` takes two fields in either order."""

WORDS: Final = "words"
"""The part of a text that has several values: its rare words (`words.word_keys`)."""


class ValuesOfRows(Protocol):
    """What keys are made of: `RecordColumns`, or rows that are at hand."""

    def hashes(self, rids: Indices) -> Hashes:
        """Return the value hashes of rows, shape (rows, fields)."""
        ...

    def flags(self, rids: Indices) -> Flags:
        """Return the flags of rows."""
        ...

    def texts(self, rids: Indices, field: int) -> list[str]:
        """Return the values of rows in one field."""
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a rule: a function ("" for the value itself) of one field, or `sorted` of two."""

    function: str
    fields: tuple[int, ...]

    @property
    def choices(self) -> tuple[int, ...]:
        """What there may be several of in a row: alternates of a field, or (below 0) words of one."""
        return tuple(~field for field in self.fields) if self.function == WORDS else self.fields


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule ready to use; `fields` are all that its parts read."""

    seed: np.uint64
    parts: tuple[Part, ...]
    fields: tuple[int, ...]

    @property
    def on_words(self) -> bool:
        """Whether it reads the words of a text."""
        return any(part.function == WORDS for part in self.parts)

    @property
    def choices(self) -> tuple[int, ...]:
        """What a row may have several of, for all parts."""
        return tuple(sorted({choice for part in self.parts for choice in part.choices}))


@dataclass(frozen=True, slots=True)
class _Alternates:
    """The values of one field over rows: `counts` of each row, the first of them at `starts`.

    A place below the number of rows is the row's own single value, one from there on that of `texts`.
    """

    starts: Indices
    counts: Indices
    texts: list[str]


class DerivedHashes:
    """The hashes of what a part makes of values, by the hash of the value: most values were seen lately.

    For each function a table with the value's hash and what was made of it, in a place that the value's hash says; a
    value takes the place from another one.
    """

    def __init__(self) -> None:
        self._tables: dict[str, Hashes] = {}

    def of(self, function: str, codes: Hashes, texts: Callable[[Indices], list[str]]) -> Hashes:
        """Return the hashes for values with these hashes; `texts` gives the values at some of the places."""
        if function not in self._tables:
            self._tables[function] = np.full((_REMEMBERED, 2), MISSING, np.uint64)
        table, slots = self._tables[function], (codes % _REMEMBERED).astype(np.int64)
        there = table[slots]
        derived: Hashes = there[:, 1]
        places = np.flatnonzero(there[:, 0] != codes)
        if len(places):
            firsts, which = one_of_each(codes[places])
            once = places[firsts]
            made = hash_texts(map(PARTS[function], texts(once)))
            table[slots[once]] = np.stack([codes[once], made], axis=1)
            derived[places] = made[which]
        return derived


class PartHashes:
    """The hashes of rule parts over some rows; each part is worked out once."""

    def __init__(self, columns: ValuesOfRows, rids: Indices, derived: DerivedHashes) -> None:
        self._columns, self._rids, self._derived = columns, rids, derived
        self._hashes = columns.hashes(rids)
        self._flags = columns.flags(rids)
        self._any_alternates = bool(np.any(self._flags))
        self._singles: dict[Part, Hashes] = {}
        self._spelled: dict[Part, Hashes] = {}
        self._alternates: dict[int, _Alternates] = {}

    def several(self, rule: Rule) -> Bools:
        """Tell which rows have alternates in a field of the rule."""
        several = np.zeros(len(self._rids), dtype=bool)
        if self._any_alternates:
            for field in rule.fields:
                several |= with_alternates(self._flags, field)
        if rule.on_words:
            several[:] = True
        return several

    def single_keys(self, rule: Rule) -> Hashes:
        """Return the key of each row, MISSING where a part is; of no meaning for rows with alternates."""
        keys = np.full(len(self._rids), rule.seed)
        for part in rule.parts:
            keys = combine(keys, self._single(part))
        return keys

    def alternate_keys(self, rule: Rule, rows: Indices) -> tuple[Indices, Hashes]:
        """Return the keys of some rows (by position), one for each way to choose one alternate of each field."""
        owners, chosen = rows, dict.fromkeys(rule.choices, rows)
        for field in rule.choices:
            each = self._alternates_of(field)
            counts = each.counts[owners]
            again = np.repeat(np.arange(len(owners)), counts)
            steps = np.arange(len(again)) - np.repeat(np.cumsum(counts) - counts, counts)
            starts, owners = each.starts[owners], owners[again]
            chosen = {one: places[again] for one, places in chosen.items()}
            chosen[field] = starts[again] + steps
        keys = np.full(len(owners), rule.seed)
        for part in rule.parts:
            keys = combine(keys, self._chosen(part, chosen))
        if all(part.function == "" for part in rule.parts):
            return owners, keys  # no two alternates of a field are equal
        # Two alternates may have the same key ("first letter").
        once, _ = one_of_each(combine(mix(owners.astype(np.uint64)), keys))
        return owners[once], keys[once]

    def _single(self, part: Part) -> Hashes:
        if part not in self._singles:
            first = self._hashes[:, part.fields[0]]
            if part.function == "sorted":
                first = combine_unordered(first, self._hashes[:, part.fields[1]])
            elif part.function == WORDS:
                first = np.full(len(first), MISSING, np.uint64)
            elif part.function:
                first = self._derived.of(part.function, first, lambda at: self._texts(at, part.fields[0]))
            self._singles[part] = first
        return self._singles[part]

    def _texts(self, at: Indices, field: int) -> list[str]:
        return self._columns.texts(self._rids[at], field)

    def _chosen(self, part: Part, chosen: Mapping[int, Indices]) -> Hashes:
        """Return the hashes of a part for chosen values of its fields."""
        if part.function == "sorted":
            one, other = (self._spellings(Part("", (field,)))[chosen[field]] for field in part.fields)
            return combine_unordered(one, other)
        return self._spellings(part)[chosen[part.choices[0]]]

    def _spellings(self, part: Part) -> Hashes:
        """Return the hashes of a part for all places that `_alternates_of` its field counts."""
        if part not in self._spelled:
            texts = self._alternates_of(part.choices[0]).texts
            function = PARTS.get(part.function)
            more = hash_texts(map(function, texts) if function else texts)
            self._spelled[part] = np.concatenate([self._single(part), more])
        return self._spelled[part]

    def _alternates_of(self, field: int) -> _Alternates:
        if field not in self._alternates:
            n = len(self._rids)
            starts, counts = np.arange(n), np.ones(n, np.int64)
            if field < 0:
                several = np.arange(n)
                split = [word_keys(text) for text in self._texts(several, ~field)]
            else:
                several = np.flatnonzero(with_alternates(self._flags, field))
                split = [text.split(ALTERNATE) for text in self._texts(several, field)]
            counts[several] = sizes = np.array(list(map(len, split)), np.int64)
            starts[several] = n + np.cumsum(sizes) - sizes
            self._alternates[field] = _Alternates(starts, counts, [text for texts in split for text in texts])
        return self._alternates[field]
