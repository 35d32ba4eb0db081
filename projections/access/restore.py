"""Making the trail's tables again from the topic `access`: the log is the truth, and gives the same root.

The tables may hold a beginning of it, as those of a restored backup do. Keys are not on the topic: what was sealed can
be read again as far as `vault.audit_key` is still there. Entries that were never published are lost with the database;
the witness tells, for it has then seen more than the topic holds.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

import orjson

from connectors.postgres import wrap_errors
from projections.access.leaves import LeafRow
from projections.access.merkle import Frontier, leaf_hash
from projections.access.note import Verifier, open_note
from projections.access.relay import PublishedTrail
from projections.access.sql import QUERIES
from projections.access.store import Connection, add_leaves, read_tree
from schemas.access import Leaf, RecordedLeaf, SignedCheckpoint
from schemas.errors import FatalError, RejectedError

_DIFFERS = (
    "the {} entries here are no beginning of those that were published: some were numbered after the restore, or "
    "changed; export the trail, and restore the backup again"
)


def restore(connection: Connection, published: PublishedTrail, log: Verifier, witness: Verifier) -> int:
    """Write what the topic holds and the tables lack, in one transaction; return the number of entries.

    Entries that wait for a number get receipts that nobody has, unless they were published with theirs. Raises
    RejectedError when the tables hold another trail, FatalError when a checkpoint does not cover the entries.
    """
    _check(published, log)
    with wrap_errors(), connection.transaction():
        held = read_tree(connection, lock=True)
        before = Frontier().grow(leaf_hash(leaf.body.encode()) for leaf in published.leaves[: held.size])[0]
        if before != held:
            raise RejectedError("trail_differs", _DIFFERS.format(held.size))
        rows = [_row(leaf) for leaf in published.leaves[held.size :]]
        frontier, nodes = held.grow(row.leaf_hash for row in rows)
        add_leaves(connection, rows, frontier, nodes)
        for checkpoint in published.checkpoints:
            _add_checkpoint(connection, checkpoint, log, witness)
        numbered = [row.entry_id for row in rows]
        connection.execute(QUERIES["drop_numbered"], [numbered, [row.at for row in rows]])
        connection.execute(QUERIES["continue_receipts"])
        connection.execute(QUERIES["renumber_pending"], [numbered])
        newest = published.checkpoints[-1].size + 1 if published.checkpoints else 0
        connection.execute(QUERIES["move_relay"], [frontier.size, newest])
    return len(rows)


def _check(published: PublishedTrail, log: Verifier) -> None:
    frontier, at = Frontier(), 0
    for signed in published.checkpoints:
        checkpoint = open_note(signed.note, [log]).checkpoint
        frontier, _ = frontier.grow(leaf_hash(leaf.body.encode()) for leaf in published.leaves[at : checkpoint.size])
        at = checkpoint.size
        if (frontier.size, frontier.root()) != (checkpoint.size, checkpoint.root):
            raise FatalError(f"the topic's entries are not those of its checkpoint of {checkpoint.size}")


def _row(recorded: RecordedLeaf) -> LeafRow:
    leaf = Leaf.model_validate(orjson.loads(recorded.body))
    return LeafRow(
        leaf=recorded.leaf,
        entry_id=leaf.entry,
        at=leaf.time,
        user_id=leaf.who.user,
        mediator_id=leaf.mediator.user if leaf.mediator else None,
        action=leaf.action,
        decision=leaf.decision,
        request=leaf.request,
        key_ref=leaf.sealed.key if leaf.sealed else None,
        leaf_hash=leaf_hash(recorded.body.encode()),
        signature=base64.b64decode(recorded.signature),
        body=recorded.body,
    )


def _add_checkpoint(connection: Connection, signed: SignedCheckpoint, log: Verifier, witness: Verifier) -> None:
    opened = open_note(signed.note, [log, witness])
    body, _, lines = signed.note.partition("\n\n")
    own, *cosigned = lines.splitlines(keepends=True)
    connection.execute(QUERIES["add_checkpoint"], [signed.size, f"{body}\n\n{own}"])
    for line, time in zip(cosigned, _times(opened.signed_by), strict=False):
        row = {"size": signed.size, "witness": witness.name, "line": line, "time": time}
        connection.execute(QUERIES["add_cosignature"], row)


def _times(signed_by: Sequence[tuple[Verifier, int | None]]) -> list[int]:
    return [time for _, time in signed_by if time is not None]
