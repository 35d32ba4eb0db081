"""Schools: the Common Transfer File of England and Wales (CTF XML, versions 15 to 25).

A file is a snapshot of some pupils at one moment (`Header/DateTime`); there are no deletes, and a pupil who is not in
it has not left. A record is (sending school, UPN). A former UPN says that the school's record under that number is now
this one; a wrongly allocated UPN is by rule not given as a former one, so nothing joins it to the new number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, cast

from lxml import etree

from connectors.base import FileFormatError
from connectors.ctf_pupil import Element, Parts, School, child, pupil_person, text
from connectors.files import SourceFile
from connectors.formats import NUL, EncodingName, FormatContext, FormatSettings, clean_id, too_long
from connectors.raw import Item, RawRecord, RejectedItem
from connectors.times import ordered, parse_moment
from connectors.xml_records import Piece, open_text, pieces
from schemas.errors import RejectedError

_ROOT = "CTfile"


class CtfSettings(FormatSettings):
    """`[ctf]`: `fallback_encoding` is tried for a pupil whose bytes are not what the XML declaration says."""

    fallback_encoding: EncodingName | None = None


@dataclass(frozen=True, slots=True)
class _Header:
    school: School
    source: str
    moment: int


class CtfFormat:
    """Reads Common Transfer Files; each pupil is parsed alone."""

    PLACEHOLDERS = frozenset({"lea", "estab"})

    def __init__(self, settings: CtfSettings, context: FormatContext) -> None:
        context.source.require(self.PLACEHOLDERS)
        self._fallback = settings.fallback_encoding
        self._context = context

    def told_by_name(self, name: str) -> str:
        """Return nothing: the file says all itself."""
        del name
        return ""

    def items(self, file: SourceFile) -> Iterator[Item]:
        """Yield one item a pupil, and one for a file that stops before its end."""
        with file.open() as stream:
            try:
                chunks, encoding = open_text(stream)
                yield from self._items(file, pieces(chunks, "Pupil", self._context.item_limit), encoding)
            except LookupError as error:
                raise FileFormatError(
                    "encoding_unknown", f"the XML declaration names no known encoding: {error}"
                ) from error
            except UnicodeError as error:
                raise FileFormatError("undecodable", "the file starts as UTF-16 and is not") from error

    def _items(self, file: SourceFile, parts: Iterator[Piece], encoding: str) -> Iterator[Item]:
        header = self._header(next(parts), encoding)
        for number, piece in enumerate(parts, start=1):
            place = file.place(f"Pupil {number} (line {piece.line})")
            if piece.kind == "tail":
                if f"</{_ROOT}".encode() not in piece.content:
                    reason = "the file stops before its end tag: the pupils before it arrived, any after it are missing"
                    yield RejectedItem(file.place(f"after Pupil {number - 1}"), "truncated", reason, piece.content)
                return
            try:
                yield self._record(piece, place, header, encoding, number)
            except RejectedError as error:
                yield RejectedItem(place, error.code, error.reason, piece.content)

    def _header(self, head: Piece, encoding: str) -> _Header:
        """Read what stands before the first pupil; raise FileFormatError when it is not a CTF header."""
        if b"<!DOCTYPE" in head.content:
            raise FileFormatError("doctype", "the file has a DOCTYPE, which a Common Transfer File must not have")
        elements = _elements(head.content, encoding)
        if not elements or elements[0].tag != _ROOT:
            found = f"<{elements[0].tag}>" if elements else "nothing"
            raise FileFormatError("not_a_ctf", f"the root element is {found}, not <{_ROOT}>")
        header = elements[0].find("Header")
        moment = parse_moment(text(header, "DateTime"), self._context.zone)
        if moment is None:
            raise FileFormatError(
                "time_missing", "Header/DateTime is missing or not a time, so files cannot be put in order"
            )
        sender = child(header, "SourceSchool")
        school = School(text(sender, "LEA"), text(sender, "Estab"), text(sender, "SchoolName"))
        try:
            source = self._context.source.render({"lea": school.lea, "estab": school.estab})
        except RejectedError as error:
            raise FileFormatError(error.code, f"Header/SourceSchool: {error.reason}") from error
        return _Header(school, source, moment)

    def _record(self, piece: Piece, place: str, header: _Header, encoding: str, number: int) -> RawRecord:
        pupil = Parts(self._parse(piece, encoding))
        person, dropped = pupil_person(pupil, header.school)
        former = pupil.parts("BasicDetails").text("FormerUPN")
        source_id = _source_id(pupil)
        return RawRecord(
            source=header.source,
            source_id=source_id,
            version=ordered(header.moment, number),
            place=place,
            original=piece.content,
            person=person,
            replaces=(former,) if former and former != source_id else (),
            dropped=dropped,
        )

    def _parse(self, piece: Piece, encoding: str) -> Element:
        if piece.kind == "overlong":
            raise RejectedError("item_too_long", too_long(self._context.item_limit))
        if piece.kind == "broken":
            raise RejectedError("truncated", "the pupil's end tag is missing")
        if NUL in piece.content:
            raise RejectedError("nul_byte", "the pupil holds a NUL byte, which XML does not allow")
        try:
            return etree.fromstring(_decode(piece.content, encoding, self._fallback), _parser())
        except etree.XMLSyntaxError as error:
            raise RejectedError("xml_invalid", f"the pupil is not well-formed XML: {_what(error)}") from None


def _parser() -> etree.XMLParser:
    """Return a parser that loads and expands nothing from outside the record."""
    return etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, remove_comments=True, remove_pis=True
    )


def _elements(head: bytes, encoding: str) -> list[Element]:
    """Return the elements that begin in the document's head, the root first; the document goes on behind it."""
    parser = etree.XMLPullParser(
        events=("start",), encoding=encoding, resolve_entities=False, load_dtd=False, no_network=True
    )
    try:
        parser.feed(head)
        return [element for _, element in parser.read_events() if isinstance(element, Element)]
    except etree.XMLSyntaxError as error:
        raise FileFormatError("xml_invalid", f"the header is not XML: {_what(error)}") from error


def _what(error: etree.XMLSyntaxError) -> str:
    """Return the kind and place of an XML error; the parser's own message can quote the text."""
    entries = cast("Iterable[Any]", error.error_log)
    kind = next((entry.type_name for entry in entries), "unknown error")
    line, column = error.position
    return f"{kind} at its line {line}, column {column}"


def _decode(content: bytes, encoding: str, fallback: str | None) -> str:
    """Decode strictly: a replaced character would be a changed name."""
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        wrong = error
    if fallback is None:
        reason = (
            f"byte 0x{content[wrong.start]:02X} is not {encoding}, which the XML declaration promises; if the school"
            ' writes another, set ctf.fallback_encoding (often "windows-1252"), then `contactpoint feeds replay`'
        )
        raise RejectedError("undecodable", reason)
    try:
        return content.decode(fallback)
    except UnicodeDecodeError:
        raise RejectedError("undecodable", f"the pupil is neither {encoding} nor {fallback}") from None


def _source_id(pupil: Parts) -> str:
    """Return the UPN, else the application reference, else a digest of name and date of birth."""
    given = pupil.text("UPN") or pupil.text("ApplicationReference")
    if given:
        return clean_id(given)
    parts = [pupil.text(name) for name in ("Surname", "Forename", "DOB")]
    if not all(parts):
        raise RejectedError("identity_missing", "the pupil has no UPN, and not all of Surname, Forename and DOB")
    return "~" + blake2b("\x1f".join(parts).casefold().encode(), digest_size=10).hexdigest()
