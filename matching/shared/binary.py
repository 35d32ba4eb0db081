"""Whole columns of numbers as PostgreSQL's binary forms: array parameters and COPY blocks, without a loop over rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, LiteralString, TypeVar

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

_COPY_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_TRAILER: Final = b"\xff\xff"
_INT4: Final = 23
_INT8: Final = 20

Number = TypeVar("Number", bound=np.integer[Any])


@dataclass(frozen=True, slots=True)
class Int4s:
    """An array parameter of type integer[]."""

    values: npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class Int8s:
    """An array parameter of type bigint[]; unsigned numbers are taken bit by bit."""

    values: npt.NDArray[np.integer[Any]]


class _ArrayDumper(Dumper):
    """One-dimensional arrays without nulls: a header of five numbers, then each element behind its length."""

    format = Format.BINARY
    element: ClassVar[int]
    size: ClassVar[int]

    def dump(self, obj: Int4s | Int8s) -> Buffer:
        """Return the array's binary form."""
        count = len(obj.values)
        header = (1, 0, self.element, count, 1) if count else (0, 0, self.element)
        return np.array(header, ">i4").tobytes() + _with_lengths(obj.values, self.size).tobytes()


class _Int4sDumper(_ArrayDumper):
    oid = 1007
    element = _INT4
    size = 4


class _Int8sDumper(_ArrayDumper):
    oid = 1016
    element = _INT8
    size = 8


def register(connection: psycopg.Connection[Any]) -> None:
    """Let a connection take Int4s and Int8s as parameters."""
    connection.adapters.register_dumper(Int4s, _Int4sDumper)
    connection.adapters.register_dumper(Int8s, _Int8sDumper)


def copy_block(columns: Sequence[npt.NDArray[np.integer[Any]]]) -> bytes:
    """Return rows of numbers, given by column, as COPY's binary format: 64-bit ones as bigint, others as integer."""
    sizes = [8 if column.dtype.itemsize == 8 else 4 for column in columns]
    fields: list[Any] = [("n", ">i2")]
    for i, size in enumerate(sizes):
        fields += [(f"l{i}", ">i4"), (f"v{i}", f">i{size}")]
    rows = np.empty(len(columns[0]), np.dtype(fields))
    rows["n"] = len(columns)
    for i, (column, size) in enumerate(zip(columns, sizes, strict=True)):
        rows[f"l{i}"], rows[f"v{i}"] = size, column.view(np.int64) if size == 8 else column
    return _COPY_HEADER + rows.tobytes() + _COPY_TRAILER


def copy_columns(
    connection: psycopg.Connection[Any], statement: LiteralString, columns: Sequence[npt.NDArray[np.integer[Any]]]
) -> None:
    """Run a COPY of rows given by column, as `copy_block` forms them; nothing when there are none."""
    if len(columns[0]):
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(copy_block(columns))


def _with_lengths(values: npt.NDArray[np.integer[Any]], size: int) -> npt.NDArray[np.void]:
    elements = np.empty(len(values), np.dtype([("length", ">i4"), ("value", f">i{size}")]))
    elements["length"] = size
    elements["value"] = values.astype(np.int64, copy=False)
    return elements
