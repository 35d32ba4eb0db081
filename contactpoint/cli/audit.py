"""`contactpoint audit`: keep the trail of access, prove it, search it, report from it, watch how accounts are used."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connectors.postgres import act_as, connect
from contactpoint.cli.environment import addresses, sound_number, stack_config, stage_environment
from contactpoint.cli.options import Acting, OutputOption, ReasonOption, grouped, in_utc, sound_reason
from contactpoint.cli.output import Output, console, show
from contactpoint.running.audit_parts import AuditParts, audit_parts, make_parts
from projections.access.deed import new_request
from schemas.errors import ConfigurationError

if TYPE_CHECKING:
    from projections.access.reader import Found, TrailReader, Wanted
    from projections.base import Rows

app = typer.Typer(no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add the group to the root."""
    from contactpoint.cli import watch

    watch.register(app)
    root.add_typer(app, name="audit")


@app.command("keys")
def keys_command(
    keys: Annotated[Path, typer.Argument(help="Folder of the log's keys, made here.")],
    witness: Annotated[Path, typer.Argument(help="Folder for the witness: move it to the witness's machine.")],
) -> None:
    """Make the keys of a log and of its witness, once."""
    make_parts(keys, witness)
    show(Output.TABLE, {"log": str(keys), "witness": str(witness), "public keys": "log.vkey, witness.vkey"})


@app.command("run")
def run_command() -> None:
    """Keep the trail until told to stop: number, sign, have witnessed, stamp, publish."""
    from projections.access.__main__ import run
    from projections.access.settings import AuditSettings

    run(AuditSettings.from_env({**stage_environment(), **_parts().as_env()}))


@app.command("witness")
def witness_command(
    folder: Annotated[Path, typer.Argument(help="The witness's folder, made by `audit keys`.")],
    port: Annotated[int, typer.Option(help="Port on the loopback interface.")] = 8701,
) -> None:
    """Be the witness until told to stop: cosign checkpoints that extend what was seen, and no others."""
    from projections.access.witness_server import serve

    serve(folder, port)


@app.command("checkpoint")
def checkpoint_command() -> None:
    """Print the newest checkpoint with the signatures of the log and the witness."""
    from projections.access.export import newest_checkpoint

    with connected() as connection:
        typer.echo(newest_checkpoint(connection), nl=False)


@app.command("export")
def export_command(
    folder: Annotated[Path, typer.Argument(help="Folder for trail.jsonl and checkpoints.jsonl.")],
) -> None:
    """Write the whole trail for an outsider and `deploy/verify_audit.py`. What it says of children stays sealed."""
    from projections.access.export import export_trail

    with connected() as connection:
        count = export_trail(connection, folder)
    show(Output.TABLE, {"entries": count, "folder": str(folder)})


@app.command("proof")
def proof_command(
    entry: Annotated[int, typer.Argument(help="The entry's number: its receipt.")],
    folder: Annotated[Path, typer.Argument(help="Folder for the proof (ENTRY.tlog-proof) and the entry (ENTRY.json).")],
) -> None:
    """Prove that one entry is in the trail; `deploy/verify_audit.py proof` checks it offline."""
    from projections.access.export import prove_entry

    with connected() as connection:
        found = prove_entry(connection, entry)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{entry}.tlog-proof").write_text(found.proof, encoding="utf-8")
    (folder / f"{entry}.json").write_text(found.body, encoding="utf-8")
    show(Output.TABLE, {"leaf": found.leaf, "proof": str(folder / f"{entry}.tlog-proof")})


@app.command("verify")
def verify_command(
    copy: Annotated[Path | None, typer.Option(help="An older trail.jsonl, to find a fork to the leaf.")] = None,
) -> None:
    """Verify the trail by the stand-alone verifier, the witness's word and the log's orders. Status 1: it is broken."""
    from projections.access.export import export_trail, newest_checkpoint
    from projections.access.note import checkpoint_of

    parts = _parts()
    with tempfile.TemporaryDirectory() as folder, connected() as connection:
        said = _seen(parts.witness)
        if not checkpoint_of(said).size:
            newest_checkpoint(connection)  # raises where the trail is too young to be verified
        seen = Path(folder) / "seen.note"
        seen.write_text(said, encoding="utf-8")  # before the export: the trail only grows
        export_trail(connection, Path(folder))
        command = [sys.executable, str(_verifier()), "trail", folder, "--seen", str(seen)]
        command += ["--log", str(parts.keys / "log.vkey"), "--witness", str(parts.keys / "witness.vkey")]
        command += [] if copy is None else ["--copy", str(copy)]
        status = subprocess.run(command, check=False).returncode
        wrong = [] if status else _wrong(connection, parts.keys / "seal.key", Path(folder) / "keys.txt")
    for each in wrong:
        console.print(each, soft_wrap=True, highlight=False)
    if status or wrong:
        raise typer.Exit(status or 1)


