"""Youth offending teams: CSV extracts of a case management system, each with its own columns.

There is no national layout, so the feed's settings say which column holds which item, in which encoding and in which
date formats. Only the mapped columns are read: offences, outcomes, assessments and notes never leave this module. An
involvement with a youth offending team is marked sensitive.

An extract is either a full refresh (whoever is not in it is gone, within a bound that ingest checks) or the rows that
changed. The order of a record's versions is the time of the extract or the row's own time of change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from msgspec.structs import replace

from connectors.base import FileFormatError
from connectors.csv_rows import Row, RowReader, open_lines
from connectors.files import SourceFile
from connectors.formats import FormatContext, clean_id, too_long
from connectors.raw import (
    Item,
    RawAddress,
    RawContact,
    RawIdentifier,
    RawInvolvement,
    RawName,
    RawPerson,
    RawRecord,
    RawWhereabouts,
    RejectedItem,
    SnapshotEnd,
)
from connectors.times import iso_date, ordered, parse_local
from connectors.yot_layout import Layout, YotCsvSettings
from schemas.errors import RejectedError

_TRUE = frozenset({"Y", "YES", "1", "TRUE", "T"})
_EXPLAIN = {
    "csv_invalid": "the quotes of this row do not close as CSV's should",
    "undecodable": "the row is not in the declared encoding (yot_csv.encoding)",
    "nul_byte": "the row holds a NUL byte",
}


class YotCsvFormat:
    """Reads extracts of one layout."""

    def __init__(self, settings: YotCsvSettings, context: FormatContext) -> None:
        self._settings = settings
        self._context = context
        self._mapping = {item: column for item, column in settings.columns if column is not None}

    def told_by_name(self, name: str) -> str:
        """Return the time of the extract as it is written: two nights' files may hold the same rows."""
        found = re.search(self._settings.extracted_at, name) if self._settings.extracted_at else None
        return str(found.group(1)) if found else ""

    def items(self, file: SourceFile) -> Iterator[Item]:
        """Yield one item a row and, for a full refresh, the end of the snapshot."""
        extracted = self._extracted_at(file.name)
        with file.open() as stream:
            limit = self._context.item_limit
            lines, encoding = open_lines(stream, self._settings.encoding, limit)
            rows = iter(RowReader(lines, encoding, self._settings.delimiter, limit))
            try:
                layout = Layout(next(rows, None), self._mapping, self._context.source.placeholders)
                yield from self._records(file, rows, layout, extracted)
            except UnicodeError as error:
                raise FileFormatError("undecodable", f"the file is not {self._settings.encoding}") from error

    def _records(self, file: SourceFile, rows: Iterator[Row], layout: Layout, extracted: int | None) -> Iterator[Item]:
        snapshot = extracted or 0 if self._settings.full_refresh else 0
        sources: set[str] = set()
        ordinal = nameless = 0
        for ordinal, row in enumerate(rows, start=1):
            if not any(row.fields) and not row.error:
                continue
            place = file.place(f"line {row.number}")
            try:
                record = self._record(row, layout, extracted, ordinal)
                sources.add(record.source)
                yield replace(record, place=place, snapshot=snapshot)
            except RejectedError as error:
                key = self._key(row, layout)
                nameless += not key
                yield RejectedItem(place, error.code, error.reason, row.content, key, snapshot)
        if snapshot:
            end = ordered(snapshot, ordinal + 1)
            yield SnapshotEnd(tuple(sorted(sources)), snapshot, end, nameless, file.place("end"))

    def _key(self, row: Row, layout: Layout) -> str:
        """Return the record key of a row that was rejected, where it can be told."""
        if len(row.fields) < layout.width:
            return ""
        try:
            source = self._context.source.render(layout.source_values(row.fields))
            return f"{source}:{clean_id(layout.value(row.fields, 'source_id'))}"
        except RejectedError:
            return ""

    def _record(self, row: Row, layout: Layout, extracted: int | None, ordinal: int) -> RawRecord:
        if row.error:
            raise RejectedError(row.error, _EXPLAIN.get(row.error) or too_long(self._context.item_limit))
        layout.check_width(row.fields)
        value = layout.getter(row.fields)
        moment = extracted if self._settings.full_refresh else self._modified(value("last_modified"), extracted)
        if moment is None:
            raise RejectedError("time_missing", "the time of change does not fit yot_csv.timestamp_format")
        base = RawRecord(
            source=self._context.source.render(layout.source_values(row.fields)),
            source_id=clean_id(value("source_id")),
            version=ordered(moment, ordinal),
            place="",
            original=row.content,
            dropped=layout.dropped,
            effective=parse_local(value("last_modified"), self._settings.timestamp_format, self._context.zone),
        )
        survivor = value("merged_into").strip()
        if survivor:
            return replace(base, kind="merged", merged_into=clean_id(survivor))
        if value("is_deleted").strip().upper() in _TRUE:
            return replace(base, kind="withdrawn")
        return replace(base, person=self._person(value))

    def _modified(self, text: str, extracted: int | None) -> int | None:
        return parse_local(text, self._settings.timestamp_format, self._context.zone) or extracted

    def _person(self, value: Callable[[str], str]) -> RawPerson:
        form = self._settings.date_format
        names = [RawName("legal", value("surname"), value("forename"), value("middle_name"))]
        if value("alias_surname") or value("alias_forename"):
            family, given = value("alias_surname") or value("surname"), value("alias_forename") or value("forename")
            names.append(RawName("alias", family, given))
        numbers = (("upn", value("upn")), ("nhs", value("nhs_number")))
        lines = tuple(filter(None, (value(f"address_{number}").strip() for number in range(1, 6))))
        postcode = value("postcode")
        address = RawAddress(lines, "", postcode)
        telephone = value("worker_phone") or self._settings.service_contact
        return RawPerson(
            names=tuple(names),
            birth_date=iso_date(value("date_of_birth"), form),
            sex=value("sex"),
            identifiers=tuple(RawIdentifier(scheme, number) for scheme, number in numbers if number),
            whereabouts=RawWhereabouts(address=address) if lines or postcode.strip() else None,
            involvements=(
                RawInvolvement(
                    service=self._settings.service,
                    practitioner=value("worker_name"),
                    contact=RawContact((telephone,)) if telephone else None,
                    start=iso_date(value("case_opened"), form),
                    end=iso_date(value("case_closed"), form),
                    sensitive=True,
                ),
            ),
        )

    def _extracted_at(self, name: str) -> int | None:
        """Return the time of the extract from the file's name; raise FileFormatError when it is not there."""
        pattern = self._settings.extracted_at
        if pattern is None:
            return None
        form = self._settings.extracted_at_format
        moment = parse_local(self.told_by_name(name), form, self._context.zone)
        if moment is None:
            reason = f"the file's name does not hold its time as yot_csv.extracted_at ({pattern}, {form}) says"
            raise FileFormatError("extract_time_missing", reason)
        return moment
