"""Rows of a CSV file with their original bytes, one bad row at a time.

The file is cut into physical lines as bytes, and the standard library's reader takes as many of them as a row needs, so
that the bytes of every row are known. A quote that is never closed would swallow the rest of the file: a row may take
a bounded number of lines, after which its first line is the bad row and reading goes on with the next line.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from connectors.formats import NUL
from connectors.lines import Line, Recoded, bounded_lines

_ENDS = re.compile(rb"\r\n|\n")
_LINES_IN_A_ROW = 50


class Row(NamedTuple):
    """One row: its fields, or the code of what is wrong with it; `number` is its first line."""

    fields: list[str]
    content: bytes
    number: int
    error: str = ""


class _TooManyLinesError(Exception):
    """A quoted field runs over more lines than a row may have."""


class _UndecodableError(Exception):
    """A line is not in the declared encoding."""


def is_wide(encoding: str) -> bool:
    """Tell whether ASCII characters take more than a byte, so that lines cannot be cut as bytes."""
    return "\n".encode(encoding) != b"\n"


def open_lines(stream: BinaryIO, encoding: str, limit: int) -> tuple[Iterator[Line], str]:
    """Return the lines and the encoding to decode them with; UTF-16 becomes UTF-8 on the way."""
    if is_wide(encoding):
        return bounded_lines(Recoded(stream, encoding), _ENDS, limit), "utf-8"
    return bounded_lines(stream, _ENDS, limit), encoding


class RowReader:
    """Iterates over the rows of a file; after a bad row it goes on with the next line."""

    def __init__(self, lines: Iterator[Line], encoding: str, delimiter: str, limit: int) -> None:
        self._lines = lines
        self._encoding = encoding
        self._delimiter = delimiter
        self._limit = limit
        self._waiting: deque[Line] = deque()
        self._taken: list[Line] = []
        csv.field_size_limit(max(csv.field_size_limit(), 4 * limit))

    def __iter__(self) -> Iterator[Row]:
        reader = self._reader()
        while True:
            self._taken = []
            try:
                fields = next(reader)
            except StopIteration:
                if not self._taken:
                    return
                yield self._bad("csv_invalid")
                reader = self._reader()
            except (_TooManyLinesError, csv.Error):
                yield self._bad("csv_invalid")
                reader = self._reader()
            except _UndecodableError:
                yield self._bad("undecodable")
                reader = self._reader()
            else:
                yield self._row(fields)

    def _reader(self) -> Iterator[list[str]]:
        return csv.reader(self._texts(), delimiter=self._delimiter, strict=True)

    def _texts(self) -> Iterator[str]:
        """Give the reader decoded lines, remembering which ones the row took."""
        while True:
            line = self._waiting.popleft() if self._waiting else next(self._lines, None)
            if line is None:
                return
            self._taken.append(line)
            if len(self._taken) > 1 and self._too_much():
                raise _TooManyLinesError
            try:
                content = line.content.removeprefix(codecs.BOM_UTF8) if line.number == 1 else line.content
                yield content.decode(self._encoding) + "\n"
            except UnicodeDecodeError:
                raise _UndecodableError from None

    def _too_much(self) -> bool:
        return len(self._taken) > _LINES_IN_A_ROW or sum(len(line.content) for line in self._taken) > 2 * self._limit

    def _row(self, fields: list[str]) -> Row:
        content = b"\n".join(line.content for line in self._taken)
        error = "nul_byte" if NUL in content else ""
        if any(line.overlong for line in self._taken) or len(content) > self._limit:
            error = "item_too_long"
        return Row(fields, content[: self._limit], self._taken[0].number, error)

    def _bad(self, error: str) -> Row:
        """Return the first line as a bad row and give the others back."""
        first, *others = self._taken
        self._waiting.extendleft(reversed(others))
        if first.overlong:
            error = "item_too_long"
        return Row([], first.content, first.number, error)
