"""The truth beside the files: whose record each one is, and what each feed should yield.

`truth.parquet` has one row for each record key: the person, the feed, the kind of source, the status at the end of the
last delivery (live, withdrawn, merged) and, for twins and triplets, the number of their birth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from contactpoint.world.population import Int64, Population
from schemas.topics import SourceKind

LIVE, WITHDRAWN, MERGED = "live", "withdrawn", "merged"
SCHEMA: Any = pa.schema(
    [
        ("record_key", pa.string()),
        ("person", pa.string()),
        ("feed", pa.dictionary(pa.int32(), pa.string())),
        ("kind", pa.dictionary(pa.int8(), pa.string())),
        ("status", pa.dictionary(pa.int8(), pa.string())),
        ("birth", pa.int64()),
    ]
)


def person_id(child: int) -> str:
    """Return the identity of a simulated child."""
    return f"P{child:08d}"


@dataclass(slots=True)
class FeedTally:
    """What one feed holds and what should come out of it.

    `items` counts everything that a connector meets; each is one of `records` (the first version of a record key),
    `updates` (a newer version with other content), `repeats` (the same content again), `late` (a version older than one
    that came before), an explicit `withdrawals` or `merges`, `rejects` (cannot be read) or `out_of_scope` (adults).
    `absent` counts records that a full refresh left out. `live` is how many record keys are there at the end.
    """

    name: str
    kind: SourceKind
    files: int = 0
    items: int = 0
    records: int = 0
    updates: int = 0
    repeats: int = 0
    late: int = 0
    withdrawals: int = 0
    absent: int = 0
    merges: int = 0
    rejects: int = 0
    out_of_scope: int = 0
    live: int = 0


class Ledger:
    """Follows the record keys of one unit of a source: what was sent, and what became of it."""

    def __init__(self, tally: FeedTally) -> None:
        self._tally = tally
        self._content: dict[str, str] = {}
        self._child: dict[str, int] = {}
        self._status: dict[str, str] = {}

    def observed(self, key: str, child: int, content: str) -> bool:
        """Note a version of a record; return whether it says anything new."""
        self._tally.items += 1
        known = self._content.get(key)
        self._content[key] = content
        self._child.setdefault(key, child)
        self._status[key] = LIVE
        if known is None:
            self._tally.records += 1
        elif known == content:
            self._tally.repeats += 1
        else:
            self._tally.updates += 1
        return known != content

    def content(self, key: str) -> str | None:
        """Return what was last sent of a record."""
        return self._content.get(key)

    def late(self) -> None:
        """Note a version that was overtaken by a newer one."""
        self._tally.items += 1
        self._tally.late += 1

    def withdrawn(self, key: str) -> None:
        """Note that the source said that a record is gone."""
        self._tally.items += 1
        self._tally.withdrawals += 1
        self._status[key] = WITHDRAWN

    def absent(self, keys: set[str]) -> None:
        """Note which live records a full refresh left out."""
        gone = [key for key, status in self._status.items() if status == LIVE and key not in keys]
        self._tally.absent += len(gone)
        self._status.update(dict.fromkeys(gone, WITHDRAWN))

    def merged(self, key: str) -> None:
        """Note that the source merged a record into another of its records."""
        self._tally.merges += 1
        self._status[key] = MERGED

    def close(self, truth: Truth, population: Population) -> None:
        """Write the unit's truth."""
        self._tally.live += sum(status == LIVE for status in self._status.values())
        truth.add(population, self._tally, list(self._child), list(self._child.values()), list(self._status.values()))


class Truth:
    """Writes `truth.parquet` a unit at a time."""

    def __init__(self, path: Path) -> None:
        self._writer = pq.ParquetWriter(path, SCHEMA, compression="zstd")
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._writer.close()

    def add(
        self, population: Population, tally: FeedTally, keys: Sequence[str], children: list[int], status: Sequence[str]
    ) -> None:
        """Write whose these record keys are and what became of them."""
        births = birth_groups(population, np.array(children, np.int64))
        columns = [
            pa.array(keys, pa.string()),
            pa.array([person_id(child) for child in children], pa.string()),
            pa.array([tally.name] * len(keys)).cast(SCHEMA.field("feed").type),
            pa.array([tally.kind] * len(keys)).cast(SCHEMA.field("kind").type),
            pa.array(list(status), pa.string()).cast(SCHEMA.field("status").type),
            pa.array(births, pa.int64(), mask=births < 0),
        ]
        self._writer.write_table(pa.table(columns, schema=SCHEMA))
        self.rows += len(keys)


def birth_groups(population: Population, child: Int64) -> Int64:
    """Return the number of each child's multiple birth (its eldest child's number), -1 for single births."""
    order = population.children.birth_order[child].astype(np.int64)
    return np.where(order > 0, child - order + 1, -1)


def write_expected(path: Path, tallies: Sequence[FeedTally], population: Population) -> None:
    """Write `expected.json`: the counts of each feed, and of the people."""
    content = {
        "children": len(population.children),
        "households": len(population.households.home),
        "seed": population.settings.seed,
        "feeds": {tally.name: asdict(tally) for tally in tallies},
    }
    path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
