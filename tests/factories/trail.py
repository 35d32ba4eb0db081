"""An audit trail of access for tests: tables, keys, a sequencer, and a witness that keeps its own file."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from connectors.postgres import connect
from projections.access.deed import Deed, Shown, done
from projections.access.export import export_trail
from projections.access.keys import LogKeys, make_log_keys, make_witness_key, read_log_keys, read_signer, trust_witness
from projections.access.log import append, create_tables
from projections.access.sequencer import Sequencer
from projections.access.store import erase_keys
from projections.access.witness import Answer, Conflict, Witness, begin
from schemas.access import AccessEntry, Person
from schemas.errors import RejectedError
from schemas.settings import PostgresSettings

VERIFIER = Path(__file__).parents[2] / "deploy" / "verify_audit.py"


def entry(**changes: Any) -> AccessEntry:
    """Return an opening of a record by a nurse, with these changes."""
    common: dict[str, Any] = {
        "action": "opened",
        "decision": "permitted",
        "who": Person(user="u-1", role="nurse", organisation="RXX01", acr="AAL3", amr=("hwk",)),
        "purpose": "safeguarding",
        "child": "1P363AQQSXXVB",
        "fields": ("names", "birth_date"),
        "policy": "p1",
        "request": "r-1",
    }
    return AccessEntry(**{**common, **changes})


def make_keys(folder: Path) -> None:
    """Make `log/` and `witness/` with all keys, and the witness's empty state."""
    log = make_log_keys(folder / "log")
    trust_witness(folder / "log", make_witness_key(folder / "witness"))
    (folder / "witness" / "log.vkey").write_text(log.to_text() + "\n")
    begin(folder / "witness" / "witness.json", log)


@dataclass(slots=True)
class Trail:
    """Everything that keeps one trail."""

    settings: PostgresSettings
    folder: Path
    connection: psycopg.Connection[TupleRow]
    keys: LogKeys
    witness: Witness
    sequencer: Sequencer

    def record(self, entries: Sequence[AccessEntry]) -> list[int]:
        """Append entries in one transaction; return their receipts."""
        with self.connection.transaction():
            return append(self.connection, entries)

    def erase(self, *children: str) -> None:
        """Destroy the keys of these children, with the entry that says so."""
        with destroying(self.connection) as shown:
            shown.keys = erase_keys(self.connection, self.keys.sealing, children)

    def checkpoint(self, *, witnessed: bool = True) -> None:
        """Number all that is there, and sign it."""
        while self.sequencer.number():
            pass
        signed = self.sequencer.sign()
        if witnessed:
            self.sequencer.witness(signed)

    def verify(self, *options: str, seen: bool = True) -> str:
        """Export the trail and run the stand-alone verifier on it; return what it says."""
        export_trail(self.connection, self.folder / "export")
        if seen:
            (self.folder / "seen.note").write_text(self.witness.latest(), encoding="utf-8")
            options = (*options, "--seen", str(self.folder / "seen.note"))
        return run_verifier(self.folder, "trail", str(self.folder / "export"), *options)


def destroying(connection: psycopg.Connection[TupleRow]) -> AbstractContextManager[Shown]:
    """Do what destroys keys, as an erasure does it."""
    keeper = Person(user="retention-run", role="management_team", organisation="contactpoint")
    return done(connection, Deed("destroyed_keys", keeper, "retention-1", "erasure-erasure-1"))


def run_verifier(folder: Path, *arguments: str) -> str:
    """Run the verifier in a Python that cannot import the project; return its output."""
    keys = ["--log", str(folder / "log/log.vkey"), "--witness", str(folder / "witness/witness.vkey")]
    command = [sys.executable, "-P", str(VERIFIER), *arguments, *keys]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    assert result.returncode in {0, 1}, result.stderr
    return result.stdout.strip()


def in_process(witness: Witness) -> Callable[[bytes], Answer]:
    """Ask a witness without HTTP, with HTTP's outcomes."""

    def ask(body: bytes, /) -> Answer:
        reply = witness.add_checkpoint(body)
        if reply.status is HTTPStatus.CONFLICT:
            return Conflict(int(reply.body))
        if reply.status is not HTTPStatus.OK:
            raise RejectedError("trail_forked", reply.body)
        return reply.body

    return ask


@contextmanager
def open_trail(settings: PostgresSettings, folder: Path) -> Iterator[Trail]:
    """Yield a trail whose tables and keys are new."""
    create_tables(settings)
    make_keys(folder)
    keys = read_log_keys(folder / "log")
    signer = read_signer(folder / "witness" / "witness.key")
    witness = Witness(signer, keys.signer.verifier, folder / "witness" / "witness.json", lambda: 1_800_000_000)
    with connect(settings, autocommit=True) as connection:
        sequencer = Sequencer(connection, keys, in_process(witness))
        yield Trail(settings, folder, connection, keys, witness, sequencer)
