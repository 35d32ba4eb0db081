"""Lines of bytes with a bound, for formats that are read line by line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

_CHUNK = 1 << 16


class Line(NamedTuple):
    """One line without its end. `overlong` says that `content` is only its first part."""

    content: bytes
    number: int
    overlong: bool = False


def bounded_lines(stream: BinaryIO, ends: re.Pattern[bytes], limit: int) -> Iterator[Line]:
    """Split at `ends` and yield numbered lines; of a line above `limit` bytes only the first `limit` are held."""
    number, pending, overlong = 0, b"", False
    while chunk := stream.read(_CHUNK):
        parts = ends.split(pending + chunk)
        pending = parts.pop()
        for part in parts:
            number += 1
            yield Line(part[:limit], number, overlong or len(part) > limit)
            overlong = False
        if len(pending) > limit + _CHUNK:
            overlong, pending = True, pending[: limit + 1]
    if pending:
        yield Line(pending[:limit], number + 1, overlong or len(pending) > limit)
