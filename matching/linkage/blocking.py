"""Which pairs are worth comparing: blocking keys by rule, and all candidate pairs of a table.

A blocking key is the hash of one rule's parts for one record; two records that share a key are a candidate pair.
Where a field has alternates the record has a key for each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from matching.linkage.hashing import MISSING, Hashes, Indices, hash_text
from matching.linkage.model import BlockingRule, LinkageModel
from matching.linkage.part_hashes import PARTS, WORDS, Bools, DerivedHashes, Part, PartHashes, Rule, ValuesOfRows
from schemas.errors import ConfigurationError

_PART: Final = re.compile(r"(?P<function>\w+)\((?P<arguments>[\w, ]+)\)")

_Item = TypeVar("_Item", bound=np.generic)


class Blocker:
    """The blocking rules of one model, or others on its fields, ready to use. Raises ConfigurationError."""

    def __init__(self, model: LinkageModel, rules: Sequence[BlockingRule] | None = None) -> None:
        self.rules: Final = tuple(_ready(rule, model) for rule in (model.blocking_rules if rules is None else rules))
        self._derived: Final = DerivedHashes()
        self._stop_keys: Hashes = np.sort(np.array(model.stop_keys, np.uint64))

    def keys(self, columns: ValuesOfRows, rids: Indices) -> tuple[Indices, Hashes]:
        """Return the blocking keys of rows: for each key the position in `rids` of its record, and the key."""
        found = list(self.keys_by_rule(columns, rids))
        return _joined([owners for owners, _ in found], np.int64), _joined([keys for _, keys in found], np.uint64)

    def keys_by_rule(self, columns: ValuesOfRows, rids: Indices) -> Iterator[tuple[Indices, Hashes]]:
        """Yield the keys of each rule in turn, missing and stop keys left out. No record has a key twice."""
        parts = PartHashes(columns, rids, self._derived)
        for rule in self.rules:
            several = parts.several(rule)
            owners, keys = np.flatnonzero(~several), parts.single_keys(rule)[~several]
            if several.any():
                more_owners, more_keys = parts.alternate_keys(rule, np.flatnonzero(several))
                owners, keys = np.concatenate([owners, more_owners]), np.concatenate([keys, more_keys])
            chosen = (keys != MISSING) & ~self._is_stopped(keys)
            yield owners[chosen], keys[chosen]

    def _is_stopped(self, keys: Hashes) -> Bools:
        if not len(self._stop_keys):
            return np.zeros(len(keys), dtype=bool)
        at = np.minimum(np.searchsorted(self._stop_keys, keys), len(self._stop_keys) - 1)
        stopped: Bools = self._stop_keys[at] == keys
        return stopped


def _joined(arrays: Sequence[npt.NDArray[_Item]], kind: type[_Item]) -> npt.NDArray[_Item]:
    return np.concatenate(arrays) if arrays else np.empty(0, kind)


def _ready(rule: BlockingRule, model: LinkageModel) -> Rule:
    parts = tuple(_parse(part, model) for part in rule.parts)
    fields = sorted({field for part in parts for field in part.fields})
    return Rule(np.uint64(hash_text(rule.name)), parts, tuple(fields))


def _parse(text: str, model: LinkageModel) -> Part:
    match = _PART.fullmatch(text)
    function = match["function"] if match else ""
    names = [name.strip() for name in match["arguments"].split(",")] if match else [text]
    unknown = [name for name in names if name not in model.field_index]
    if unknown:
        raise ConfigurationError(
            f"blocking part {text!r} names no field {unknown[0]!r}; known: {', '.join(model.field_index)}"
        )
    if function and function not in {"sorted", WORDS, *PARTS}:
        known = ", ".join(["sorted", *PARTS, WORDS])
        raise ConfigurationError(f"unknown function in blocking part {text!r}; known: {known}")
    if len(names) != (2 if function == "sorted" else 1):
        raise ConfigurationError(f"blocking part {text!r} has {len(names)} fields")
    return Part(function, tuple(model.field_index[name] for name in names))
