"""Texts as PostgreSQL takes them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from schemas.errors import RejectedError

# An odd number of backslashes before "u0000": an even number is escaped backslashes and plain text.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def refuse_nul(value: bytes | None) -> None:
    """Raise RejectedError for a value with an escaped NUL character, which PostgreSQL's text cannot hold."""
    if value is not None and b"\\u0000" in value and _NUL.search(value):
        raise RejectedError("nul_character", "the event holds a NUL character")


def array_text(items: Iterable[str]) -> str:
    """Return PostgreSQL's text form of a text array, for COPY (psycopg's own is several times slower)."""
    quoted = [item.replace("\\", "\\\\").replace('"', '\\"') for item in items]
    return '{"' + '","'.join(quoted) + '"}' if quoted else "{}"
