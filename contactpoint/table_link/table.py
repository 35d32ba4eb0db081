"""Reading a table into the core's columns, and writing what came out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from contactpoint.table_link.config import FieldConfig, LinkConfig
from contactpoint.table_link.dates import read_dates
from contactpoint.table_link.guess import Guess, guess_config, guess_record_id
from contactpoint.table_link.reading import Table, read_file, texts
from matching.linkage.columns import RecordColumns, columns_of
from matching.linkage.marks import Marks, with_birth_order
from matching.linkage.model import LinkageModel
from matching.linkage.normalise import FOLDERS, join_alternates
from schemas.errors import ConfigurationError

ONLY_SOURCE = "table"
ROW_NUMBER = "row_number"


def read_table(path: Path, config: LinkConfig) -> Table:
    """Read the named columns of a Parquet or CSV file, every CSV value as text.

    Raises ConfigurationError when the file cannot be read, a column is missing, or a record id is missing or repeated.
    """
    table = read_file(path, config.delimiter, config.encoding)
    if config.record_id == ROW_NUMBER:
        table = _numbered(table)
    missing = [name for name in config.used if name not in table.column_names]
    if missing:
        message = f"{path}: no column {', '.join(map(repr, missing))}; there are: {', '.join(table.column_names)}"
        raise ConfigurationError(message)
    _check_ids(path, table, config.record_id)
    return table.select(list(config.used))


def guessed_table(path: Path) -> tuple[Table, Guess]:
    """Read a table that nobody has described, and guess what its columns hold.

    Where no column names each row once, the rows are numbered. Raises ConfigurationError as `read_table` does.
    """
    table = read_file(path)
    record_id = guess_record_id(table)
    if record_id is None:
        record_id, table = ROW_NUMBER, _numbered(table)
    guess = guess_config(table, record_id)
    return table.select(list(guess.config.used)), guess


def _numbered(table: Table) -> Table:
    """Return the table with its rows numbered from 1, unless a column of that name is there."""
    if ROW_NUMBER in table.column_names:
        return table
    return table.append_column(ROW_NUMBER, pa.array(np.arange(1, table.num_rows + 1)))


def _check_ids(path: Path, table: Table, column: str) -> None:
    """Raise ConfigurationError unless the column names each row once."""
    counted = Counter(texts(table, column))
    missing = counted.pop("", 0)
    repeated = sum(count > 1 for count in counted.values())
    if missing or repeated:
        found = f"{missing} rows have none, {repeated} ids stand in several rows"
        message = f"{path}: column {column!r} (record_id) must name each row once, without gaps: {found}"
        raise ConfigurationError(message)


def table_columns(table: Table, config: LinkConfig, model: LinkageModel) -> RecordColumns:
    """Return the folded values of every row, in the model's order of fields."""
    unknown = [field.name for field in model.fields if field.name not in config.fields]
    if unknown:
        names = ", ".join(config.fields)
        message = f"the model has fields {', '.join(unknown)} that LINK.toml does not map; mapped: {names}"
        raise ConfigurationError(message)
    sources = texts(table, config.source) if config.source else [ONLY_SOURCE] * table.num_rows
    by_field = [_folded(table, config.fields[field.name], sources) for field in model.fields]
    return columns_of(model, list(zip(*by_field, strict=True)), sources)


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


def write_clusters(path: Path, ids: Table, clusters: np.ndarray[Any, Any]) -> None:
    """Write `record_id, cluster_id`; a cluster is named by the id of its first row."""
    _write(path, pa.table({"record_id": ids, "cluster_id": ids.take(pa.array(clusters))}))


def write_pairs(path: Path, columns: dict[str, Any]) -> None:
    """Write the scored pairs."""
    _write(path, pa.table(columns))


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


def _folded(table: Table, field: FieldConfig, sources: Sequence[str]) -> list[str]:
    fold = FOLDERS[field.kind]
    if field.year is not None:
        parts = [texts(table, name) if name else [""] * table.num_rows for name in (field.year, field.month, field.day)]
        raw = ["-".join(part.split(".")[0] for part in given if part) for given in zip(*parts, strict=True)]
    else:
        columns = [
            _values(table, name, field, sources) for name in ((field.column,) if field.column else field.columns)
        ]
        raw = [" ".join(value for value in values if value) for values in zip(*columns, strict=True)]
    folded = [fold(value) for value in raw]
    if not field.alternates:
        return folded
    others = [[fold(value) for value in _values(table, name, field, sources)] for name in field.alternates]
    return [join_alternates(values) for values in zip(folded, *others, strict=True)]


def _values(table: Table, column: str, field: FieldConfig, sources: Sequence[str]) -> list[str]:
    """Return a column as text, the dates in it in one order of year, month and day."""
    values = texts(table, column)
    if field.kind != "date":
        return values
    return read_dates(values, sources, date.today().year, field.format)  # noqa: DTZ011 - the year on the user's calendar


def _write(path: Path, table: Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".csv":
        pa_csv.write_csv(table, path)
    else:
        pq.write_table(table, path, compression="zstd")
