"""The whole line as its users run it: the command line in processes of their own, on real servers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from connectors.postgres import connect
from connectors.vault import KeyVault, RecordKeys, record_keys
from connectors.vault.record_keys import PURPOSE
from contactpoint.cli.app import app
from contactpoint.model_tools.memberships import memberships
from contactpoint.reviewing.walls import open_desks
from contactpoint.running.audit_parts import AuditParts, make_parts
from contactpoint.running.drain import wait_until_drained
from contactpoint.running.supervisor import (
    AUDIT_TRAIL,
    DIRECTORY,
    MATCHING,
    STAGES,
    StageCommand,
    Supervisor,
)
from contactpoint.world import WorldSettings, WorldSummary, simulate
from projections.digest import digest
from projections.registry import PROJECTIONS
from schemas.sealing import NONCE_BYTES, wrap
from schemas.settings import KafkaSettings, PostgresSettings, VaultSettings
from tests.factories.waiting import PATIENCE

KEK = b64encode(bytes(32)).decode()  # of tests alone
ARCHIVE_TIME = "2026-11-02T00:00:00"
DATABASE_SCHEMAS = ("matching", "projection", "directory", "sealed", "archive", "audit", "review")


def sealed(kafka: KafkaSettings, postgres: PostgresSettings) -> KafkaSettings:
    """Return the settings of a log whose vault is in this database."""
    return kafka.model_copy(update={"vault": VaultSettings(kek=SecretStr(KEK), dsn=postgres.dsn)})


def fix_record_keys(settings: VaultSettings) -> None:
    """Give an empty vault the secret of tests, which CONTACTPOINT_TEST_SECRET changes.

    Record keys, child numbers and every order by them follow from it: a chosen child is the same one in each run, and a
    child that the product errs about is found by running again under other secrets.
    """
    secret = sha256(os.environ.get("CONTACTPOINT_TEST_SECRET", "11").encode()).digest()
    with KeyVault(settings) as vault:
        vault._run("add_secret", PURPOSE, wrap(vault._kek, bytes(NONCE_BYTES), PURPOSE.encode(), secret))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run ended in."""

    memberships: dict[str, tuple[str, ...]]
    settled: dict[str, str]
    digests: dict[str, str]


