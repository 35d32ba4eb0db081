"""Texts as PostgreSQL takes them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from schemas.errors import RejectedError

# An odd number of backslashes before "u0000": an even number is escaped backslashes and plain text.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_NULL = r"\N"
_BETWEEN = "\0"  # stands in no value: a NUL was refused
_ESCAPES = (("\\", r"\\"), ("\t", r"\t"), ("\n", r"\n"), ("\r", r"\r"))


def refuse_nul(value: bytes | None) -> None:
    """Raise RejectedError for a value with an escaped NUL character, which PostgreSQL's text cannot hold."""
    if value is not None and b"\\u0000" in value and _NUL.search(value):
        raise RejectedError("nul_character", "the event holds a NUL character")


def array_text(items: Iterable[str]) -> str:
    """Return PostgreSQL's text form of a text array (psycopg's own is several times slower)."""
    listed = items if isinstance(items, (tuple, list)) else list(items)
    if not listed:
        return "{}"
    joined = '","'.join(listed)
    if "\\" in joined or joined.count('"') != 2 * (len(listed) - 1):
        joined = '","'.join([item.replace("\\", "\\\\").replace('"', '\\"') for item in listed])
    return f'{{"{joined}"}}'


def copy_block(rows: Iterable[Sequence[Any]]) -> bytes:
    """Return rows as one block for COPY in text form (b"" for none): texts, numbers, truth values, dates, times, None.

    Works column by column, so that texts are escaped a whole column at a time: four times as fast as psycopg's
    `write_row`. Every column holds values of one type, besides None.
    """
    columns = [_column(values) for values in zip(*rows, strict=True)]
    return "\n".join([*map("\t".join, zip(*columns, strict=True)), ""]).encode()


def _column(values: Sequence[Any]) -> Sequence[str]:
    """Return the texts of one column."""
    kinds = set(map(type, values))
    if type(None) in kinds:
        return _with_nulls(values)
    if kinds == {str}:
        return _escaped(values)
    if kinds == {datetime}:
        return [value.isoformat() for value in values]
    return list(map(str, values))


def _with_nulls(values: Sequence[Any]) -> Sequence[str]:
    """Return the texts of a column of which some values are missing."""
    places = [place for place, value in enumerate(values) if value is not None]
    texts = [_NULL] * len(values)
    if places:
        for place, text in zip(places, _column([values[place] for place in places]), strict=True):
            texts[place] = text
    return texts


def _escaped(texts: Sequence[str]) -> Sequence[str]:
    joined = _BETWEEN.join(texts)
    if not any(sign in joined for sign, _ in _ESCAPES):
        return texts
    for sign, escaped in _ESCAPES:
        joined = joined.replace(sign, escaped)
    parts = joined.split(_BETWEEN)
    # A NUL that came all the same is left for PostgreSQL to refuse: with it, the parts would not fit the rows.
    return parts if len(parts) == len(texts) else [_escape(text) for text in texts]


def _escape(text: str) -> str:
    for sign, escaped in _ESCAPES:
        text = text.replace(sign, escaped)
    return text
