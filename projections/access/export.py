"""What an outsider takes away, for `deploy/verify_audit.py`: the whole trail as files, or the proof of one entry."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

import orjson

from connectors.postgres import wrap_errors
from projections.access.merkle import inclusion_proof
from projections.access.note import checkpoint_of, format_proof
from projections.access.sealing import SealingKey, unseal
from projections.access.sql import QUERIES
from projections.access.stamps import stamped
from projections.access.store import Connection, stored_hashes
from schemas.errors import ConfigurationError, RejectedError, RetriableError


@dataclass(frozen=True, slots=True)
class EntryProof:
    """An entry's canonical text, and the proof that it is in the witnessed tree (c2sp.org/tlog-proof@v1)."""

    leaf: int
    body: str
    proof: str


def export_trail(connection: Connection, folder: Path) -> int:
    """Write `trail.jsonl`, `checkpoints.jsonl`, `keys.txt` and `stamps/` of one moment; return the number of entries.

    `keys.txt` names the keys that seal entries and are there, or whose end is an entry without a number yet.
    A stamp is two files, for `openssl ts -verify -data SIZE.note -in SIZE.tsr -CAfile ROOT`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    with wrap_errors(), connection.transaction():
        connection.execute("set transaction isolation level repeatable read read only")
        with connection.cursor(name="trail") as cursor, (folder / "trail.jsonl").open("wb") as file:
            cursor.itersize = 5_000
            for leaf, body, signature in cursor.execute(QUERIES["export_entries"]):
                line = {"leaf": leaf, "body": body, "signature": base64.b64encode(signature).decode()}
                file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
                count += 1
        with connection.cursor(name="keys") as cursor, (folder / "keys.txt").open("w", encoding="ascii") as file:
            file.writelines(f"{ref}\n" for (ref,) in cursor.execute(QUERIES["export_keys"]))
        with (folder / "checkpoints.jsonl").open("wb") as file:
            for size, note in connection.execute(QUERIES["export_checkpoints"]):
                file.write(orjson.dumps({"size": size, "note": note}, option=orjson.OPT_APPEND_NEWLINE))
        for size, note, response in connection.execute(QUERIES["export_stamps"]):
            (folder / "stamps").mkdir(exist_ok=True)
            (folder / "stamps" / f"{size}.note").write_bytes(stamped(note))
            (folder / "stamps" / f"{size}.tsr").write_bytes(response)
    return count


def misindexed(connection: Connection) -> int | None:
    """Return the first leaf whose columns, which searches and reports go by, say other than its body; None if none."""
    with wrap_errors():
        row = connection.execute(QUERIES["misindexed"]).fetchone()
    return None if row is None else row[0]


def miskeyed(connection: Connection, sealing: SealingKey) -> int | None:
    """Return the first leaf that the table of keys gives to another child than its sealed part does; None if none.

    A search or report by child goes by that table.
    """
    with wrap_errors():
        rows = connection.execute(QUERIES["first_of_each_key"]).fetchall()
    return min((leaf for leaf, *one in rows if not _is_of(sealing, *one)), default=None)


def _is_of(sealing: SealingKey, entry_id: int, box: str, child: str | None, wrapped: bytes) -> bool:
    try:
        return unseal(sealing.unwrap(bytes(wrapped)), entry_id, box).get("child") == child
    except (RejectedError, ConfigurationError):
        return False


def witnessed(connection: Connection) -> int:
    """Return how many entries the newest checkpoint covers that the witness has signed; 0 where there is none."""
    newest = _newest(connection)
    return 0 if newest is None else newest[0]


def newest_checkpoint(connection: Connection) -> str:
    """Return the newest checkpoint with the log's signature and the witness's; RetriableError when there is none."""
    newest = _newest(connection)
    if newest is None:
        raise RetriableError("no checkpoint has been witnessed yet: try again in some seconds")
    return newest[1]


def prove_entry(connection: Connection, entry_id: int) -> EntryProof:
    """Prove the entry of this receipt; RejectedError when it is not in the trail, RetriableError when it is too new."""
    with wrap_errors():
        row = connection.execute(QUERIES["read_entry"], [entry_id]).fetchone()
        if row is None:
            raise RejectedError("entry_unknown", f"entry {entry_id} is not in the trail")
        note = newest_checkpoint(connection)
        size = checkpoint_of(note).size
        if row[0] >= size:
            raise RetriableError("no checkpoint covers this entry yet: try again in some seconds")
        path = inclusion_proof(stored_hashes(connection), row[0], size)
    return EntryProof(row[0], row[1], format_proof(row[0], path, note))


def _newest(connection: Connection) -> tuple[int, str] | None:
    """Return the newest witnessed checkpoint: how many entries it covers, and its note."""
    with wrap_errors():
        return connection.execute(QUERIES["newest_witnessed"]).fetchone()
