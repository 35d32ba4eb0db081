"""Cutting an XML document into the byte ranges of its records, so that one bad record cannot take the rest with it.

An XML parser has to stop at the first error of a document, and it does not give the original bytes back. Here the
document is cut at `<Tag ...>` and `</Tag>` instead, and each record is parsed alone: a record with broken mark-up, a
wrong byte or an unknown entity is one bad record. Comments are honoured between records; entities from a DOCTYPE are
not, and the caller refuses documents that have one.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

from connectors.lines import ByteStream, Recoded

_CHUNK = 1 << 16
_LONGEST_TOKEN = 256
_DECLARED = re.compile(rb"^\s*<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")
_WIDE_MARKS = ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))

PieceKind = Literal["head", "record", "broken", "overlong", "tail"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A range of the document: what stands before the first record, one record, or what stands after the last.

    `broken` is a record whose end tag is missing, `overlong` the first part of one above the limit.
    """

    kind: PieceKind
    content: bytes
    line: int


class _Rewound:
    """A stream whose first bytes were read already."""

    def __init__(self, first: bytes, stream: BinaryIO) -> None:
        self._first = first
        self._stream = stream

    def read(self, size: int, /) -> bytes:
        """Return the bytes that were read ahead, then those of the stream."""
        first, self._first = self._first, b""
        return first or self._stream.read(size)


def open_text(stream: BinaryIO) -> tuple[Iterator[bytes], str]:
    """Return the document's chunks in an encoding in which ASCII is ASCII, and the name of that encoding.

    UTF-16 is turned into UTF-8 on the way. Raises LookupError for a declared encoding that Python does not know and
    UnicodeError, while reading, for UTF-16 that is not.
    """
    first = stream.read(_CHUNK)
    for mark, name in _WIDE_MARKS:
        if first.startswith(mark):
            return _chunks(Recoded(_Rewound(first, stream), name)), "utf-8"
    first = first.removeprefix(codecs.BOM_UTF8)
    declared = _DECLARED.match(first)
    encoding = codecs.lookup(declared.group(1).decode() if declared else "utf-8").name
    return _chunks(_Rewound(first, stream)), encoding


def _chunks(stream: ByteStream) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk


def pieces(chunks: Iterator[bytes], tag: str, limit: int) -> Iterator[Piece]:
    """Cut a document into its head, its records and its tail, holding no more than `limit` bytes of any of them."""
    return _Cutter(tag, limit).cut(chunks)


class _Cutter:
    """Walks over the tokens that matter; `_held` is the piece that is open, cut at the limit."""

    def __init__(self, tag: str, limit: int) -> None:
        name = tag.encode()
        self._token = re.compile(rb"<!--|-->|<" + name + rb"\s*/>|<" + name + rb"(?=[\s>])|</" + name + rb"\s*>")
        self._limit = limit
        self._held = bytearray()
        self._overlong = False
        self._line = self._start_line = 1
        self._place: Literal["head", "between", "record", "comment"] = "head"
        self._before_comment: Literal["head", "between"] = "head"

    def cut(self, chunks: Iterator[bytes]) -> Iterator[Piece]:
        """Yield the pieces as their bytes arrive."""
        buffer = b""
        for chunk in chunks:
            buffer += chunk
            done = yield from self._scan(buffer, max(0, len(buffer) - _LONGEST_TOKEN))
            buffer = buffer[done:]
        yield from self._scan(buffer, len(buffer))
        if self._place == "head":  # a document without records is its own tail
            yield Piece("head", bytes(self._held), 1)
        elif self._place == "record":
            yield self._close("broken")
        yield Piece("tail", bytes(self._held), self._start_line)

    def _scan(self, buffer: bytes, end: int) -> Generator[Piece, None, int]:
        """Take the tokens that begin before `end`; return how much of the buffer is done."""
        done = 0
        for found in self._token.finditer(buffer):
            if found.start() >= end:
                break
            yield from self._step(found.group(), buffer[done : found.start()])
            done = found.end()
        if done < end:
            self._hold(buffer[done:end])
            done = end
        return done

    def _step(self, token: bytes, before: bytes) -> Iterator[Piece]:
        """Move over one token; `before` is what stands between it and the last one."""
        self._hold(before)
        if self._place == "comment":
            self._hold(token)
            if token == b"-->":
                self._place = self._before_comment
        elif token.startswith(b"</"):
            self._hold(token)
            if self._place == "record":
                yield self._close("record")
        elif token == b"<!--" and self._place in ("head", "between"):
            self._before_comment = "head" if self._place == "head" else "between"
            self._place = "comment"
            self._hold(token)
        elif token in (b"<!--", b"-->"):
            self._hold(token)
        else:
            yield from self._begin(token)

    def _begin(self, token: bytes) -> Iterator[Piece]:
        if self._place == "record":
            yield self._close("broken")
        elif self._place == "head":
            yield self._close("head")
        self._held.clear()
        self._overlong = False
        self._start_line = self._line
        self._place = "record"
        self._hold(token)
        if token.endswith(b"/>"):
            yield self._close("record")

    def _hold(self, content: bytes) -> None:
        self._line += content.count(b"\n")
        if self._place == "between":  # only the document's very end matters there
            self._held += content
            del self._held[: -self._limit]
            return
        room = self._limit - len(self._held)
        self._held += content[: max(0, room)]
        self._overlong |= len(content) > room and self._place == "record"

    def _close(self, kind: PieceKind) -> Piece:
        piece = Piece("overlong" if self._overlong and kind != "head" else kind, bytes(self._held), self._start_line)
        self._held.clear()
        self._overlong = False
        self._start_line = self._line
        self._place = "between"
        return piece
