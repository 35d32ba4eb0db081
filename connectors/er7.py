"""HL7 version 2 in its "encoding rules 7" form: bytes to messages, messages to fields.

Own code because python-hl7 reads an LF-separated message as one segment and does 3,400 messages/s
(`facts/source-formats.md` §2.2); it is the oracle of the tests instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO, NamedTuple

from connectors.lines import bounded_lines
from schemas.errors import RejectedError

_ENDS = re.compile(rb"\r\n|\r|\n")
_FRAME_BEGINS, _FRAME_ENDS = b"\x0b", b"\x1c"
_FRAME = _FRAME_BEGINS + _FRAME_ENDS + b" \t"
_BATCH_OPEN = "the file stops before the end of its batch (BTS, FTS): this may be a part"
_FRAME_OPEN = "the file stops before the end of the message's MLLP frame: this is a part"
UNTERMINATED = "the last segment of the file has no terminator (CR), so this may be a part"
_HEADERS, _TRAILERS = (b"FHS", b"BHS"), (b"BTS", b"FTS")
_SEGMENT = re.compile(rb"[A-Z][A-Z0-9]{2}(?![A-Za-z0-9])")
_DELETED = '""'
_CHARACTER_SETS = {
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "UNICODE": "utf-8",
    "ASCII": "ascii",
    "8859/1": "iso8859-1",
    "ISO-8859-1": "iso8859-1",
    "8859/2": "iso8859-2",
    "8859/15": "iso8859-15",
    "WINDOWS-1252": "cp1252",
    "CP1252": "cp1252",
}


class RawMessage(NamedTuple):
    """One message's bytes, its segments joined by CR; `stray` is something before the first MSH.

    `cut` says why the file that it ends may stop amid it; `last` says that it ends a file and no trailer follows.
    """

    content: bytes
    line: int
    overlong: bool
    stray: bool
    cut: str = ""
    last: bool = False


def messages(stream: BinaryIO, limit: int) -> Iterator[RawMessage]:
    """Cut a file at its MSH segments; CR, LF and CRLF end segments, batch headers and MLLP frames are left out.

    A line that does not begin like a segment goes on with the field before it, which held a line break.
    """
    held: list[bytes] = []
    first, size, overlong, batches, frames, ended = 1, 0, False, 0, 0, True
    for line in bounded_lines(stream, _ENDS, limit):
        content = line.content.strip(_FRAME)
        frames += line.content.count(_FRAME_BEGINS) - line.content.count(_FRAME_ENDS)
        if not content:
            continue
        ended = line.ended or _FRAME_ENDS in line.content
        starts = content.startswith(b"MSH")
        begins, ends = content.startswith(_HEADERS), content.startswith(_TRAILERS)
        batches += begins - ends
        if starts or begins or ends:
            if held:
                yield RawMessage(b"\r".join(held)[:limit], first, overlong, not held[0].startswith(b"MSH"))
            held, first, size, overlong = [], line.number, 0, False
            if not starts:
                continue
        elif not held:
            first = line.number
        size += len(content) + 1
        overlong |= line.overlong or size > limit
        if size > 2 * limit:
            continue
        if held and not _SEGMENT.match(content):
            held[-1] += b" " + content
        else:
            held.append(content)
    if held:
        cut = _BATCH_OPEN if batches > 0 else _FRAME_OPEN if frames > 0 else "" if ended else UNTERMINATED
        yield RawMessage(b"\r".join(held)[:limit], first, overlong, not held[0].startswith(b"MSH"), cut, last=True)


@dataclass(frozen=True, slots=True)
class Delimiters:
    """The separators that a message declares in MSH-1 and MSH-2."""

    field: str
    component: str
    repetition: str
    escape: str
    subcomponent: str


@lru_cache(maxsize=64)
def _delimiters(field: str, marks: str) -> Delimiters:
    """Return the separators; marks that MSH-2 leaves out have their usual value."""
    if field.isalnum():
        raise RejectedError("not_hl7", "MSH-1 is a letter or a digit, not a separator")
    whole = marks[:4] + "^~\\&"[len(marks[:4]) :]
    return Delimiters(field, whole[0], whole[1], whole[2], whole[3])


class Segment:
    """One segment; fields are numbered as in the standard, from 1 (MSH-1 is the field separator itself)."""

    __slots__ = ("_fields", "_marks", "_shift", "name")

    def __init__(self, content: str, marks: Delimiters) -> None:
        self._fields = content.split(marks.field)
        self._marks = marks
        self.name = self._fields[0]
        self._shift = 1 if self.name == "MSH" else 0

    def raw(self, number: int) -> str:
        """Return a whole field as it stands; empty when the segment is shorter."""
        try:
            return self._fields[number - self._shift]
        except IndexError:
            return ""

    def filled(self, numbers: Sequence[int]) -> list[int]:
        """Return those of these fields that hold anything."""
        fields = self._fields
        last = len(fields) + self._shift
        return [number for number in numbers if number < last and fields[number - self._shift]]

    def deleted(self, number: int) -> bool:
        """Tell whether the field says "delete the value" (two double quotes)."""
        return self.raw(number).strip() == _DELETED

    def repetitions(self, number: int) -> list[list[str]]:
        """Return the field's repetitions that hold anything, each as its unescaped components."""
        content = self.raw(number)
        if not content:
            return []
        split = [self._components(part) for part in content.split(self._marks.repetition)]
        return [components for components in split if any(components)]

    def component(self, number: int, position: int) -> str:
        """Return one component of the field's first repetition, by the standard's number."""
        content = self.raw(number)
        if not content:
            return ""
        marks = self._marks
        parts = content.split(marks.repetition, 1)[0].split(marks.component, position)
        return _component(parts[position - 1], marks) if len(parts) >= position else ""

    def _components(self, repetition: str) -> list[str]:
        """Split at components, and unescape them."""
        marks = self._marks
        return [_component(part, marks) if part else "" for part in repetition.split(marks.component)]


