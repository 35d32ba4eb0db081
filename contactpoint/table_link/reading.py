"""Reading a Parquet or CSV file as it is handed over, with an answer to what is usually wrong with one."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from schemas.errors import ConfigurationError

Table = Any  # pyarrow ships no types

_PARQUET: Final = b"PAR1"
_NO_TABLES: Final = {
    b"PK\x03\x04": "is an Excel workbook or a zip archive; save the sheet as CSV or Parquet",
    b"\xd0\xcf\x11\xe0": "is an old Excel workbook; save the sheet as CSV or Parquet",
    b"\x1f\x8b": "is compressed; unpack it first",
    b"\xff\xfe": "is UTF-16; save it as UTF-8",
    b"\xfe\xff": "is UTF-16; save it as UTF-8",
}
_DELIMITERS: Final = ",;\t|"
_MISSING: Final = ["", "NA", "N/A", "#N/A", "NULL", "Null", "null", "None", "NaN", "nan", "\\N"]


def read_file(path: Path, delimiter: str | None = None, encoding: str = "utf-8") -> Table:
    """Return a file as a table with at least one row; of CSV, every value as text.

    A CSV's delimiter is found in its header (comma, semicolon, tab or bar) if it is not given. Raises
    ConfigurationError that says what is wrong with the file and what to do.
    """
    try:
        with path.open("rb") as file:
            begin = file.read(4)
        for sign, what in _NO_TABLES.items():
            if begin.startswith(sign):
                _refuse(path, what)
        parquet = begin == _PARQUET or path.suffix.lower() in {".parquet", ".pq"}
        table = pq.read_table(path) if parquet and begin else _read_csv(path, delimiter, encoding)
    except UnicodeDecodeError as error:
        message = f'{path}: is not {encoding}; set encoding in LINK.toml, such as encoding = "cp1252": {error}'
        raise ConfigurationError(message) from error
    except (OSError, pa.ArrowInvalid, LookupError) as error:
        hint = f'; if it is not {encoding}, set encoding, such as "cp1252"' if "UTF8" in str(error) else ""
        what = re.sub(r"(columns, got [0-9]+).*", r"\1", str(error), flags=re.DOTALL)  # then comes the row itself
        message = f"{path}: cannot be read: {what}{hint}"
        raise ConfigurationError(message) from error
    repeated = [name for name, count in Counter(table.column_names).items() if count > 1]
    if repeated:
        _refuse(path, f"has several columns named {', '.join(map(repr, repeated))}; rename all but one")
    if table.num_rows == 0:
        _refuse(path, "has no rows")
    return table


def _read_csv(path: Path, delimiter: str | None, encoding: str) -> Table:
    with path.open("rb") as file:
        header = file.readline().decode(encoding).lstrip("\ufeff").rstrip("\r\n")
    if not header.strip():
        _refuse(path, "is empty, or its first line is; it must name the columns")
    sign = delimiter or max(_DELIMITERS, key=header.count)
    names = [name.strip('"') for name in header.split(sign)]
    return pa_csv.read_csv(
        path,
        read_options=pa_csv.ReadOptions(encoding=encoding),
        parse_options=pa_csv.ParseOptions(delimiter=sign, newlines_in_values=True),
        # Identifiers keep their leading zeros: nothing is taken for a number.
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=_MISSING
        ),
    )


def texts(table: Table, column: str) -> list[str]:
    """Return a column as text, "" for null and nan; whole numbers stay whole, whatever type holds them."""
    return [_text(value) for value in table[column].to_pylist()]


def _text(value: object) -> str:
    if value is None or value != value:  # noqa: PLR0124  nan is the only value unlike itself
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _refuse(path: Path, what: str) -> None:
    message = f"{path}: {what}"
    raise ConfigurationError(message)
