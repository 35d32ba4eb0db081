"""The sequencer: numbers committed entries, grows the tree, signs checkpoints and has them witnessed.

It runs beside the readers, so that none waits for another: see `sql/schema.sql`. One at a time numbers (the tree's row
is locked); a second waits. Before it builds on a tree that it did not write itself, it checks that the tree extends the
newest checkpoint which it had signed.
"""

from __future__ import annotations

from typing import Final, Protocol

import structlog

from connectors.postgres import wrap_errors
from projections.access.keys import LogKeys
from projections.access.leaves import make_leaf
from projections.access.merkle import Frontier, consistency_proof, verify_consistency
from projections.access.note import Checkpoint, Verifier, open_note, sign_checkpoint
from projections.access.sql import QUERIES
from projections.access.store import Connection, add_leaves, keys_for, read_pending, read_tree, stored_hashes
from projections.access.witness import Answer, Conflict, add_checkpoint_body, read_cosignature
from schemas.errors import FatalError, RejectedError

log = structlog.get_logger(__name__)

BATCH: Final = 2_000  # entries numbered in one transaction


class AskWitness(Protocol):
    """Sends the body of an add-checkpoint request and returns the answer; raises RetriableError."""

    def __call__(self, body: bytes, /) -> Answer:
        """Ask once."""
        ...


class Sequencer:
    """One connection in autocommit mode, used from one thread."""

    def __init__(self, connection: Connection, keys: LogKeys, ask_witness: AskWitness) -> None:
        self._connection = connection
        self._keys = keys
        self._ask = ask_witness
        self._known: Frontier | None = None
        self._witnessed = 0

    @property
    def origin(self) -> str:
        """The log's name."""
        return self._keys.signer.name

    def number(self) -> int:
        """Number the oldest committed entries in one transaction; return how many (fewer than BATCH: that was all)."""
        with wrap_errors(), self._connection.transaction():
            frontier = self._trusted(read_tree(self._connection, lock=True))
            pending = read_pending(self._connection, BATCH)
            if pending:
                keys = keys_for(self._connection, self._keys.sealing, pending)
                rows = [
                    make_leaf(frontier.size + at, each, key, self._keys.signer)
                    for at, (each, key) in enumerate(zip(pending, keys, strict=True))
                ]
                frontier, nodes = frontier.grow(row.leaf_hash for row in rows)
                add_leaves(self._connection, rows, frontier, nodes)
                self._connection.execute(QUERIES["delete_pending"], [[each.entry_id for each in pending]])
            if len(pending) < BATCH:
                self._connection.execute(QUERIES["beat_numbering"])
        self._known = frontier
        return len(pending)

    def sign(self) -> Checkpoint:
        """Sign the tree as it is now, and keep the checkpoint if the tree has grown."""
        with wrap_errors(), self._connection.transaction():
            frontier = self._trusted(read_tree(self._connection, lock=True))
            checkpoint = Checkpoint(self.origin, frontier.size, frontier.root())
            note = sign_checkpoint(checkpoint, self._keys.signer)
            self._connection.execute(QUERIES["add_checkpoint"], [checkpoint.size, note])
            self._connection.execute(QUERIES["beat_signing"])
        return checkpoint

    def witness(self, checkpoint: Checkpoint) -> None:
        """Have a checkpoint cosigned, with the proof that it extends what the witness has seen.

        Raises RetriableError when the witness is away: reads stop when the limit has passed. Raises RejectedError when
        it refuses: the trail was changed, forked or rolled back, a person has to look, and reads stop at once.
        """
        try:
            time, line = self._cosigned(checkpoint)
        except RejectedError as error:
            if error.code in {"trail_forked", "trail_rolled_back"}:
                with wrap_errors():
                    self._connection.execute(QUERIES["stop_reads"])
            raise
        row = {"size": checkpoint.size, "witness": self._keys.witness.name, "line": line, "time": time}
        with wrap_errors(), self._connection.transaction():
            self._connection.execute(QUERIES["add_cosignature"], row)
            self._connection.execute(QUERIES["beat_witness"])
        self._witnessed = checkpoint.size

    def _cosigned(self, checkpoint: Checkpoint) -> tuple[int, str]:
        """Return the time and the line of the witness's signature."""
        answer = self._ask(self._request(checkpoint))
        if isinstance(answer, Conflict) and answer.size <= checkpoint.size:
            self._witnessed = answer.size
            answer = self._ask(self._request(checkpoint))
        if isinstance(answer, Conflict):
            raise _refused(answer.size, checkpoint.size)
        return read_cosignature(checkpoint, answer, self._keys.witness), answer

    def _request(self, checkpoint: Checkpoint) -> bytes:
        with wrap_errors():
            proof = consistency_proof(stored_hashes(self._connection), self._witnessed, checkpoint.size)
        return add_checkpoint_body(self._witnessed, proof, sign_checkpoint(checkpoint, self._keys.signer))

    def _trusted(self, frontier: Frontier) -> Frontier:
        if frontier != self._known:
            check_own_checkpoint(self._connection, frontier, self._keys.signer.verifier)
            self._known = frontier
        return frontier


def _refused(seen: int, size: int) -> RejectedError:
    if seen > size:
        message = f"the witness has seen {seen} entries and the trail has {size}: it was rolled back"
        return RejectedError("trail_rolled_back", message)
    return RejectedError("trail_forked", f"the witness has seen another trail of {seen} entries: this one is a fork")


def check_own_checkpoint(connection: Connection, frontier: Frontier, verifier: Verifier) -> None:
    """Raise FatalError unless the stored tree extends the newest stored checkpoint that this key has signed."""
    row = connection.execute(QUERIES["newest_checkpoint"]).fetchone()
    if row is None:
        return
    try:
        last = open_note(row[1], [verifier]).checkpoint
        proof = consistency_proof(stored_hashes(connection), last.size, frontier.size)
        extends = verify_consistency(last.size, last.root, frontier.size, frontier.root(), proof)
    except (RejectedError, ValueError):
        extends = False
    if not extends:
        message = f"the audit trail does not extend its own checkpoint of {row[0]} entries: verify it before going on"
        raise FatalError(message)
