"""Reading a file as it is handed over, CSV, JSON Lines or Parquet, with an answer to what is usually wrong with one."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterable
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.json as pa_json
import pyarrow.parquet as pq

from schemas.errors import ConfigurationError

Table = Any  # pyarrow ships no types

FALLBACK: Final = "cp1252"
"""The encoding of text that is neither UTF-8 nor UTF-16: what Windows writes in Western Europe."""

_PARQUET: Final = b"PAR1"
_SUFFIXES: Final = {"parquet": (".parquet", ".pq"), "json": (".jsonl", ".ndjson")}
_NO_TABLES: Final = {
    b"PK\x03\x04": "is an Excel workbook or a zip archive; save the sheet as CSV or Parquet",
    b"\xd0\xcf\x11\xe0": "is an old Excel workbook; save the sheet as CSV or Parquet",
    b"\x1f\x8b": "is compressed; unpack it first",
    b"SQLi": "is a database; export the table as CSV or Parquet",
    b"[": "is JSON in one piece; write one object a line (JSON Lines), CSV or Parquet",
    b"<": "is XML or HTML; save the table as CSV or Parquet",
}
_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_DELIMITERS: Final = ",;\t|"
_SEPARATOR: Final = re.compile(r'"?sep=([,;\t|])"?', re.IGNORECASE)
_MISSING: Final = ["", "NA", "N/A", "#N/A", "NULL", "Null", "null", "None", "NaN", "nan", "\\N"]
_DATA: Final = re.compile(r"[0-9][0-9/.\- ]{5,}[0-9]")  # a date or a long number, which names no column
_HINTS: Final = {
    "columns, got": "; a value that holds separators or line breaks needs quotes around it, and a lone quote none",
    "straddling": "; a quoted value does not end: look for a lone quote",
}
_BLOCK: Final = 1 << 20


def read_file(path: Path, delimiter: str | None = None, encoding: str | None = None) -> Table:
    """Return a file as a table with at least one row; of CSV, every value as text.

    A CSV's delimiter is found in its header (comma, semicolon, tab or bar) and its encoding in its bytes (UTF-8, UTF-16
    or FALLBACK) if they are not given. Before its header there may be a line "sep=;", as Excel writes it, and remarks
    that begin with "#". Raises ConfigurationError that says what is wrong with the file and what to do.
    """
    try:
        with path.open("rb") as file:
            begin = file.read(4)
        for sign, what in _NO_TABLES.items():
            if begin.startswith(sign):
                _refuse(path, what)
        table = _read(path, begin, delimiter, encoding)
    except UnicodeError as error:
        message = f"{path}: is not {encoding}; correct encoding in LINK.toml or leave it out: {error}"
        raise ConfigurationError(message) from error
    except (OSError, pa.ArrowException, LookupError, csv.Error) as error:
        # A parser's message may end with the row itself.
        what = re.sub(
            r"(columns, got [0-9]+).*", r"\1", getattr(error, "strerror", None) or str(error), flags=re.DOTALL
        )
        hint = "".join(hint for sign, hint in _HINTS.items() if sign in what)
        message = f"{path}: cannot be read: {what}{hint}"
        raise ConfigurationError(message) from error
    repeated = [name for name, count in Counter(table.column_names).items() if count > 1]
    if repeated:
        _refuse(path, f"has several columns named {', '.join(map(repr, repeated))}; rename all but one")
    if table.num_rows == 0:
        _refuse(path, "has no rows")
    return table


def encoding_of(table: Table) -> str | None:
    """Return the encoding in which a text file was read, None of another file."""
    said = (table.schema.metadata or {}).get(b"encoding")
    return said.decode() if said else None


def texts(table: Table, column: str) -> list[str]:
    """Return a column as text, "" for null and nan; whole numbers stay whole, whatever type holds them."""
    values = table[column]
    if pa.types.is_string(values.type):
        texts_there: list[str] = values.fill_null("").to_pylist()
        return texts_there
    return [_text(value) for value in values.to_pylist()]


def _text(value: object) -> str:
    if value is None or value != value:  # noqa: PLR0124  nan is the only value unlike itself
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _read(path: Path, begin: bytes, delimiter: str | None, encoding: str | None) -> Table:
    suffix = path.suffix.lower()
    if begin and (begin == _PARQUET or suffix in _SUFFIXES["parquet"]):
        return pq.read_table(path)
    if begin.startswith(b"{") or (begin and suffix in _SUFFIXES["json"]):
        return pa_json.read_json(path)
    chosen = encoding or _encoding(path, begin)
    return _read_csv(path, delimiter, chosen).replace_schema_metadata({"encoding": chosen})


def _encoding(path: Path, begin: bytes) -> str:
    """Return the encoding of a text file: UTF-16 by its mark, UTF-8 if all of it is."""
    if begin.startswith(_UTF_16):
        return "utf-16"
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        for block in iter(partial(file.read, _BLOCK), b""):
            if b"\0" in block:
                _refuse(path, "holds zero bytes, so it is no text; save the table as CSV or Parquet")
            try:
                decoder.decode(block)
            except UnicodeDecodeError:
                return FALLBACK
    return "utf-8"


def _read_csv(path: Path, delimiter: str | None, encoding: str) -> Table:
    before, said, names = _header(path, delimiter, encoding)
    if any(_DATA.fullmatch(name.strip()) for name in names):
        _refuse(path, "begins with data; its first line must name the columns")
    table = pa_csv.read_csv(
        path,
        read_options=pa_csv.ReadOptions(encoding=encoding, skip_rows=before),
        parse_options=pa_csv.ParseOptions(delimiter=said, newlines_in_values=True),
        # Identifiers keep their leading zeros: nothing is taken for a number.
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=_MISSING
        ),
    )
    return table.rename_columns([name.strip() or f"column_{i + 1}" for i, name in enumerate(table.column_names)])


def _header(path: Path, delimiter: str | None, encoding: str) -> tuple[int, str, list[str]]:
    """Return the lines before the header, the delimiter, and the names of the columns as the header has them."""
    with path.open(encoding="utf-8-sig" if encoding == "utf-8" else encoding) as file:
        before, said = _preamble(file)
        file.seek(0)
        rest = islice(file, before, None)
        first = next((line for line in rest if line.strip()), "")
        if not first:
            _refuse(path, "is empty; it must name the columns in its first line, and hold a row a record")
        said = delimiter or said or max(_DELIMITERS, key=first.count)
        return before, said, next(row for row in csv.reader(chain([first], rest), delimiter=said) if row)


def _preamble(lines: Iterable[str]) -> tuple[int, str | None]:
    """Return how many lines stand before the header, and the delimiter that one of them names.

    A line that begins with "#" and holds as many delimiters as the first row is the header itself.
    """
    said, remark = None, ""
    for before, line in enumerate(lines):
        named = _SEPARATOR.fullmatch(line.strip())
        if named:
            said = named[1]
        elif line.startswith("#"):
            remark = line
        elif line.strip():
            return before - (_delimiters(remark) >= _delimiters(line) > 0), said
    return 0, said


def _delimiters(line: str) -> int:
    return max(map(line.count, _DELIMITERS))


def _refuse(path: Path, what: str) -> None:
    message = f"{path}: {what}"
    raise ConfigurationError(message)
