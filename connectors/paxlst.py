"""e-Borders: passenger lists of carriers (UN/EDIFACT PAXLST, D.02B and D.05B).

There are no deletes; a passenger who comes again for the same flight replaces what was said before. A record is one
passenger reference on one flight on one day: not a stable person, and never named by a travel document, whose numbers
do not leave this module. Crew are read like passengers: whoever is not a child by date of birth is left out by ingest.
Counts in UNT and CNT that do not fit are flaws, and refuse nobody: in real lists they are often wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from hashlib import blake2b

from connectors.base import FileFormatError
from connectors.edifact import RawSegment, Separators, component, encoding_of, read, split
from connectors.files import SourceFile
from connectors.formats import NUL, FormatContext, FormatSettings, clean_id, too_long
from connectors.paxlst_totals import Totals
from connectors.raw import Flaw, Item, RawName, RawPerson, RawRecord, RejectedItem
from connectors.times import ordered, parse_moment, two_digit_year_date
from schemas.errors import RejectedError
from schemas.moments import from_micros

_PERSON = frozenset({"FL", "FM"})
_ENDS = frozenset({"CNT", "UNT", "UNE", "UNZ", "AUT"})
_TOTALS = frozenset({"CNT", "UNT"})
_DOCUMENT = frozenset({"DOC"})
_TAKEN = frozenset({"NAD", "ATT", "RFF"})


class PaxlstSettings(FormatSettings):
    """`[paxlst]`: nothing differs from carrier to carrier that the interchange does not say itself."""


@dataclass(slots=True)
class _Flight:
    """What the segments before the first person say."""

    number: str = ""
    departs: str = ""
    arrives: str = ""

    @property
    def day(self) -> str:
        """The day of departure, else of arrival, as yyyymmdd."""
        return self.departs or self.arrives


@dataclass(slots=True)
class _Person:
    """The segments of one passenger, as they come."""

    place: str
    segments: list[list[list[str]]] = field(default_factory=list)
    content: bytearray = field(default_factory=bytearray)
    error: RejectedError | None = None


class PaxlstFormat:
    """Reads interchanges of passenger lists; each passenger is an item."""

    PLACEHOLDERS = frozenset({"carrier", "sender"})

    def __init__(self, settings: PaxlstSettings, context: FormatContext) -> None:
        del settings
        context.source.require(self.PLACEHOLDERS)
        self._context = context

    def told_by_name(self, name: str) -> str:
        """Return nothing: the file says all itself."""
        del name
        return ""

    def items(self, file: SourceFile) -> Iterator[Item]:
        """Yield one item a passenger; one who is cut off by the end of the file is rejected."""
        reader = _Reader(file, self._context)
        with file.open() as stream:
            for segment, marks in read(stream, self._context.item_limit):
                yield from reader.take(segment, marks)
        yield from reader.end()


class _Reader:
    """Walks over the segments of a file and remembers the interchange, the flight and the passenger that are open."""

    def __init__(self, file: SourceFile, context: FormatContext) -> None:
        self._file = file
        self._context = context
        self._encoding = "ascii"
        self._sender = ""
        self._moment: int | None = None
        self._open = False
        self._flight = _Flight()
        self._person: _Person | None = None
        self._ordinal = 0
        self._totals = Totals()

    def take(self, segment: RawSegment, marks: Separators) -> Iterator[Item]:
        """Take one segment and yield the passenger that it ends, if it does."""
        place = self._file.place(f"segment {segment.number}")
        self._totals.segment()
        try:
            elements = self._elements(segment, marks)
        except RejectedError as error:
            yield from self._spoilt(segment, place, error)
            return
        tag = component(elements, 0)
        if tag == "UNB":
            self._interchange(elements)
        elif not self._open:
            if self._moment is None:
                raise FileFormatError("not_edifact", "the file does not begin with UNA or UNB", "segment 1")
            # what follows UNZ, such as a date that a mailer added, belongs to no list
        elif tag == "UNH":
            yield from self._close()
            self._flight = _Flight()
            self._totals.begin(elements)
        elif tag == "NAD" and component(elements, 1) in _PERSON:
            yield from self._close()
            self._person = _Person(place)
            self._totals.person(component(elements, 1))
            self._add(self._person, elements, segment, marks)
        elif tag in _ENDS:
            yield from self._close()
            self._open = tag != "UNZ"
            flaw = self._totals.flaw(elements) if tag in _TOTALS else ""
            if flaw:
                yield Flaw(place, flaw)
        elif self._person is not None:
            self._add(self._person, elements, segment, marks)
        else:
            self._flight_segment(tag, elements)

    def end(self) -> Iterator[Item]:
        """End the file; a passenger who is still open was cut off, and so was a list without UNZ."""
        if self._moment is None:
            raise FileFormatError("not_edifact", "the file holds no UNB segment")
        if self._open:
            content = bytes(self._person.content) if self._person else b""
            place = self._person.place if self._person else self._file.place("end")
            reason = "the file stops before UNZ: the passengers before it arrived, this one and any after it did not"
            yield RejectedItem(place, "truncated", reason, content)

    def _elements(self, segment: RawSegment, marks: Separators) -> list[list[str]]:
        if segment.overlong:
            raise RejectedError("item_too_long", too_long(self._context.item_limit))
        if NUL in segment.content:
            raise RejectedError("nul_byte", "the segment holds a NUL byte")
        encoding = "latin-1" if segment.content.startswith(b"UNB") else self._encoding
        try:
            return split(segment.content.decode(encoding), marks)
        except UnicodeDecodeError as error:
            byte = segment.content[error.start]
            raise RejectedError("undecodable", f"byte 0x{byte:02X} is not {encoding}, as UNB's syntax says") from None

    def _spoilt(self, segment: RawSegment, place: str, error: RejectedError) -> Iterator[Item]:
        """Reject the passenger that an unreadable segment belongs to; the next NAD begins a new one."""
        if self._moment is None:
            raise FileFormatError("not_edifact", "the file does not begin with UNA or UNB", "segment 1")
        if segment.content.startswith(b"NAD") or self._person is None:
            yield from self._close()
            self._person = _Person(place)
        self._totals.spoilt()
        self._person.error = self._person.error or error
        if not segment.content.startswith(b"DOC"):
            self._keep(self._person, segment.content)

    def _interchange(self, elements: list[list[str]]) -> None:
        self._encoding = encoding_of(component(elements, 1))
        self._sender = component(elements, 2)
        day, time = component(elements, 4), component(elements, 4, 1)
        moment = parse_moment(("20" + day if len(day) == 6 else day) + time, self._context.zone)
        if moment is None:
            raise FileFormatError("time_missing", "UNB does not say when the list was made, so lists have no order")
        self._moment = moment
        self._open = True

    def _flight_segment(self, tag: str, elements: list[list[str]]) -> None:
        if tag == "TDT" and component(elements, 1) == "20":
            self._flight.number = "".join(component(elements, 2).split())
        elif tag == "DTM" and component(elements, 1) == "189":
            self._flight.departs = _day(elements)
        elif tag == "DTM" and component(elements, 1) == "232":
            self._flight.arrives = _day(elements)

    def _add(self, person: _Person, elements: list[list[str]], segment: RawSegment, marks: Separators) -> None:
        person.segments.append(elements)
        if component(elements, 0) not in _DOCUMENT:  # numbers of travel documents are not kept, not even here
            self._keep(person, segment.content + marks.terminator.encode("latin-1"))

    def _keep(self, person: _Person, content: bytes) -> None:
        person.content += content
        if len(person.content) > self._context.item_limit:
            del person.content[self._context.item_limit :]
            person.error = person.error or RejectedError("item_too_long", too_long(self._context.item_limit))

    def _close(self) -> Iterator[Item]:
        """Yield the passenger who is open."""
        person, self._person = self._person, None
        if person is None:
            return
        self._ordinal += 1
        try:
            if person.error is not None:
                raise person.error
            yield self._record(person)
        except RejectedError as error:
            yield RejectedItem(person.place, error.code, error.reason, bytes(person.content))

    def _record(self, person: _Person) -> RawRecord:
        flight = self._flight
        if not flight.number or len(flight.day) != 8 or not flight.day.isdecimal():
            raise RejectedError("flight_unknown", "the list names no flight (TDT+20) or no day of departure (DTM+189)")
        moment = self._moment or 0
        items, dropped = _items(person.segments, from_micros(moment).date())
        reference = _reference(person.segments) or _digest(items)
        names = {"carrier": flight.number[:2], "sender": self._sender}
        return RawRecord(
            source=self._context.source.render(names),
            source_id=clean_id(f"{flight.number}-{flight.day}-{reference}"),
            version=ordered(moment, self._ordinal),
            place=person.place,
            original=bytes(person.content),
            person=items,
            dropped=dropped,
        )


def _day(elements: list[list[str]]) -> str:
    """Return the day of a DTM segment as yyyymmdd; form 201 writes the year with two digits, 203 with four."""
    written = component(elements, 1, 1)
    return written[:8] if len(written) >= 12 or component(elements, 1, 2) == "203" else "20" + written[:6]


def _items(segments: list[list[list[str]]], made: date) -> tuple[RawPerson, tuple[str, ...]]:
    """Return the permitted items of one passenger and the names of the segments that were dropped."""
    family, given, middle, birth, sex = "", "", "", "", ""
    dropped = []
    for elements in segments:
        tag, qualifier = component(elements, 0), component(elements, 1)
        if tag == "NAD":
            family, given = component(elements, 4, 0), component(elements, 4, 1)
            middle = " ".join(filter(None, (part.strip() for part in elements[4][2:]))) if len(elements) > 4 else ""
        elif tag == "ATT" and qualifier == "2":
            sex = component(elements, 3)
        elif tag == "DTM" and qualifier == "329":
            birth = two_digit_year_date(component(elements, 1, 1), made)
        elif tag not in _TAKEN:
            dropped.append(tag)
    name = RawName(family=family, given=given, middle=middle)
    return RawPerson(names=(name,), birth_date=birth, sex=sex), tuple(dropped)


def _reference(segments: list[list[list[str]]]) -> str:
    """Return the carrier's unique passenger reference (RFF+ABO)."""
    for elements in segments:
        if component(elements, 0) == "RFF" and component(elements, 1) == "ABO":
            return component(elements, 1, 1)
    return ""


def _digest(person: RawPerson) -> str:
    """Name a passenger without a reference by a digest of name and date of birth."""
    name = person.names[0] if person.names else RawName()
    if not (name.family and person.birth_date):
        raise RejectedError(
            "identity_missing", "the passenger has no reference (RFF+ABO), and not both name and birth date"
        )
    parts = f"{name.family}\x1f{name.given}\x1f{person.birth_date}"
    return "~" + blake2b(parts.casefold().encode(), digest_size=10).hexdigest()
