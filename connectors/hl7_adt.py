"""Health: HL7 v2 ADT messages in files (one message, many, or a batch with FHS and BHS).

A28, A31 and the admissions say what is known of a person now: an empty field is no change, `""` deletes the value.
A29 withdraws the record, A40 merges the record in MRG into the one in PID. Messages of one record are put in order by
EVN-2 (else PID-33, else MSH-7), since they arrive minutes out of order.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from connectors.base import FileFormatError
from connectors.er7 import UNTERMINATED, RawMessage, Segment, at, messages, parse
from connectors.files import SourceFile
from connectors.formats import NUL, EncodingName, FormatContext, FormatSettings, clean_id, too_long
from connectors.hl7_person import dropped_fields, person_of
from connectors.raw import Item, RawRecord, RejectedItem
from connectors.times import ordered, parse_moment
from schemas.errors import RejectedError

_SNAPSHOTS = frozenset({"A01", "A04", "A05", "A08", "A28", "A31"})
_DELETES = frozenset({"A29"})
_MERGES = frozenset({"A34", "A36", "A40"})
_MERGE_STRUCTURES = frozenset({"ADT_A39", "ADT_A40"})
_HINT = "; if the supplier always leaves it out, set hl7_adt.terminates_last_segment = false and replay the feed"
_LOCAL_TYPES = frozenset({"PI", "MR", "PT", ""})


class Hl7AdtSettings(FormatSettings):
    """`[hl7_adt]`: what is live, the encoding where MSH-18 is empty, and whose id is the record id.

    `local_authority` is the assigning authority (PID-3.4) of the ids that name the source's records; by default it is
    the sending facility. `terminates_last_segment` is false for a supplier that leaves out what the standard asks for
    after every segment: then a file that was cut amid its last one cannot be told from a whole one.
    """

    processing_ids: tuple[str, ...] = ("P",)
    encoding: EncodingName = "utf-8"
    local_authority: str | None = None
    terminates_last_segment: bool = True


class Hl7AdtFormat:
    """Reads files of ADT messages; each message is parsed alone."""

    PLACEHOLDERS = frozenset({"application", "facility"})

    def __init__(self, settings: Hl7AdtSettings, context: FormatContext) -> None:
        context.source.require(self.PLACEHOLDERS)
        self._settings = settings
        self._context = context

    def told_by_name(self, name: str) -> str:
        """Return nothing: the file says all itself."""
        del name
        return ""

    def items(self, file: SourceFile) -> Iterator[Item]:
        """Yield the items of every message: one record, one withdrawal, or the merges and the survivor of an A40."""
        visits: dict[str, bool] = {}
        with file.open() as stream:
            found = messages(stream, self._context.item_limit)
            for number, message in enumerate(_with_some_header(found), start=1):
                place = file.place(f"message {number} (line {message.line})")
                try:
                    yield from self._records(message, place, number, visits)
                except RejectedError as error:
                    yield RejectedItem(place, error.code, error.reason, message.content)

    def _records(self, message: RawMessage, place: str, number: int, visits: dict[str, bool]) -> list[RawRecord]:
        if message.stray:
            raise RejectedError("not_hl7", "something stands before the first MSH segment")
        if message.cut and (message.cut != UNTERMINATED or self._settings.terminates_last_segment):
            raise RejectedError("truncated", message.cut + _HINT * (message.cut == UNTERMINATED))
        if message.overlong:
            raise RejectedError("item_too_long", too_long(self._context.item_limit))
        if NUL in message.content:
            raise RejectedError("nul_byte", "the message holds a NUL byte")
        segments = parse(message, self._settings.encoding)
        base = RawRecord(source="", source_id="", version=number, place=place, original=message.content)
        _check_last_segment(segments, visits, last=message.last)
        return _Message(segments, base, self._settings, self._context).records()


def _check_last_segment(segments: list[Segment], visits: dict[str, bool], *, last: bool) -> None:
    """Raise RejectedError for the last message of a file if it lacks the PV1 that all before it of its event had.

    The standard asks for PV1 at the end of these messages, but some suppliers never send it. `visits` says of each
    event whether every message so far had it.
    """
    event = segments[0].component(9, 2)
    if event not in _SNAPSHOTS | _DELETES:
        return
    has_visit = any(segment.name == "PV1" for segment in segments)
    if last and not has_visit and visits.get(event):
        reason = "the last message of the file has no PV1, and all before it have: this may be a part"
        raise RejectedError("truncated", reason)
    visits[event] = has_visit and visits.get(event, True)


class _Message:
    """One parsed message and what its header says."""

    def __init__(
        self, segments: list[Segment], base: RawRecord, settings: Hl7AdtSettings, context: FormatContext
    ) -> None:
        self._segments = segments
        self._header = segments[0]
        self._base = base  # place, bytes and number of the message, to be completed
        self._settings = settings
        self._context = context

    def records(self) -> list[RawRecord]:
        """Return the message's records; raise RejectedError when it is not live or not a message we can use."""
        header = self._header
        if header.component(9, 1) != "ADT":
            raise RejectedError("event_unsupported", "MSH-9 does not say ADT")
        mode = header.component(11, 1)
        if mode not in self._settings.processing_ids:
            raise RejectedError("not_live", "MSH-11 does not say that the message is live (hl7_adt.processing_ids)")
        event = header.component(9, 2) or self._field("EVN", 1)
        has_merge = any(segment.name == "MRG" for segment in self._segments)
        if event in _MERGES or (has_merge and header.component(9, 3) in _MERGE_STRUCTURES):
            return self._merged()
        if event in _SNAPSHOTS:
            return [self._observed(self._segments, self._person_segment())]
        if event in _DELETES:
            pid = self._person_segment()
            return [replace(self._record(pid), kind="withdrawn", person=person_of([pid], pid))]
        raise RejectedError("event_unsupported", "the event in MSH-9 is not A28, A31, A29, A40 or an admission")

    def _person_segment(self) -> Segment:
        for segment in self._segments:
            if segment.name == "PID":
                return segment
        raise RejectedError("identity_missing", "the message has no PID segment")

    def _observed(self, group: list[Segment], pid: Segment) -> RawRecord:
        person, dropped = person_of(group, pid), dropped_fields(group)
        return replace(self._record(pid), person=person, partial=True, dropped=dropped)

    def _merged(self) -> list[RawRecord]:
        """Return, for each PID, the merges of the MRG segments that follow it and then the survivor as it is now."""
        records: list[RawRecord] = []
        for group in _person_groups(self._segments):
            pid = group[0]
            survivor = replace(self._record(pid), person=person_of([pid], pid))
            losers = [segment for segment in group if segment.name == "MRG"]
            if not losers:
                raise RejectedError("merge_incomplete", "a merge names no record to merge (MRG-1)")
            records += [
                replace(survivor, kind="merged", source_id=loser, merged_into=survivor.source_id)
                for loser in self._losers(losers, survivor.source_id)
            ]
            records.append(self._observed(group, pid))
        if not records:
            raise RejectedError("identity_missing", "the message has no PID segment")
        return records

    def _losers(self, segments: list[Segment], survivor: str) -> list[str]:
        ids = [clean_id(at(one, 1)) for segment in segments for one in self._local_ids(segment, 1)]
        losers = list(dict.fromkeys(one for one in ids if one != survivor))
        if not losers:
            raise RejectedError("merge_incomplete", "MRG-1 names no record of this source other than the survivor")
        return losers

    def _record(self, pid: Segment) -> RawRecord:
        """Return the record that a PID segment is about, without its items."""
        sender = {"application": self._header.component(3, 1), "facility": self._header.component(4, 1)}
        ids = self._local_ids(pid, 3)
        return replace(
            self._base,
            source=self._context.source.render(sender),
            source_id=clean_id(at(ids[0], 1) if ids else ""),
            version=ordered(self._moment(pid), self._base.version),
            effective=parse_moment(self._field("EVN", 6), self._context.zone),
        )

    def _local_ids(self, segment: Segment, field: int) -> list[list[str]]:
        """Return the ids of the local authority; else the local ids of any; else, for want of better, all of them."""
        found = [one for one in segment.repetitions(field) if at(one, 1)]
        authority = self._settings.local_authority or self._header.component(4, 1)
        ours = [one for one in found if authority and at(one, 4) == authority]
        return ours or [one for one in found if at(one, 5) in _LOCAL_TYPES] or found

    def _moment(self, pid: Segment) -> int:
        for text in (self._field("EVN", 2), pid.component(33, 1), self._header.component(7, 1)):
            moment = parse_moment(text, self._context.zone) if text else None
            if moment is not None:
                return moment
        raise RejectedError(
            "time_missing", "none of EVN-2, PID-33 and MSH-7 is a time, so messages cannot be put in order"
        )

    def _field(self, name: str, number: int) -> str:
        for segment in self._segments:
            if segment.name == name:
                return segment.component(number, 1)
        return ""


def _with_some_header(found: Iterator[RawMessage]) -> Iterator[RawMessage]:
    """Pass messages on; raise FileFormatError for a file in which nothing begins with MSH."""
    first = next(found, None)
    if first is None:
        return
    second = next(found, None)
    if first.stray and second is None:
        raise FileFormatError("not_hl7", "nothing in the file begins with MSH")
    yield first
    if second is not None:
        yield second
        yield from found


def _person_groups(segments: list[Segment]) -> list[list[Segment]]:
    """Cut a message's segments at each PID; what stands before the first is left out."""
    groups: list[list[Segment]] = []
    for segment in segments:
        if segment.name == "PID":
            groups.append([segment])
        elif groups:
            groups[-1].append(segment)
    return groups
