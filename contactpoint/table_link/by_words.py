"""Texts of several words: the columns that hold them, and a second reading of a table by them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from contactpoint.table_link.config import LinkConfig
from contactpoint.table_link.reading import Table, texts

ENOUGH: Final = 0.7
"""Expected F1 from which the first reading of a table, with texts compared as wholes, is kept without another."""

_WORDY: Final = 0.5
_IN_COMMON: Final = 0.3
_PERSONS: Final = frozenset({"given_name", "surname"})


def read_by_words(table: Table, config: LinkConfig) -> LinkConfig | None:
    """Return a guessed configuration with texts of several words compared by these.

    None if there are none, or persons are named: their names tell more than the words of a place.
    """
    if any(field.kind in _PERSONS for field in config.fields.values()):
        return None
    fields = {
        name: field.model_copy(update={"kind": "text"})
        if field.kind == "short_string" and field.column is not None and is_wordy(texts(table, field.column))
        else field
        for name, field in config.fields.items()
    }
    return config.model_copy(update={"fields": fields}) if fields != config.fields else None


def is_wordy(values: Sequence[str]) -> bool:
    """Tell whether most values that are there have several words."""
    there = [value for value in map(str.strip, values) if value]
    return sum(" " in value for value in there) > _WORDY * len(there)


def of_the_same(one: Sequence[str], other: Sequence[str]) -> bool:
    """Tell whether two columns of texts are written with the same words."""
    first, second = ({word for value in values for word in value.casefold().split()} for values in (one, other))
    return len(first & second) > _IN_COMMON * min(len(first), len(second))
