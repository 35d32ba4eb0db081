"""How a youth offending team's extract is laid out: the feed's settings, and the columns of one file."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from connectors.base import FileFormatError
from connectors.csv_rows import Row
from connectors.formats import EncodingName, FormatSettings
from schemas.errors import RejectedError
from schemas.settings import Settings


def _one_group(pattern: str) -> str:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        msg = f"{pattern!r} is not a regular expression: {error}"
        raise ValueError(msg) from None
    if groups != 1:
        msg = f"{pattern!r} must have exactly one group, around the time of the extract"
        raise ValueError(msg)
    return pattern


def _names_a_day(form: str) -> str:
    """Let through what `datetime.strptime` can read a day from; anything else would lose every date in silence."""
    try:
        found = datetime.strptime(_SOME_DAY.strftime(form), form)  # noqa: DTZ007 - only the day is looked at
    except ValueError:
        found = None
    if found is None or found.date() != _SOME_DAY.date():
        msg = f"{form!r} does not hold a day, a month and a year, such as '%d/%m/%Y'"
        raise ValueError(msg)
    return form


DayFormat = Annotated[str, AfterValidator(_names_a_day)]
_SOME_DAY = datetime(2013, 12, 25, 13, 45, tzinfo=UTC)


class YotColumns(Settings):
    """`[yot_csv.columns]`: which of their columns holds each of our items."""

    source_id: str
    surname: str
    forename: str
    date_of_birth: str
    middle_name: str | None = None
    alias_surname: str | None = None
    alias_forename: str | None = None
    sex: str | None = None
    upn: str | None = None
    nhs_number: str | None = None
    address_1: str | None = None
    address_2: str | None = None
    address_3: str | None = None
    address_4: str | None = None
    address_5: str | None = None
    postcode: str | None = None
    case_opened: str | None = None
    case_closed: str | None = None
    worker_name: str | None = None
    worker_phone: str | None = None
    last_modified: str | None = None
    is_deleted: str | None = None
    merged_into: str | None = None


class YotCsvSettings(FormatSettings):
    """`[yot_csv]`: how this team's extracts are written."""

    columns: YotColumns
    encoding: EncodingName
    delimiter: Literal[",", ";", "\t", "|"] = ","
    date_format: DayFormat = "%d/%m/%Y"
    timestamp_format: DayFormat = "%Y-%m-%d %H:%M:%S"
    full_refresh: bool = False
    max_withdrawn_share: float = Field(default=0.1, ge=0, le=1)
    extracted_at: Annotated[str, AfterValidator(_one_group)] | None = None
    extracted_at_format: DayFormat = "%Y%m%d%H%M%S"
    service: str = "Youth offending team"
    service_contact: str | None = None

    @model_validator(mode="after")
    def _has_an_order(self) -> Self:
        if self.full_refresh and self.extracted_at is None:
            msg = (
                "a full refresh needs `extracted_at`: a regular expression for the time of the extract in the file name"
            )
            raise ValueError(msg)
        if self.extracted_at is None and self.columns.last_modified is None:
            msg = "give `extracted_at` or `columns.last_modified`: without either, versions cannot be put in order"
            raise ValueError(msg)
        return self


class Layout:
    """Where the items are in a row, from the file's first row."""

    def __init__(self, first: Row | None, mapping: dict[str, str], placeholders: frozenset[str]) -> None:
        if first is None:
            raise FileFormatError("empty", "the file is empty: it has no row of column names")
        if first.error:
            raise FileFormatError(first.error, "the row of column names cannot be read", "line 1")
        header = [name.strip() for name in first.fields]
        self.width = len(header)
        self._columns = _positions(header, (*mapping.values(), *sorted(placeholders)))
        self._places = {item: self._columns[column] for item, column in mapping.items()}
        self._placeholders = {name: self._columns[name] for name in placeholders}
        self.dropped = tuple(name for name in header if name and name not in self._columns)

    def check_width(self, fields: Sequence[str]) -> None:
        """Raise RejectedError for a row of another width than the header; empty fields at its end do no harm."""
        if len(fields) < self.width or any(fields[self.width :]):
            raise RejectedError("field_count", f"the row has {len(fields)} fields, the file has {self.width} columns")

    def getter(self, fields: Sequence[str]) -> Callable[[str], str]:
        """Return a function from an item to its text, empty when no column is mapped to it."""
        places = self._places
        return lambda item: fields[places[item]] if item in places else ""

    def value(self, fields: Sequence[str], item: str) -> str:
        """Return the text of one mapped item."""
        return fields[self._places[item]]

    def source_values(self, fields: Sequence[str]) -> dict[str, str]:
        """Return the columns that name the source."""
        return {name: fields[place] for name, place in self._placeholders.items()}


def _positions(header: list[str], wanted: Sequence[str]) -> dict[str, int]:
    """Return where each wanted column is; raise FileFormatError that names the ones that are missing or there twice."""
    missing = sorted({column for column in wanted if column not in header})
    if missing:
        # Names are shown only when the row is one of column names: a file without that row begins with a person.
        there = (
            f"the file has: {', '.join(header)}" if set(wanted) & set(header) else "its first row names none of them"
        )
        raise FileFormatError("column_missing", f"missing column: {', '.join(missing)}; {there}", "line 1")
    double = sorted({column for column in wanted if header.count(column) > 1})
    if double:
        raise FileFormatError("column_repeated", f"column {', '.join(double)} is there more than once", "line 1")
    return {column: header.index(column) for column in wanted}
