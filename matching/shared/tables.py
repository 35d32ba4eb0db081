"""Statements over the shared tables, a method each. Nothing here decides anything."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import psycopg
from psycopg import sql
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from connectors.kafka import Positions
from connectors.postgres import apply_schema, connect, sql_script, wrap_errors
from matching.changes import ConflictState, RecordRow
from matching.fold_version import FOLD_VERSION
from matching.linkage.hashing import Hashes, Indices
from matching.shared.binary import Int4s, Int8s, copy_columns, register
from matching.shared.neighbours import Neighbours
from matching.shared.sql import QUERIES
from matching.shared.survey import Candidate, Content
from matching.sql import QUERIES as STAGE
from matching.stage.made_with import MadeWith
from matching.stage.messages import ReplayTarget
from schemas.settings import PostgresSettings

APPLICATION: Final = "contactpoint-matching-shared"
HOLDER: Final = "shared workers"
_PATIENCE: Final = 10.0  # seconds to wait for another worker's lock

_CONFLICT: Final = msgspec.msgpack.Decoder(ConflictState)


class Move(NamedTuple):
    """One partition's position: where it has to stand, where a batch moves it, and when its last message was sent."""

    topic: str
    partition: int
    expected: int
    next_offset: int
    last_time: int


def create_tables(settings: PostgresSettings) -> None:
    """Create what is missing of the tables that workers share, and of the matching stage's own.

    Nothing is touched when the schema's comment says that all is there: `create index if not exists` would wait for
    every worker in the middle of a batch, and make all others wait behind it.
    """
    scripts = sql_script("matching.sql", "schema") + sql_script("matching.shared.sql", "schema")
    made_by = "made by " + sha256(scripts.encode()).hexdigest()[:16]
    with connect(settings, autocommit=True, application=APPLICATION) as connection, wrap_errors():
        row = connection.execute(QUERIES["made_by"]).fetchone()
        if row is None or row[0] != made_by:
            apply_schema(settings, "matching.sql", wait_seconds=_PATIENCE)
            apply_schema(settings, "matching.shared.sql", wait_seconds=_PATIENCE)
            connection.execute(sql.SQL("comment on schema matching is {}").format(made_by))


