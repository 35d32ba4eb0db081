"""The statements that make the shared index anew. Nothing here decides anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import psycopg
from psycopg.rows import TupleRow

from matching.linkage.hashing import Hashes, Indices
from matching.shared.binary import copy_columns
from matching.shared.neighbours import Neighbours
from matching.shared.sql import QUERIES


class Indexed(NamedTuple):
    """What of a record's row the index is made from."""

    rid: int
    source: str
    features: bytes
    edges: bytes


class IndexTables:
    """The tables of the index, over a worker's connection."""

    def __init__(self, connection: psycopg.Connection[TupleRow]) -> None:
        self._connection = connection

    def is_whole(self) -> bool:
        """Tell whether blocks and neighbours are there: not before they were made, nor after a crash of the server."""
        row = self._connection.execute(QUERIES["index_is_whole"]).fetchone()
        return bool(row and row[0])

    def begin(self) -> None:
        """Empty the index, and number the records and batches that somebody else has made; call it alone."""
        self._connection.execute(QUERIES["begin_index"])

    def records(self, size: int) -> Iterator[list[Indexed]]:
        """Yield all live records in chunks."""
        after = -1
        with self._connection.cursor(binary=True) as cursor:
            while rows := cursor.execute(QUERIES["indexed_records"], {"after": after, "size": size}).fetchall():
                yield list(map(Indexed._make, rows))
                after = rows[-1][0]

    def fill_blocks(self, keys: Hashes, rids: Indices) -> None:
        """Add blocking keys, after `begin` in its transaction."""
        copy_columns(self._connection, QUERIES["fill_blocks"], [keys, rids.astype(np.int32)])

    def fill_neighbours(self, rows: Neighbours) -> None:
        """Add neighbours likewise."""
        copy_columns(self._connection, QUERIES["fill_neighbours"], [column.astype(np.int32) for column in rows])

    def end(self) -> None:
        """Make what was filled findable, note which records sources have merged, and mark the index whole."""
        self._connection.execute(QUERIES["end_index"])