def _wrong(connection: Rows, seal: Path, keys: Path) -> list[str]:
    """Return what an outsider cannot see: columns and keys that are not as the entries say, or as the log ordered."""
    from contactpoint.erasing.keeper import KeeperSettings
    from contactpoint.erasing.ordered import misplaced
    from projections.access.export import misindexed, miskeyed
    from projections.access.sealing import SealingKey

    said = {
        "misindexed: the columns that searches go by are not what it says": misindexed(connection),
        "miskeyed: the table of keys gives it to another child than it says": miskeyed(
            connection, SealingKey.read(seal)
        ),
    }
    years = KeeperSettings.from_env(os.environ).query_years
    listed = keys.read_text(encoding="ascii").split()
    found = misplaced(connection, addresses().kafka_settings(), listed, years)
    return [f"FIRST BAD LEAF {leaf}: {how}" for how, leaf in said.items() if leaf is not None] + [
        f"BAD LEAF {'-' if each.leaf is None else each.leaf}: {each.detail}" for each in found
    ]


@dataclass(frozen=True, kw_only=True)
class Sought:
    """The options that say which entries are sought."""

    child: Annotated[list[str] | None, typer.Option("--child", help="A child number; repeat for more.")] = None
    user: Annotated[str | None, typer.Option(help="An account.", show_default=False)] = None
    since: Annotated[datetime | None, typer.Option(help="From this time on (UTC).", show_default=False)] = None
    until: Annotated[datetime | None, typer.Option(help="Before this time (UTC).", show_default=False)] = None
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 200

    def wanted(self) -> Wanted:
        """Return them as the reader takes them."""
        from projections.access.reader import Wanted

        children = tuple(map(sound_number, self.child)) if self.child else None
        return Wanted(self.user, children, None, in_utc(self.since), in_utc(self.until), self.limit)


@app.command("search")
@grouped
def search_command(
    who: Acting,
    sought: Sought,
    *,
    reason: ReasonOption,
    fhir: Annotated[bool, typer.Option("--fhir", help="As FHIR R4 AuditEvents, a Bundle.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Search the trail, newest first. That you looked, and for what, is an entry too."""
    from projections.access.fhir import audit_event

    with reading() as reader:
        found = reader.search(sought.wanted(), who.person("auditor"), sound_reason(reason), new_request())
    if len(found) == sought.limit:
        typer.echo(f"the newest {sought.limit}: there may be more (--limit, or --until an earlier time)", err=True)
    if fhir:
        entries = [{"resource": audit_event(each.leaf, each.secret)} for each in found]
        show(Output.JSON, {"resourceType": "Bundle", "type": "collection", "entry": entries})
        return
    show(output, [_row(each) for each in found], "entries")


@app.command("report")
@grouped
def report_command(
    numbers: Annotated[list[str], typer.Argument(help="A number of the child; those that it had before are found.")],
    who: Acting,
    *,
    reason: ReasonOption,
    output: OutputOption = Output.TABLE,
) -> None:
    """Make the report for a child or parent: who looked, when, why. It gives no place and no sensitive service away."""
    children = [sound_number(each) for each in numbers]
    with reading() as reader:
        lines = reader.report(children, who.person("management_team"), sound_reason(reason), new_request())
    show(output, [asdict(line) for line in lines], "who looked")


@app.command("restore")
def restore_command() -> None:
    """Make the trail's tables again from the topic `access`, after the database was lost or an older one restored."""
    from projections.access.keys import read_verifier
    from projections.access.log import create_tables
    from projections.access.relay import read_published
    from projections.access.restore import restore

    where, keys = addresses(), _parts().keys
    create_tables(where.postgres_settings())
    published = read_published(where.kafka_settings())
    with connected(role=None) as connection:
        count = restore(connection, published, read_verifier(keys / "log.vkey"), read_verifier(keys / "witness.vkey"))
    show(Output.TABLE, {"entries": count, "checkpoints": len(published.checkpoints)})


def _parts() -> AuditParts:
    return audit_parts(os.environ, stack_config().folder)


@contextmanager
def connected(role: str | None = "contactpoint_auditor") -> Iterator[Rows]:
    """Yield a connection to the database in use that has the rights of this role (None: the login's own)."""
    with connect(addresses().postgres_settings(), autocommit=True) as connection:
        if role is not None:
            act_as(connection, role)
        yield connection


@contextmanager
def reading() -> Iterator[TrailReader]:
    """Yield a reader of the trail, with the sealing key in use."""
    from projections.access.reader import TrailReader
    from projections.access.sealing import SealingKey

    with connected() as connection:
        yield TrailReader(connection, SealingKey.read(_parts().keys / "seal.key"))


def _row(found: Found) -> dict[str, Any]:
    leaf, secret = found.leaf, found.secret
    return {
        "leaf": leaf.leaf,
        "time": leaf.time.isoformat(timespec="seconds"),
        "who": leaf.who.user + (f" through {leaf.mediator.user}" if leaf.mediator else ""),
        "for": leaf.who.organisation,
        "action": leaf.action,
        "decision": leaf.refusal or leaf.decision,
        "purpose": leaf.purpose,
        "child": "(erased)" if secret is None else secret.get("child"),
        "query": None if secret is None else secret.get("query"),
        "reason": None if secret is None else secret.get("reason"),
    }


def _seen(witness: str) -> str:
    from projections.access.witness_server import HttpWitness

    return HttpWitness(witness).latest()


def _verifier() -> Path:
    path = Path(__file__).parents[2] / "deploy" / "verify_audit.py"
    if not path.is_file():
        raise ConfigurationError("deploy/verify_audit.py is not here: run it from a clone, on `audit export`'s folder")
    return path