def at(components: list[str], position: int) -> str:
    """Return a component by the standard's number, empty when there are fewer."""
    return components[position - 1] if len(components) >= position else ""


def _component(part: str, marks: Delimiters) -> str:
    """Return what a component says: of one with subcomponents the first counts, and `""` is an empty one."""
    if marks.subcomponent in part:
        part = part.split(marks.subcomponent, 1)[0]
    part = _unescape(part, marks)
    return "" if part == _DELETED else part.strip()


def _unescape(text: str, marks: Delimiters) -> str:
    """Resolve escape sequences; formatting commands become spaces, unknown sequences vanish as the standard says."""
    if marks.escape not in text:
        return text
    known = {
        "F": marks.field, "S": marks.component, "T": marks.subcomponent, "R": marks.repetition, "E": marks.escape,
    }  # fmt: skip
    parts = text.split(marks.escape)
    if len(parts) % 2 == 0:  # an escape character without its partner is only a character
        return text
    resolved = []
    for index, part in enumerate(parts):
        if index % 2 == 0:
            resolved.append(part)
        elif part in known:
            resolved.append(known[part])
        elif part.startswith("."):
            resolved.append(" ")
        elif part.startswith("X"):
            resolved.append(_hexadecimal(part[1:]))
    return "".join(resolved)


def _hexadecimal(digits: str) -> str:
    try:
        return bytes.fromhex(digits).decode("latin-1")
    except ValueError:
        return ""


def parse(message: RawMessage, default_encoding: str) -> list[Segment]:
    """Decode one message in the character set of its MSH-18, return its segments; raise RejectedError if it cannot."""
    head = message.content.split(b"\r", 1)[0].decode("latin-1")
    if len(head) < 8:
        raise RejectedError("not_hl7", "the MSH segment is too short to name its separators")
    marks = _delimiters(head[3], head[4:].split(head[3], 1)[0])
    declared = Segment(head, marks).raw(18).split(marks.repetition)[0].strip().upper()
    encoding = _CHARACTER_SETS.get(declared) if declared else default_encoding
    if encoding is None:
        raise RejectedError("encoding_unknown", "MSH-18 names a character set that is not known")
    try:
        text = message.content.decode(encoding)
    except UnicodeDecodeError as error:
        byte = message.content[error.start]
        source = "as MSH-18 says" if declared else "the feed's default (MSH-18 is empty; set hl7_adt.encoding)"
        raise RejectedError("undecodable", f"byte 0x{byte:02X} is not {encoding}, {source}") from None
    return [Segment(line, marks) for line in text.split("\r")]
