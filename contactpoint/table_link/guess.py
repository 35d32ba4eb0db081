"""What the columns of a table hold, guessed from their names and values, for a table that nobody has described."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from contactpoint.table_link import headings
from contactpoint.table_link.config import LinkConfig
from contactpoint.table_link.dates import is_date
from contactpoint.table_link.reading import Table, texts
from contactpoint.table_link.telling import most_telling
from contactpoint.table_link.whole_names import names_of_persons
from matching.linkage.normalise import fold_date, fold_sex, fold_years
from schemas.errors import ConfigurationError

INPUT_FILE: Final = "input_file"
"""The column that names the file of a row, where several files are linked."""

MOST_FIELDS: Final = 14
"""The fields that are guessed at most; training holds a pair's levels in one word of 16 comparisons."""

_SEEN: Final = 20_000  # rows looked at
_MOSTLY: Final = 0.8
_LONE_TEXTS: Final = (["short_string"], ["address"])
_SELDOM_THERE: Final = 0.02
_FEW_VALUES: Final = 60
_OWN: Final = 0.5  # different texts in proportion to rows, from which even few of them are no codes
_MOST_SOURCES: Final = 30
_ROWS_OWN: Final = 0.995  # different numbers in proportion to rows, from which they are the rows' own
_TELLING: Final = 0.3  # different values in proportion to rows, from which a number may be a person's own

_DATE_PART: Final = re.compile(r"(?P<stem>\w*?)_?(?P<part>year|month|mon|day|yyyy|y|m|d)$", re.IGNORECASE)
_PARTS: Final = ("year", "month", "day")
_AMOUNT: Final = re.compile(r"[-+]?[^\w\s.,]?\d[\d,]*\.\d+")
_PERSONS: Final = 0.25
"""Values with a known forename from which a column called just "name" holds persons: .5 to .6, of restaurants .05."""


