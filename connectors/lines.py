"""Lines of bytes with a bound, for formats that are read line by line."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import NamedTuple, Protocol

_CHUNK = 1 << 16


class ByteStream(Protocol):
    """Something that bytes can be read from, as from an open file."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, and none at the end."""
        ...


class Recoded:
    """A stream in UTF-8 of a stream in another encoding, for encodings in which ASCII takes more than a byte."""

    def __init__(self, stream: ByteStream, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)()

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, and none at the end; raise UnicodeDecodeError for bytes that are not the encoding."""
        while chunk := self._stream.read(size):
            text = self._decoder.decode(chunk)
            if text:
                return text.encode()
        return self._decoder.decode(b"", final=True).encode()


class Line(NamedTuple):
    """One line without its end. `overlong` says that `content` is only its first part, `ended` that an end followed."""

    content: bytes
    number: int
    overlong: bool = False
    ended: bool = True


def bounded_lines(stream: ByteStream, ends: re.Pattern[bytes], limit: int) -> Iterator[Line]:
    """Split at `ends` and yield numbered lines; of a line above `limit` bytes only the first `limit` are held."""
    number, size, carry = 0, 0, b""
    pending: list[bytes] = []  # parts of the line that is open; `size` counts also what is no longer held
    while chunk := stream.read(_CHUNK):
        chunk, carry = _without_last_cr(carry + chunk)
        parts = ends.split(chunk)
        for part in parts[:-1]:
            number += 1
            pending.append(part)
            yield Line(b"".join(pending)[:limit], number, size + len(part) > limit)
            pending, size = [], 0
        if size <= limit:
            pending.append(parts[-1])
        size += len(parts[-1])
    if size or carry:
        yield Line(b"".join(pending)[:limit], number + 1, size > limit, ended=bool(carry))


def _without_last_cr(chunk: bytes) -> tuple[bytes, bytes]:
    """Keep back a CR at the end of a chunk: the next chunk may begin with its LF."""
    return (chunk[:-1], b"\r") if chunk.endswith(b"\r") else (chunk, b"")
