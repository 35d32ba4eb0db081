"""A table's columns as the core holds them: folded values, ids, marks, labels."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np

from contactpoint.table_link.ages import Apart, with_one_time
from contactpoint.table_link.config import FieldConfig, LinkConfig
from contactpoint.table_link.dates import Ground, read_dates
from contactpoint.table_link.reading import Table, read_file, texts
from contactpoint.table_link.whole_names import split_whole_name
from matching.linkage.columns import RecordColumns, columns_of
from matching.linkage.marks import Marks, with_birth_order
from matching.linkage.model import LinkageModel
from matching.linkage.normalise import ALTERNATE, FOLDERS, Folder, fold_date, join_alternates
from matching.linkage.words import weighed
from schemas.errors import ConfigurationError

ONLY_SOURCE = "table"

Grounds = dict[str, list[Ground | Apart]]
"""By field or column: what was decided of how its values are read, and why."""

_TELL_PERSONS = frozenset({"given_name", "surname", "sex"})


def table_columns(
    table: Table, config: LinkConfig, model: LinkageModel, grounds: Grounds | None = None
) -> RecordColumns:
    """Return the folded values of every row, in the model's order of fields.

    `grounds` is filled: for each column of dates what was decided of the order of day and month, and why; for ages,
    how far the sources are apart in time.
    """
    unknown = [field.name for field in model.fields if field.name not in config.fields]
    if unknown:
        names = ", ".join(config.fields)
        message = f"the model has fields {', '.join(unknown)} that LINK.toml does not map; mapped: {names}"
        raise ConfigurationError(message)
    sources = texts(table, config.source) if config.source else [ONLY_SOURCE] * table.num_rows
    told = {} if grounds is None else grounds
    by_field = [_folded(table, config.fields[field.name], sources, told) for field in model.fields]
    persons = [by_field[place] for place, field in enumerate(model.fields) if field.kind in _TELL_PERSONS]
    for place, field in enumerate(model.fields):
        if field.kind == "years" and persons:
            rows = list(zip(*persons, strict=True))
            by_field[place], found = with_one_time(by_field[place], rows, sources)
            told[field.name] = [*found]
    return columns_of(model, zip(*by_field, strict=True), sources)


def record_ids(table: Table, config: LinkConfig) -> Table:
    """Return the record ids as they stand in the table."""
    return table[config.record_id].combine_chunks()


def birth_order_marks(table: Table, config: LinkConfig) -> Marks | None:
    """Return the rows' marks (`linkage.marks`) with the place in a multiple birth, None if no column has it."""
    if config.birth_order is None:
        return None
    said = [text.removesuffix(".0").lstrip("0") for text in texts(table, config.birth_order)]
    orders = [int(text) if text.isdecimal() else 0 for text in said]
    return np.array([with_birth_order(0, order) for order in orders], np.uint8)


def read_pairs(path: Path, ids: Sequence[str]) -> tuple[list[int], list[int], list[bool]]:
    """Read labelled pairs: the rows of `left` and `right`, and whether they match.

    Raises ConfigurationError for a file without these columns or an id that the table does not have.
    """
    table = read_file(path)
    if not {"left", "right"} <= set(table.column_names):
        message = f"{path}: labelled pairs need the columns left and right; there are: {', '.join(table.column_names)}"
        raise ConfigurationError(message)
    row_of = {name: row for row, name in enumerate(ids)}
    left, right = texts(table, "left"), texts(table, "right")
    strangers = sum(name not in row_of for name in [*left, *right])
    if strangers:
        message = f"{path}: {strangers} record ids of labelled pairs are not in the table"
        raise ConfigurationError(message)
    match = texts(table, "match") if "match" in table.column_names else ["1"] * len(left)
    says = [text.strip().lower() in {"1", "true", "yes", "y"} for text in match]
    return [row_of[name] for name in left], [row_of[name] for name in right], says


def _folded(table: Table, field: FieldConfig, sources: Sequence[str], told: Grounds) -> list[str]:
    fold = _fold_days if field.kind == "date" else FOLDERS[field.kind]
    if field.year is not None:
        parts = [texts(table, name) if name else [""] * table.num_rows for name in (field.year, field.month, field.day)]
        raw = ["-".join(part.split(".")[0] for part in given if part) for given in zip(*parts, strict=True)]
    else:
        columns = [
            _values(table, name, field, sources, told) for name in ((field.column,) if field.column else field.columns)
        ]
        several = len(columns) > 1
        raw = [" ".join(filter(None, values)) for values in zip(*columns, strict=True)] if several else columns[0]
    if field.whole_name:
        raw = [split_whole_name(value)[field.kind == "surname"] for value in raw]
    folded = _each_once(fold, raw)
    if field.kind == "text":
        return weighed(folded)
    if not field.alternates:
        return folded
    others = [_each_once(fold, _values(table, name, field, sources, told)) for name in field.alternates]
    return [join_alternates(values) for values in zip(folded, *others, strict=True)]


def _each_once(fold: Folder, values: Sequence[str]) -> list[str]:
    """Fold values, each different one once."""
    folded = {value: fold(value) for value in set(values)}
    return [folded[value] for value in values]


def _fold_days(text: str) -> str:
    """Fold a date, or the days that it may say."""
    return join_alternates(map(fold_date, text.split(ALTERNATE))) if ALTERNATE in text else fold_date(text)


def _values(table: Table, column: str, field: FieldConfig, sources: Sequence[str], told: Grounds) -> list[str]:
    """Return a column as text, the dates in it in one order of year, month and day."""
    values = texts(table, column)
    if field.kind != "date":
        return values
    today = date.today()  # noqa: DTZ011 - the year on the user's calendar
    read, grounds = read_dates(values, sources, today.year, field.format)
    told[column] = [*grounds]
    return read