@dataclass(slots=True)
class Line:
    """One Kafka and one database with every stage to run on them; `logs` holds a file a stage."""

    kafka: KafkaSettings
    postgres: PostgresSettings
    folder: Path
    shared: bool = False  # matching is done by a worker over shared tables, not by an owner

    def __post_init__(self) -> None:
        """Seal what this line publishes, as the local stack does."""
        self.kafka = sealed(self.kafka, self.postgres)
        assert self.kafka.vault is not None
        fix_record_keys(self.kafka.vault)
        if not self.trail_keys.exists():
            make_parts(self.trail_keys, self.folder / "audit" / "witness")

    @property
    def trail_keys(self) -> Path:
        """The folder of the keys of this line's trail of access; its witness is away."""
        return self.folder / "audit" / "log"

    def record_keys(self) -> RecordKeys:
        """Return the maker of the record keys that stand for the sources' own ids."""
        assert self.kafka.vault is not None
        return record_keys(self.kafka.vault)

    def env(self, **overrides: str) -> dict[str, str]:
        """Return the environment of a stage."""
        addresses = {
            "CONTACTPOINT_KAFKA": self.kafka.bootstrap_servers,
            "CONTACTPOINT_POSTGRES_DSN": self.postgres.dsn.get_secret_value(),
            "CONTACTPOINT_MATCHING_LEASE_SECONDS": "4",  # two owners under load took it from each other for ever at 1.5
            "CONTACTPOINT_KEK": KEK,
            "CONTACTPOINT_BY": "tester",
            "CONTACTPOINT_ORGANISATION": "bolton",
            "CONTACTPOINT_REASON": "to see that the line works",
            **AuditParts(self.trail_keys, "http://127.0.0.1:9").as_env(),
        }
        return {**os.environ, **addresses, **overrides}

    def world(self, children: int, seed: int = 5) -> WorldSummary:
        """Write a made-up world."""
        return simulate(WorldSettings(children=children, seed=seed), self.folder / f"world-{seed}-{children}")

    def start(self, *arguments: str, **overrides: str) -> subprocess.Popen[bytes]:
        """Start `contactpoint` with these arguments; its messages go to a log."""
        with (self.folder / f"{arguments[0]}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "contactpoint", *arguments], env=self.env(**overrides), stdout=log, stderr=log
            )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `contactpoint` with these arguments to its end."""
        command = [sys.executable, "-m", "contactpoint", *arguments]
        return subprocess.run(command, env=self.env(), capture_output=True, text=True, check=False, timeout=300)

    def ask(self, *arguments: str) -> Any:
        """Run a command with JSON output and return what it says; it must succeed."""
        done = self.run(*arguments, "--output", "json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def run_here(self, *arguments: str, **overrides: str) -> Result:
        """Run `contactpoint` in this process, which saves its start; an error is the result's `exception`."""
        return CliRunner().invoke(app, arguments, env=self.env(**overrides))

    def ask_here(self, *arguments: str, **overrides: str) -> Any:
        """Like `ask`, in this process."""
        done = self.run_here(*arguments, "--output", "json", **overrides)
        assert done.exit_code == 0, (done.output, done.exception)
        return json.loads(done.stdout)

    def logs(self) -> str:
        """Return the ends of what the stages and commands have said."""
        files = sorted([*(self.folder / "logs").glob("*.log"), *self.folder.glob("*.log")])
        return "\n".join(f"--- {each.name}\n{each.read_text(errors='replace')[-4000:]}" for each in files)

    def ingest(self, world: WorldSummary) -> None:
        """Ingest all feeds of a world, every record stamped with one time, so that two logs number children alike."""
        self.ask("feeds", "run", str(world.feeds_directory), "--ingested-at", ARCHIVE_TIME)

    def stages(self, commands: Sequence[StageCommand] = STAGES, **overrides: str) -> Supervisor:
        """Return a supervisor of the stages."""
        if self.shared:
            shared = StageCommand(MATCHING.name, (*MATCHING.arguments, "--shared"))
            commands = [shared if each is MATCHING else each for each in commands]
        return Supervisor(commands, self.env(**overrides), self.folder / "logs")

    def drain(self) -> None:
        """Wait until everything has gone all the way."""
        wait_until_drained(self.kafka, self.postgres, patience=PATIENCE)

    def outcome(self) -> Outcome:
        """Return memberships and digests as they stand."""
        with connect(self.postgres, autocommit=True) as connection:
            found = [digest(connection, each) for each in PROJECTIONS.values()]
            settled = {name: value for each in found for name, value in each.settled().items()}
            every = {table.table: table.sha256 for each in found for table in each.tables}
            return Outcome(memberships(connection), settled, every)

    def login(self, right: str) -> str:
        """Return the DSN of a login that is a member of this one of our roles and of nothing else."""
        owner = self.postgres.dsn.get_secret_value()
        name = f"{right}_of_{conninfo_to_dict(owner)['dbname']}"
        with connect(self.postgres, autocommit=True) as connection:
            if not connection.execute("select 1 from pg_roles where rolname = %s", [name]).fetchone():
                open_desks(self.postgres)
                make = sql.SQL("create role {} login password 'desk' in role {}")
                connection.execute(make.format(sql.Identifier(name), sql.Identifier(f"contactpoint_{right}")))
        return make_conninfo(owner, user=name, password="desk")

    def entries(self) -> list[dict[str, Any]]:
        """Return the entries of the trail of access, the first one first; nobody numbers them here."""
        with connect(self.postgres, autocommit=True) as connection:
            return [row[0] for row in connection.execute("select entry from audit.pending order by entry_id")]

    def drop_every_table(self) -> None:
        """Drop what all stages but ingest have in the database."""
        with connect(self.postgres, autocommit=True) as connection:
            for name in DATABASE_SCHEMAS:
                connection.execute(f"drop schema {name} cascade".encode())


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL a process, and wait for its end."""
    process.send_signal(signal.SIGKILL)
    process.wait()


__all__ = ["AUDIT_TRAIL", "DIRECTORY", "MATCHING", "Line", "Outcome", "kill"]
