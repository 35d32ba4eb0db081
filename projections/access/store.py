"""The trail's tables as the sequencer and the readers use them: keys, leaves, nodes, the tree, checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import psycopg
from psycopg.rows import TupleRow

from projections.access.leaves import ChildKey, LeafRow, Pending
from projections.access.merkle import Fetch, Frontier, Node, fetch_from
from projections.access.sealing import SealingKey
from projections.access.sql import QUERIES
from schemas.errors import FatalError

Connection = psycopg.Connection[TupleRow]


def read_tree(connection: Connection, *, lock: bool = False) -> Frontier:
    """Return the tree's frontier; with `lock` until the transaction ends, so that one sequencer at a time numbers."""
    row = connection.execute(QUERIES["lock_tree" if lock else "read_tree"]).fetchone()
    try:
        return Frontier.from_bytes(row[0], bytes(row[1])) if row else Frontier()
    except ValueError as error:
        raise FatalError("the audit trail's tree row is damaged; verify the trail") from error


def read_pending(connection: Connection, limit: int) -> list[Pending]:
    """Return the oldest committed entries without a number."""
    return [Pending(*row) for row in connection.execute(QUERIES["read_pending"], [limit])]


def keys_for(connection: Connection, sealing: SealingKey, pending: Sequence[Pending]) -> list[ChildKey | None]:
    """Return the key that seals each entry, made where it is missing.

    It is the child's, or the month's for a search that found no child. None: nothing to seal, or the child is erased.
    """
    children = sorted({each.child for each in pending if each.child is not None})
    keys = _child_keys(connection, sealing, children)
    months = {
        month: _month_key(connection, sealing, month)
        for month in {_month(each) for each in pending if each.child is None and each.has_secret()}
    }
    found: list[ChildKey | None] = []
    for each in pending:
        if each.child is not None:
            found.append(keys.get(each.child))
        else:
            found.append(months[_month(each)] if each.has_secret() else None)
    return found


def add_leaves(connection: Connection, rows: Sequence[LeafRow], frontier: Frontier, nodes: Sequence[Node]) -> None:
    """Write numbered leaves, the nodes that they complete, and the tree as it is then."""
    with connection.cursor().copy(QUERIES["copy_entries"]) as copy:
        for row in rows:
            copy.write_row(row)
    if nodes:
        levels, indexes, hashes = (list(column) for column in zip(*nodes, strict=True))
        connection.execute(QUERIES["add_nodes"], [levels, indexes, hashes])
    connection.execute(QUERIES["move_tree"], [frontier.size, frontier.to_bytes()])


def stored_hashes(connection: Connection) -> Fetch:
    """Return a Fetch for proofs over the stored leaves and nodes; FatalError when some are missing."""

    def stored(level: int, first: int, count: int) -> list[bytes]:
        """Return consecutive hashes of one level; raise when one is missing."""
        name = "read_nodes" if level else "read_leaf_hashes"
        rows = connection.execute(QUERIES[name], {"level": level, "first": first, "count": count}).fetchall()
        if len(rows) != count:
            message = f"the audit trail lacks hashes of level {level} from {first}: verify it, and restore the database"
            raise FatalError(message)
        return [bytes(row[0]) for row in rows]

    return fetch_from(stored)


def _month(pending: Pending) -> date:
    return pending.at.date().replace(day=1)


def _child_keys(connection: Connection, sealing: SealingKey, children: Sequence[str]) -> dict[str, ChildKey]:
    if not children:
        return {}
    rows = connection.execute(QUERIES["read_child_keys"], [list(children)]).fetchall()
    missing = sorted(set(children) - {row[0] for row in rows})
    if missing:
        erased = _still_erased(connection, sealing, missing)
        new = [child for child in missing if child not in erased]
        rows += connection.execute(QUERIES["add_child_keys"], [new, [sealing.new_wrapped() for _ in new]]).fetchall()
    return {child: ChildKey(ref, sealing.unwrap(bytes(wrapped))) for child, ref, wrapped in rows}


def _still_erased(connection: Connection, sealing: SealingKey, children: Sequence[str]) -> set[str]:
    """Return which of these children are erased, and forget it of one that came back: a source speaks of it anew.

    An erasure destroys the keys here only when the directory has forgotten the child, so a number in use is a new life.
    """
    tags = {sealing.tag(child): child for child in children}
    erased = {tags[bytes(row[0])] for row in connection.execute(QUERIES["read_erased"], [list(tags)])}
    there = connection.execute(QUERIES["knows_children"]).fetchone() if erased else None
    if there and there[0]:
        back = {row[0] for row in connection.execute(QUERIES["in_use"], [list(erased)])}
        connection.execute(QUERIES["forget_erased"], [[sealing.tag(child) for child in back]])
        erased -= back
    return erased


def _month_key(connection: Connection, sealing: SealingKey, month: date) -> ChildKey:
    row = connection.execute(QUERIES["read_month_key"], [month]).fetchone()
    if row is None:
        row = connection.execute(QUERIES["add_month_key"], [month, sealing.new_wrapped()]).fetchone()
    if row is None:
        raise FatalError("the key of the month could not be made")
    return ChildKey(row[0], sealing.unwrap(bytes(row[1])))


def has_queries(connection: Connection, before: date) -> bool:
    """Tell whether there are keys of months that ended before this day."""
    row = connection.execute(QUERIES["has_months"], [before.replace(day=1)]).fetchone()
    return bool(row and row[0])


def queries_request(before: date) -> str:
    """Return by which name an entry says that it ends the keys of months before this day."""
    return f"queries-before-{before:%Y-%m}"


def forget_queries(connection: Connection, before: date) -> list[str]:
    """Destroy the keys of months that ended before this day: what searches that found no child asked in them.

    Returns which they were, for the entry that has to say so in the same transaction.
    """
    return [row[0] for row in connection.execute(QUERIES["forget_months"], [before.replace(day=1)])]


def erase_keys(connection: Connection, sealing: SealingKey, children: Sequence[str]) -> list[str]:
    """Destroy the keys of these children in the caller's transaction; return which, for the entry that has to say so.

    What the trail says about them is unreadable from then on, and later entries about them are not sealed but left out.
    """
    connection.execute(QUERIES["remember_erased"], [[sealing.tag(child) for child in children]])
    return [row[0] for row in connection.execute(QUERIES["erase_keys"], [list(children)])]
