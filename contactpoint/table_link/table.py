"""Reading a table into the core's columns, and writing what came out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from contactpoint.table_link.config import FieldConfig, LinkConfig
from matching.linkage.columns import RecordColumns, columns_of
from matching.linkage.marks import Marks, with_birth_order
from matching.linkage.model import LinkageModel
from matching.linkage.normalise import FOLDERS, join_alternates
from schemas.errors import ConfigurationError

Table = Any  # pyarrow ships no types

ONLY_SOURCE = "table"


def read_table(path: Path, config: LinkConfig) -> Table:
    """Read the named columns of a Parquet or CSV file, every CSV value as text.

    Raises ConfigurationError when the file cannot be read, a column is missing, or a record id is missing or repeated.
    """
    try:
        table = pq.read_table(path) if path.suffix.lower() in {".parquet", ".pq"} else _read_csv(path, config)
    except (OSError, pa.ArrowInvalid, UnicodeDecodeError, LookupError) as error:
        message = f"{path}: cannot be read: {error}"
        raise ConfigurationError(message) from error
    missing = [name for name in config.used if name not in table.column_names]
    if missing:
        message = f"{path}: no column {', '.join(map(repr, missing))}; there are: {', '.join(table.column_names)}"
        raise ConfigurationError(message)
    ids = table[config.record_id]
    if ids.null_count or len(ids.unique()) != len(ids):
        message = f"{path}: column {config.record_id!r} (record_id) must name each row once, without gaps"
        raise ConfigurationError(message)
    return table.select(list(config.used))


def table_columns(table: Table, config: LinkConfig, model: LinkageModel) -> RecordColumns:
    """Return the folded values of every row, in the model's order of fields."""
    unknown = [field.name for field in model.fields if field.name not in config.fields]
    if unknown:
        names = ", ".join(config.fields)
        message = f"the model has fields {', '.join(unknown)} that LINK.toml does not map; mapped: {names}"
        raise ConfigurationError(message)
    by_field = [_folded(table, config.fields[field.name]) for field in model.fields]
    sources = texts(table, config.source) if config.source else [ONLY_SOURCE] * table.num_rows
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
    try:
        table = pq.read_table(path) if path.suffix.lower() in {".parquet", ".pq"} else pa_csv.read_csv(path)
    except (OSError, pa.ArrowInvalid) as error:
        message = f"{path}: cannot be read: {error}"
        raise ConfigurationError(message) from error
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


def _read_csv(path: Path, config: LinkConfig) -> Table:
    with path.open("rb") as file:
        header = file.readline().decode(config.encoding).lstrip("\ufeff")
    names = [name.strip().strip('"') for name in header.rstrip("\r\n").split(config.delimiter)]
    return pa_csv.read_csv(
        path,
        read_options=pa_csv.ReadOptions(encoding=config.encoding),
        parse_options=pa_csv.ParseOptions(delimiter=config.delimiter, newlines_in_values=True),
        # Identifiers keep their leading zeros: nothing is taken for a number.
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
        ),
    )


def texts(table: Table, column: str) -> list[str]:
    """Return a column as text, "" for null."""
    return ["" if value is None else str(value) for value in table[column].to_pylist()]


def _folded(table: Table, field: FieldConfig) -> list[str]:
    fold = FOLDERS[field.kind]
    if field.year is not None:
        parts = [texts(table, name) if name else [""] * table.num_rows for name in (field.year, field.month, field.day)]
        raw = ["-".join(part.split(".")[0] for part in date if part) for date in zip(*parts, strict=True)]
    else:
        columns = [texts(table, name) for name in ((field.column,) if field.column else field.columns)]
        raw = [" ".join(value for value in values if value) for values in zip(*columns, strict=True)]
    folded = [fold(value) for value in raw]
    if not field.alternates:
        return folded
    others = [[fold(value) for value in texts(table, name)] for name in field.alternates]
    return [join_alternates(values) for values in zip(folded, *others, strict=True)]


def _write(path: Path, table: Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".csv":
        pa_csv.write_csv(table, path)
    else:
        pq.write_table(table, path, compression="zstd")
