"""UN/EDIFACT: bytes to segments, with the separators that the interchange declares in UNA.

Own code because pydifact loses whole interchanges that have UNG groups or white space between segments
(`facts/source-formats.md` §4); it is the oracle of the tests instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO, NamedTuple

_CHUNK = 1 << 16
_SERVICE = b"UNA"
_USUAL = b":+.? '"
_SERVICE_LENGTH = 9
_SPACE = b" \t\r\n"
_NOT_SPACE = re.compile(rb"[^ \t\r\n]")
_ENCODINGS = {
    "UNOA": "ascii",
    "UNOB": "ascii",
    "UNOC": "iso8859-1",
    "UNOD": "iso8859-2",
    "UNOE": "iso8859-5",
    "UNOF": "iso8859-7",
    "UNOY": "utf-8",
    "UNOW": "utf-8",
}
_FALLBACK_ENCODING = "iso8859-1"


@dataclass(frozen=True, slots=True)
class Separators:
    """The characters of UNA: component, element, (decimal mark), release, (reserved), terminator."""

    component: str
    element: str
    release: str
    terminator: str


class RawSegment(NamedTuple):
    """One segment's bytes without its terminator; `overlong` ones are cut at the limit."""

    content: bytes
    number: int
    overlong: bool = False


@lru_cache(maxsize=16)
def separators(service: bytes) -> Separators:
    """Return the separators of a UNA segment's six characters; a space as release character means none."""
    text = service.decode("latin-1")
    return Separators(text[0], text[1], text[3].strip(), text[5])


def read(stream: BinaryIO, limit: int) -> Iterator[tuple[RawSegment, Separators]]:
    """Yield the segments of every interchange in the stream; white space around a segment is not part of it."""
    marks = separators(_USUAL)
    buffer, number, skipped, ended = b"", 0, False, False
    while not ended:
        chunk = stream.read(_CHUNK)
        ended = not chunk
        buffer += chunk
        start = 0
        while True:
            start = _past_space(buffer, start)
            if len(buffer) - start < _SERVICE_LENGTH and not ended:
                break
            if buffer.startswith(_SERVICE, start) and len(buffer) - start >= _SERVICE_LENGTH:
                marks, start = separators(buffer[start + 3 : start + 9]), start + _SERVICE_LENGTH
                continue
            end = _segment_end(buffer, start, marks)
            if end < 0:
                break
            number += 1
            content, start = buffer[start:end], end + 1
            yield RawSegment(content[:limit].rstrip(_SPACE), number, skipped or len(content) > limit), marks
            skipped = False
        buffer = buffer[start:]
        if len(buffer) > limit + _CHUNK:
            skipped, buffer = True, buffer[: limit + 1]
    if buffer:
        yield (
            RawSegment(buffer[:limit].rstrip(_SPACE), number + 1, skipped or len(buffer) > limit),
            marks,
        )


def _past_space(buffer: bytes, start: int) -> int:
    found = _NOT_SPACE.search(buffer, start)
    return found.start() if found else len(buffer)


def _segment_end(buffer: bytes, start: int, marks: Separators) -> int:
    """Return where the first terminator stands that no release character stands before, or -1."""
    terminator, release = marks.terminator.encode("latin-1"), marks.release.encode("latin-1")
    end = buffer.find(terminator, start)
    while end > start and release:
        before = end
        while before > start and buffer[before - 1 : before] == release:
            before -= 1
        if (end - before) % 2 == 0:
            break
        end = buffer.find(terminator, end + 1)
    return end


def encoding_of(syntax: str) -> str:
    """Return the encoding of a syntax identifier (UNB's first component, such as UNOA)."""
    return _ENCODINGS.get(syntax, _FALLBACK_ENCODING)


def split(content: str, marks: Separators) -> list[list[str]]:
    """Return a segment's elements, each as its components, without release characters; the first holds the tag."""
    if not marks.release or marks.release not in content:
        return [element.split(marks.component) for element in content.split(marks.element)]
    elements: list[list[str]] = [[""]]
    released = False
    for character in content:
        if released:
            elements[-1][-1] += character
            released = False
        elif character == marks.release:
            released = True
        elif character == marks.element:
            elements.append([""])
        elif character == marks.component:
            elements[-1].append("")
        else:
            elements[-1][-1] += character
    return elements


def component(elements: list[list[str]], element: int, position: int = 0) -> str:
    """Return one component, trimmed; empty when the segment is shorter. Both numbers count from 0, the tag is 0, 0."""
    if element < len(elements) and position < len(elements[element]):
        return elements[element][position].strip()
    return ""