@dataclass(frozen=True, slots=True)
class Guess:
    """The configuration that was guessed, why columns were left out, by column, and what to look at."""

    config: LinkConfig
    left_out: dict[str, str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    values: list[str]  # of the rows looked at, those that are there

    rows: int

    @property
    def different(self) -> int:
        """How many different values there are."""
        return len(set(self.values))


def guess_config(table: Table, record_id: str) -> Guess:
    """Guess the kind of every column but `record_id`. Raises ConfigurationError if nothing can be linked on."""
    columns = _columns(table, record_id)
    called_so = [c.name for c in columns if headings.names_source(c.name) and 1 < c.different <= _MOST_SOURCES]
    source = INPUT_FILE if INPUT_FILE in table.column_names else next(iter(called_so), None)
    left_out = {c.name: why for c in columns if c.name != source and (why := _useless(c))}
    left_out |= {c.name: "numbers the records" for c in columns if _numbers_rows(table, c.name, source)}
    able = [c for c in columns if c.name not in left_out and c.name != source]
    able.sort(key=lambda column: "middle" in column.name.lower())  # the first forename is what families are told by
    found = _with_lone_text(_fields(able))
    kept = most_telling(table, found, MOST_FIELDS) if len(found) > MOST_FIELDS else list(found)
    fields = {name: found[name] for name in kept}
    more = [field.get("column", name) for name, field in found.items() if name not in fields]
    left_out |= dict.fromkeys(more, f"the {MOST_FIELDS} columns that tell most are compared")
    if not fields:
        message = "no column can be linked on: each is empty, always the same (as in a single row), or numbers the rows"
        raise ConfigurationError(message)
    settings: dict[str, Any] = {"record_id": record_id, "train": {"method": "unsupervised"}, "fields": fields}
    if source is not None:
        settings |= {"source": source, "unique_in_source": "mostly"}
    return Guess(LinkConfig.model_validate(settings), left_out)


def _fields(columns: Sequence[_Column]) -> dict[str, dict[str, Any]]:
    """Return the fields that columns make: a date of its parts, names of a whole one, each other column by itself."""
    fields = _birth_parts(columns)
    parts = {field[part] for field in fields.values() for part in _PARTS}
    kinds = {column.name: _kind(column) for column in columns if column.name not in parts}
    given, surnames = ([name for name, own in kinds.items() if own == kind] for kind in ("given_name", "surname"))
    whole = [column.name for column in columns if _holds_whole_names(column)] if not given and not surnames else []
    surnames = surnames or [name for name in kinds if given and headings.plain_name(name)]
    former = [name for name in kinds if headings.former_name(name)] if len(surnames) == 1 else []
    for name, kind in kinds.items():
        if name in whole[:1]:
            parted = {"column": name, "whole_name": True}
            fields |= {f"{name}_{part}": {"kind": part, **parted} for part in ("given_name", "surname")}
        elif name in surnames:
            fields[name] = {"kind": "surname", "column": name, "alternates": former}
        elif name not in former:
            fields[name] = {"kind": kind, "column": name}
    return _with_plain_names(fields)


def _with_plain_names(fields: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return fields under names that a blocking rule can hold (`config.FIELD_NAME`), no two of them alike."""
    plain: dict[str, dict[str, Any]] = {}
    for heading, field in fields.items():
        name = re.sub(r"[^\w ]+", "_", heading).strip() or "field"
        while name in plain:
            name += "_"
        plain[name] = field
    return plain


def _with_lone_text(fields: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return fields in which a text that is alone is compared by its words; nothing else could tell of its records."""
    kinds = [field["kind"] for field in fields.values()]
    if kinds not in _LONE_TEXTS:
        return fields
    return {name: {**field, "kind": "text"} for name, field in fields.items()}


def _holds_whole_names(column: _Column) -> bool:
    """Tell whether a column holds forename and surname of persons."""
    if headings.whole_name(column.name):
        return True
    return headings.plain_name(column.name) and names_of_persons(column.values) > _PERSONS


def guess_kinds(table: Table, record_id: str | None) -> dict[str, str]:
    """Return the kind of every column that can be linked on, but `record_id`."""
    return {column.name: _kind(column) for column in _columns(table, record_id) if not _useless(column)}


def guess_record_id(table: Table) -> str | None:
    """Return the column that names each row once, by its heading if several do; None if there is none.

    In a small table no forename may come twice, or no title: a column of names or of several words is no record id, and
    none that is alone.
    """
    unique = [name for name in table.column_names if _names_each_row(table, name)]
    called_so = [name for name in unique if headings.numbers_rows(name)] or [n for n in unique if n.endswith("id")]
    beside = table.column_names[:1] if len(table.column_names) > 1 else []
    first = [name for name in unique if name in beside and not _tells_of_somebody(table, name)]
    return next(iter(called_so or first), None)


def _tells_of_somebody(table: Table, name: str) -> bool:
    if headings.kind_of(name) not in {None, "identifier"} or headings.whole_name(name) or headings.plain_name(name):
        return True
    return _share(texts(table, name), lambda value: " " in value.strip()) > _MOSTLY


def config_text(config: LinkConfig) -> str:
    """Return a configuration as the text of LINK.toml."""
    said = config.model_dump(exclude_none=True, exclude_defaults=True, mode="json")
    tables = {"rename": said.pop("rename", {}), "train": said.pop("train", {})}
    tables |= {f"fields.{_quoted(name)}": field for name, field in said.pop("fields").items()}
    if config.train is not None:
        tables["train"] = {"method": config.train.method, **tables["train"]}
    lines = [f"{name} = {_quoted(value)}" for name, value in said.items()]
    for name, values in tables.items():
        if values:
            lines += ["", f"[{name}]", *(f"{_quoted(key)} = {_quoted(value)}" for key, value in values.items())]
    return "\n".join(lines) + "\n"


def _quoted(value: object) -> str:
    """Return a key, a text, a truth, a number or a list as TOML writes it: as JSON does."""
    return json.dumps(value, ensure_ascii=False)


def _columns(table: Table, record_id: str | None) -> list[_Column]:
    """Return the columns but `record_id`, of rows from all over the table."""
    seen = table.take(np.linspace(0, table.num_rows - 1, _SEEN, dtype=np.int64)) if table.num_rows > _SEEN else table
    return [_column(seen, name) for name in table.column_names if name != record_id]


def _column(table: Table, name: str) -> _Column:
    values = texts(table, name)
    return _Column(name, [value.strip() for value in values if value.strip()], len(values))


def _names_each_row(table: Table, name: str) -> bool:
    values = texts(table, name)
    return len(set(values)) == len(values) and "" not in values


def _numbers_rows(table: Table, name: str, source: str | None) -> bool:
    """Tell whether a column called "id" and the like is a source's number of the row, not somebody's own number."""
    if not headings.numbers_rows(name):
        return False
    sources = texts(table, source) if source else [""] * table.num_rows
    said = [each for each in zip(sources, texts(table, name), strict=True) if each[1].strip()]
    return len(set(said)) >= _ROWS_OWN * len(said)


def _useless(column: _Column) -> str | None:
    """Return why a column is not compared, None if it is."""
    never_twice = column.rows < _SEEN and column.different == len(column.values) > _FEW_VALUES
    reasons = (
        (
            headings.holds_answer(column.name) and not _names_things(column),
            "seems to hold the answer, so it is no evidence",
        ),
        (len(column.values) < max(1.0, _SELDOM_THERE * column.rows), "is empty, or nearly so"),
        (column.different == 1, "is always the same"),
        (headings.when_written(column.name), "says when a record was written, which is no evidence of whom it is"),
        (never_twice and _kind(column) == "identifier", "never holds the same in two records"),
    )
    return next((why for is_so, why in reasons if is_so), None)


def _names_things(column: _Column) -> bool:
    """Tell whether a column called "label" holds names: the number of a group has digits, and its kind few values."""
    lettered = _share(column.values, lambda value: not any(map(str.isdigit, value)))
    return headings.plain(column.name) == "label" and lettered > _MOSTLY and column.different > _FEW_VALUES


def _kind(column: _Column) -> str:
    """Return the comparison kind by the column's name, where its values agree, or else by its values."""
    named = headings.kind_of(column.name)
    if named == "date" and not _share(column.values, lambda text: fold_date(text) or is_date(text)) > _MOSTLY:
        named = None
    if named == "exact" and not _share(column.values, is_date) > _MOSTLY:
        named = None
    if named == "years" and not _share(column.values, fold_years) > _MOSTLY:
        named = None
    if named == "sex" and not _share(column.values, fold_sex) > _MOSTLY:
        named = "exact"
    return named or _kind_of_values(column)


def _kind_of_values(column: _Column) -> str:
    if headings.numbers_rows(column.name):
        return "identifier"
    digits = sum(any(sign.isdigit() for sign in value) for value in column.values) / len(column.values)
    again = digits > _MOSTLY or column.different <= _OWN * len(column.values)
    if column.different <= _FEW_VALUES and again:
        return "sex" if _share(column.values, fold_sex) > _MOSTLY else "exact"
    if digits > _MOSTLY and _share(column.values, is_date) > _MOSTLY:
        return "date"
    if _share(column.values, _AMOUNT.fullmatch) > _MOSTLY:
        return "exact"
    words = sum(" " in value for value in column.values) / len(column.values)
    if digits > _MOSTLY and words < 1.0 - _MOSTLY and column.different > _TELLING * len(column.values):
        return "identifier"
    return "short_string"


def _share(values: Sequence[str], fold: Any) -> float:
    counted = Counter(values)
    return sum(count for value, count in counted.items() if fold(value)) / max(1, len(values))


def _birth_parts(columns: Sequence[_Column]) -> dict[str, dict[str, Any]]:
    """Return a field for each date that stands in columns for its year, month and day."""
    stems: dict[str, dict[str, str]] = {}
    for column in columns:
        found = _DATE_PART.fullmatch(column.name)
        if found and _share(column.values, lambda value: value.removesuffix(".0").isdecimal()) > _MOSTLY:
            part = {"y": "year", "m": "month", "d": "day"}[found["part"][0].lower()]
            stems.setdefault(found["stem"], {})[part] = column.name
    whole = {stem: parts for stem, parts in stems.items() if len(parts) == len(_PARTS)}
    return {f"{stem or 'date'}_parts": {"kind": "date", **parts} for stem, parts in whole.items()}
