"""Which pairs are worth comparing: blocking keys by rule, and all candidate pairs of a table.

A blocking key is the hash of one rule's parts for one record; two records that share a key are a candidate pair.
Where a field has alternates the record has a key for each.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Final

import numpy as np

from matching.linkage.columns import RecordColumns, with_alternates
from matching.linkage.hashing import MISSING, Hashes, Indices, combine, combine_unordered, hash_text, hash_texts, mix
from matching.linkage.model import BlockingRule, LinkageModel
from matching.linkage.normalise import ALTERNATE
from matching.linkage.similarity import postcode_area
from schemas.errors import ConfigurationError

_PART: Final = re.compile(r"(?P<function>\w+)\((?P<arguments>[\w, ]+)\)")
_SOUNDEX: Final = {letter: code for code, group in enumerate("BFPV CGJKQSXZ DT L MN R".split(), 1) for letter in group}


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


@dataclass(frozen=True, slots=True)
class _Part:
    function: str  # "" for the value itself
    fields: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Rule:
    seed: np.uint64
    parts: tuple[_Part, ...]


class Blocker:
    """The blocking rules of one model, or others on its fields, ready to use. Raises ConfigurationError."""

    def __init__(self, model: LinkageModel, rules: Sequence[BlockingRule] | None = None) -> None:
        self.rules: Final = tuple(
            _Rule(np.uint64(hash_text(rule.name)), tuple(_parse(part, model) for part in rule.parts))
            for rule in (model.blocking_rules if rules is None else rules)
        )
        self._stop_keys: Hashes = np.sort(np.array(model.stop_keys, np.uint64))

    def keys(self, columns: RecordColumns, rids: Indices) -> tuple[Indices, Hashes]:
        """Return the blocking keys of rows: for each key the position in `rids` of its record, and the key."""
        owners: list[Indices] = []
        keys: list[Hashes] = []
        for by_rule in self.keys_by_rule(columns, rids):
            owners.append(by_rule[0])
            keys.append(by_rule[1])
        if not keys:
            return np.empty(0, np.int64), np.empty(0, np.uint64)
        return np.concatenate(owners), np.concatenate(keys)

    def keys_by_rule(self, columns: RecordColumns, rids: Indices) -> Iterator[tuple[Indices, Hashes]]:
        """Yield the keys of each rule in turn, missing and stop keys left out. No record has a key twice."""
        parts = _PartHashes(columns, rids)
        for rule in self.rules:
            several = parts.several(rule)
            owners, keys = np.flatnonzero(~several), parts.single_keys(rule)[~several]
            if several.any():
                more_owners, more_keys = _keys_of_alternates(rule, parts, np.flatnonzero(several))
                owners, keys = np.concatenate([owners, more_owners]), np.concatenate([keys, more_keys])
            wanted = (keys != MISSING) & ~self._is_stopped(keys)
            yield owners[wanted], keys[wanted]

    def _is_stopped(self, keys: Hashes) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        if not len(self._stop_keys):
            return np.zeros(len(keys), dtype=bool)
        at = np.minimum(np.searchsorted(self._stop_keys, keys), len(self._stop_keys) - 1)
        stopped: np.ndarray[tuple[int], np.dtype[np.bool_]] = self._stop_keys[at] == keys
        return stopped


def blocking_keys(columns: RecordColumns, rids: Indices, model: LinkageModel) -> tuple[Indices, Hashes]:
    """Return the blocking keys of rows: for each key the position in `rids` of its record, and the key."""
    return Blocker(model).keys(columns, rids)


class _PartHashes:
    """The hashes of rule parts over some rows; each part is worked out once."""

    def __init__(self, columns: RecordColumns, rids: Indices) -> None:
        self._columns = columns
        self._rids = rids
        self._hashes = columns.hashes(rids)
        self._flags = columns.flags(rids)
        self._known: dict[_Part, Hashes] = {}
        self._split: Sequence[Sequence[str]] | None = None

    def texts(self, rows: Indices, field: int) -> list[str]:
        """Return one field's values of some of the rows, given by position."""
        values = self._values()
        return [values[row][field] for row in rows.tolist()]

    def _values(self) -> Sequence[Sequence[str]]:
        """Return the values of all rows; they are split once, however many parts read them."""
        if self._split is None:
            self._split = self._columns.values(self._rids)
        return self._split

    def several(self, rule: _Rule) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Tell which rows have alternates in a field of the rule."""
        several = np.zeros(len(self._rids), dtype=bool)
        if self._flags.any():
            for field in {field for part in rule.parts for field in part.fields}:
                several |= with_alternates(self._flags, field)
        return several

    def single_keys(self, rule: _Rule) -> Hashes:
        """Return the key of each row, MISSING where a part is; of no meaning for rows with alternates."""
        keys = np.full(len(self._rids), rule.seed)
        for part in rule.parts:
            keys = combine(keys, self._part(part))
        return keys

    def _part(self, part: _Part) -> Hashes:
        if part not in self._known:
            self._known[part] = self._compute(part)
        return self._known[part]

    def _compute(self, part: _Part) -> Hashes:
        first = self._hashes[:, part.fields[0]]
        if part.function == "":
            return first
        if part.function == "sorted":
            return combine_unordered(first, self._hashes[:, part.fields[1]])
        field = part.fields[0]
        return _hash_derived(PARTS[part.function], [values[field] for values in self._values()])


def _hash_derived(function: Callable[[str], str], values: Sequence[str]) -> Hashes:
    return np.array([_derived(function, value) if value else MISSING for value in values], np.uint64)


@lru_cache(maxsize=1 << 15)
def _derived(function: Callable[[str], str], value: str) -> int:
    """Return the hash of what a function makes of a value; names and dates come again and again."""
    return hash_text(function(value))


def _keys_of_alternates(rule: _Rule, parts: _PartHashes, which: Indices) -> tuple[Indices, Hashes]:
    """Return the keys of rows with alternates: one for each way to choose one alternate of each field."""
    owners: list[int] = []
    fields = sorted({field for part in rule.parts for field in part.fields})
    chosen: list[tuple[str, ...]] = []
    texts = [parts.texts(which, field) for field in fields]
    for row, *alternates in zip(which.tolist(), *texts, strict=True):
        ways = list(product(*(text.split(ALTERNATE) for text in alternates)))
        chosen.extend(ways)
        owners.extend([row] * len(ways))
    keys = np.full(len(owners), rule.seed)
    by_field = dict(zip(fields, zip(*chosen, strict=True), strict=True))
    for part in rule.parts:
        keys = combine(keys, _hash_part(part, [by_field[field] for field in part.fields]))
    # Two alternates may have the same key ("first letter").
    _, once = np.unique(combine(mix(np.array(owners, np.uint64)), keys), return_index=True)
    return np.array(owners, np.int64)[once], keys[once]


def _hash_part(part: _Part, values: Sequence[Sequence[str]]) -> Hashes:
    if part.function == "":
        return hash_texts(values[0])
    if part.function == "sorted":
        return combine_unordered(hash_texts(values[0]), hash_texts(values[1]))
    return _hash_derived(PARTS[part.function], values[0])


def _parse(text: str, model: LinkageModel) -> _Part:
    match = _PART.fullmatch(text)
    function = match["function"] if match else ""
    names = [name.strip() for name in match["arguments"].split(",")] if match else [text]
    unknown = [name for name in names if name not in model.field_index]
    if unknown:
        raise ConfigurationError(
            f"blocking part {text!r} names no field {unknown[0]!r}; known: {', '.join(model.field_index)}"
        )
    if function and function != "sorted" and function not in PARTS:
        raise ConfigurationError(f"unknown function in blocking part {text!r}; known: sorted, {', '.join(PARTS)}")
    if len(names) != (2 if function == "sorted" else 1):
        raise ConfigurationError(f"blocking part {text!r} has {len(names)} fields")
    return _Part(function, tuple(model.field_index[name] for name in names))
