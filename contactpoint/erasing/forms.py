"""In which forms stages keep what is said of a person: one definition for what is looked for and for who else says it.

Every fold here is the stage's own function, so that whatever a stage makes of a name is looked for, and is known to be
another child's when that child's names make the same. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any, Final

import msgspec

from matching.features import DataView, NameView, person_values
from matching.linkage.normalise import ALTERNATE, FOLDERS
from projections.directory.entry import Entry, ShieldedEntry, fold_name
from projections.directory.rulings import Ruling
from schemas.catalogue import EVENT_TYPES

SHORTEST: Final = 4  # characters: shorter texts are found everywhere

_FOLDS: Final = [
    FOLDERS[kind] for kind in ("given_name", "surname", "postcode", "address", "identifier", "short_string")
]


class _Statement(DataView, frozen=True, gc=False):
    """What a record says of a person, or what a correction does."""

    says: DataView | None = None


_decode = msgspec.json.Decoder(_Statement).decode


def forms_of(value: str) -> frozenset[str]:
    """Return the forms of a value that are long enough to be looked for, none if it is too short itself.

    As it is written, as linkage folds each kind of text, as the directory folds names; in capitals and small letters.
    A fold that loses the digits of an address, or has nothing else, says too little to be looked for.
    """
    if len(value) < SHORTEST:
        return frozenset()
    folds = {fold_name(value), *(form for fold in _FOLDS for form in fold(value).split(ALTERNATE))}
    forms = {value, *(form for form in folds if len(form) >= SHORTEST and _says_as_much(form, value))}
    return frozenset(each for form in forms for each in (form, form.lower(), form.upper(), form.casefold()))


def _says_as_much(form: str, value: str) -> bool:
    return any(map(str.isalpha, form)) and [*filter(str.isdigit, form)] == [*filter(str.isdigit, value)]


def kept_of(statement: bytes) -> bytes:
    """Return a statement about a person, as JSON, and after it what linkage and the directory fold of it."""
    said = _decode(statement)
    person = said.says or said
    folded = [*person_values(person), *(form for name in person.names for form in _searched(name))]
    return b"\n".join([statement, *(form.encode() for form in folded)])


@cache
def our_words() -> frozenset[str]:
    """Return the words of the contracts, of fields and of codes: they stand everywhere, whoever has such a name."""
    directory = [msgspec.json.schema(kind) for kind in (Entry, ShieldedEntry, Ruling)]
    waiting: list[Any] = [*directory, *(event.model_json_schema() for event in EVENT_TYPES.values())]
    words: set[str] = set()
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            said = [*part.get("properties", ()), *part.get("enum", ()), part.get("const")]
            words.update(word for text in said for word in re.split(r"[\W_]+", str(text).lower()))
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
    return frozenset(words)


def _searched(name: NameView) -> Iterator[str]:
    """Yield a name as the directory is searched for it: each part, and both."""
    family, given = _folded(name.family), _folded(name.given)
    yield from (family, given, f"{family} {given}")


@lru_cache(maxsize=1 << 14)
def _folded(text: str | None) -> str:
    return fold_name(text) if text else ""