class Tables:
    """The shared tables over one connection in autocommit mode; the caller opens transactions."""

    def __init__(self, connection: psycopg.Connection[TupleRow], silent_seconds: float = 30.0) -> None:
        self.connection = connection
        self._silent = silent_seconds
        self._worker = secrets.randbits(62)  # tells this worker's announcements from those of others
        register(connection)
        with wrap_errors():
            connection.execute(QUERIES["session"])
            limits = {"silent": silent_seconds, "patience": min(_PATIENCE, silent_seconds / 3)}
            connection.execute(QUERIES["limits"], {name: f"{1000 * each:.0f}ms" for name, each in limits.items()})
            connection.execute(QUERIES["begin_work"])

    def rids_of(self, keys: Iterable[str]) -> dict[str, int]:
        """Return the number of each record key, giving new ones to keys never heard of."""
        return self.number(keys)[0]

    def number(self, keys: Iterable[str]) -> tuple[dict[str, int], set[int]]:
        """Return the number of each record key, and which numbers are new: given here, to keys never heard of."""
        wanted = set(keys)
        numbers: dict[str, int] = {}
        fresh: set[int] = set()
        while missing := wanted - numbers.keys():
            rows = self._all("number_names", {"keys": sorted(missing)})
            numbers.update((key, rid) for rid, key, _ in rows)
            fresh.update(rid for rid, _, is_new in rows if is_new)
        return numbers, fresh

    def at_rest(self, rids: Indices) -> list[Content]:
        """Return the live contents of those records that nobody else can reserve before the transaction ends.

        Waits for nobody. Two statements: what the second one reads was committed before the first one's locks.
        """
        free = np.array([row[0] for row in self._all("reserve_if_free", {"rids": Int4s(rids)})], np.int64)
        return [Content._make(row) for row in self._all("settled", {"rids": Int4s(free)})]

    def announce(self, contents: Sequence[Content], owners: Indices, keys: Hashes) -> None:
        """Let other workers see contents, and find them by their keys; `owners` says for each key whose it is."""
        with self.connection.cursor() as cursor, cursor.copy(QUERIES["copy_incoming"]) as copy:
            copy.set_types(["int4", "text", "text", "bytea", "int8"])
            for content in contents:
                copy.write_row((*content, self._worker))
        self.add_blocks(keys, owners)

    def add_blocks(self, keys: Hashes, rids: Indices) -> None:
        """Add blocking keys; in the order of the index, which finds each place sooner."""
        order = np.argsort(keys.view(np.int64))
        copy_columns(self.connection, QUERIES["copy_blocks"], [keys[order], rids[order].astype(np.int32)])

    def delete_blocks(self, keys: Hashes, rids: Indices) -> None:
        """Take blocking keys away, however often they are there."""
        if len(keys):
            self._run("delete_blocks", {"keys": Int8s(keys), "rids": Int4s(rids)})

    def candidates(self, keys: Hashes, at: Indices, rids: Indices) -> list[Candidate]:
        """Return all records that share a key with the own record beside it."""
        order = np.argsort(keys.view(np.int64))  # the index is read in its own order
        values = {"keys": Int8s(keys[order]), "at": Int4s(at[order]), "rids": Int4s(rids[order])}
        return [Candidate._make(row) for row in self._all("find_candidates", values)]

    def covered(self, keys: Hashes, at: Indices, rids: Indices) -> list[Candidate]:
        """Return all records of shielded children that share a shield key with the own record beside it."""
        values = {"keys": Int8s(keys), "at": Int4s(at), "rids": Int4s(rids)}
        return [Candidate._make(row) for row in self._all("find_covered", values)]

    def take_turn(self, *, alone: bool) -> None:
        """Wait until no batch that is alone is being linked; to be alone, until none is. Holds for the transaction."""
        self._run("take_turn_alone" if alone else "take_turn", {})

    def decided(self) -> tuple[int, bool, MadeWith]:
        """Return a number that grows with every batch of decisions, whether a replay is going on, and of what."""
        stamp, replaying, *made = self._all("decided", {})[0]
        return int(stamp), bool(replaying), MadeWith(*made)

    def start_relinking(self, model_id: str, until: ReplayTarget) -> bool:
        """Empty the tables, to be made again with this model and fold; tell whether they were of others."""
        values = {"model_id": model_id, "fold_version": FOLD_VERSION, "until": Jsonb(until)}
        if self._run("start_relinking", values).rowcount != 1:
            return False
        self._run("empty_tables", {})
        self.note_decided()
        return True

    def are_new(self) -> bool:
        """Tell whether no worker has opened the tables yet."""
        return bool(self._all("are_new", {})[0][0])

    def open_at(self, batch: int, until: ReplayTarget | None) -> None:
        """Let batch numbers begin here, and publish nothing before a replay has arrived at `until`."""
        self._run("open_at", {"batch": batch, "until": None if until is None else Jsonb(until)})

    def replay_until(self) -> ReplayTarget | None:
        """Return where the replay that is going on has to arrive, None if there is none."""
        found: ReplayTarget | None = self._all("replay_until", {})[0][0]
        return found

    def close_replay(self) -> None:
        """Note that the replay has arrived."""
        self._run("close_replay", {})

    def note_decided(self) -> None:
        """Let other workers read the decisions again."""
        self._run("note_decided", {})

    def keys_of(self, rids: Indices) -> dict[int, str]:
        """Return the record keys of numbers."""
        return dict(self._all("keys_of", {"rids": Int4s(rids)}))

    def conflicts(self, rids: Indices) -> list[tuple[str, ConflictState]]:
        """Return the open conflicts about records, with their ids."""
        return [(name, _CONFLICT.decode(payload)) for name, payload in self._all("conflicts", {"rids": Int4s(rids)})]

    def questioned_with(self, rids: Indices) -> Indices:
        """Return the records that open conflicts about these are about."""
        return np.array([row[0] for row in self._all("questioned_with", {"rids": Int4s(rids)})], np.int64)

    def forget_questions(self, conflicts: list[str]) -> None:
        """Forget which records conflicts are about."""
        self._run("forget_questions", {"conflicts": conflicts})

    def add_questions(self, rows: Sequence[tuple[int, str]]) -> None:
        """Note which records conflicts are about."""
        rids = Int4s(np.array([rid for rid, _ in rows], np.int64))
        self._run("add_questions", {"rids": rids, "conflicts": [name for _, name in rows]})

    def cover(self, looked_at: Indices, keys: Hashes, rids: Indices) -> None:
        """Replace the shield keys of the records looked at by these."""
        self._run("uncover", {"rids": Int4s(looked_at)})
        copy_columns(self.connection, QUERIES["copy_covered"], [keys, rids.astype(np.int32)])

    def reserve(self, rids: Indices) -> None:
        """Reserve records until the transaction ends, waiting for other workers."""
        self._run("reserve", {"rids": Int4s(rids)})

    def reserve_at_once(self, rids: Indices) -> None:
        """Reserve more records; raise psycopg's LockNotAvailable when another worker has one."""
        self._run("reserve_at_once", {"rids": Int4s(rids)})

    def still_incoming(self, rids: Indices) -> Indices:
        """Return which of these records are announced and not yet linked."""
        return np.array([row[0] for row in self._all("still_incoming", {"rids": Int4s(rids)})], np.int64)

    def incoming(self, rids: Indices) -> list[Content]:
        """Return what is announced of records and not linked yet."""
        return [Content._make(row) for row in self._all("incoming", {"rids": Int4s(rids)})]

    def neighbours(self, rids: Indices, least: int) -> Neighbours:
        """Return the neighbours of records with at least this weight."""
        return Neighbours.of(self._all("neighbours", {"rids": Int4s(rids), "least": least}))

    def delete_neighbours(self, rids: Indices, others: Indices, below: int) -> None:
        """Take rows away, in both directions, whose weight is below this."""
        rids, others = np.concatenate([rids, others]), np.concatenate([others, rids])
        self._run("delete_neighbours", {"rids": Int4s(rids), "others": Int4s(others), "below": below})

    def add_neighbours(self, rows: Neighbours) -> None:
        """Add rows."""
        copy_columns(self.connection, QUERIES["copy_neighbours"], [column.astype(np.int32) for column in rows])

    def records(self, rids: Indices) -> list[RecordRow]:
        """Return the rows of records, in order of number; those never linked have none."""
        return [RecordRow._make(row) for row in self._all("records", {"rids": Int4s(rids)})]

    def next_batch(self) -> int:
        """Draw a batch number; call it with all locks held."""
        return int(self._all("next_batch", {})[0][0])

    def delete_incoming(self, events: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
        """Take announcements back because they are linked; return record and event of each row there was."""
        rids = Int4s(np.array([rid for rid, _ in events], np.int64))
        return self._all("delete_incoming", {"rids": rids, "event_ids": [event_id for _, event_id in events]})

    def forget_announcement(self, rids: Indices) -> None:
        """Take back what this worker, and no other, has announced of these records."""
        self._run("forget_incoming", {"rids": Int4s(rids), "worker": self._worker})

    def advance(self, moves: Sequence[Move]) -> bool:
        """Move positions; tell whether all of them stood where they had to."""
        if not moves:
            return True
        names = "topics", "partitions", "expected", "next_offsets", "times"
        columns = map(list, zip(*moves, strict=True))
        return self._run("advance_positions", dict(zip(names, columns, strict=True))).rowcount == len(moves)

    def claim(self, model_id: str) -> MadeWith | None:
        """Take the tables for shared workers; return what they are made with, None while an owner holds them."""
        self._run("doubt_index", {})
        values = {"holder": HOLDER, "model_id": model_id, "fold_version": FOLD_VERSION}
        rows = self._all("claim_tables", values)
        return MadeWith(*rows[0]) if rows else None

    def positions(self, partitions: Sequence[tuple[str, int]]) -> Positions:
        """Return where partitions are to be read from on; those never read get 0 as position."""
        topics, numbers = [topic for topic, _ in partitions], [number for _, number in partitions]
        self._run("begin_partitions", {"topics": topics, "partitions": numbers})
        stored = {(topic, number): at for topic, number, at, _ in self.connection.execute(STAGE["read_positions"])}
        return {each: stored[each] for each in partitions}

    def paused(self) -> bool:
        """Tell whether linkage is paused."""
        return bool(self._all("owner_state", {})[0][0])

    def end_silent_workers(self) -> None:
        """End the sessions of workers that froze in the middle of a batch."""
        self._run("end_silent_workers", {"application": APPLICATION, "silent": self._silent})

    def _run(self, name: str, values: dict[str, Any]) -> psycopg.Cursor[TupleRow]:
        return self.connection.execute(QUERIES[name], values)

    def _all(self, name: str, values: dict[str, Any]) -> list[Any]:
        return self._run(name, values).fetchall()
