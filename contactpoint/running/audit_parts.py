"""The audit trail on one machine: keys and witness of the local stack, made the first time, beside its data.

A real trail has its witness elsewhere. Here both are in folders of the stack, so that all the parts run and can be
tried; whoever sets CONTACTPOINT_AUDIT_KEYS and CONTACTPOINT_AUDIT_WITNESS runs with a witness of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from contactpoint.running.supervisor import StageCommand
from contactpoint.stack.kafka import free_ports
from projections.access.keys import make_log_keys, make_witness_key, trust_witness
from projections.access.witness import begin

KEYS, WITNESS = "CONTACTPOINT_AUDIT_KEYS", "CONTACTPOINT_AUDIT_WITNESS"


@dataclass(frozen=True, slots=True)
class AuditParts:
    """Where the trail's keys and its witness are; `own_witness` is the folder of a witness that we run ourselves."""

    keys: Path
    witness: str
    own_witness: Path | None = None

    def as_env(self) -> dict[str, str]:
        """Return the environment variables under which the trail's keeper finds them."""
        return {KEYS: str(self.keys), WITNESS: self.witness}

    def commands(self) -> tuple[StageCommand, ...]:
        """Return what a supervisor has to run: the keeper, and the witness if it is ours."""
        keeper = StageCommand("access", ("audit", "run"))
        if self.own_witness is None:
            return (keeper,)
        port = self.witness.rpartition(":")[2]
        return StageCommand("witness", ("audit", "witness", str(self.own_witness), "--port", port)), keeper


def audit_parts(env: Mapping[str, str], stack: Path) -> AuditParts:
    """Return the parts that the environment names, or else those of the local stack, made where they are missing."""
    if env.get(KEYS) and env.get(WITNESS):
        return AuditParts(Path(env[KEYS]), env[WITNESS])
    folder = stack / "audit"
    keys, witness = folder / "log", folder / "witness"
    if not (witness / "port").is_file():
        make_parts(keys, witness)
        (witness / "port").write_text(f"{free_ports(1)[0]}\n", encoding="ascii")
    port = (witness / "port").read_text(encoding="ascii").strip()
    return AuditParts(keys, f"http://127.0.0.1:{port}", witness)


def make_parts(keys: Path, witness: Path) -> None:
    """Make a log's keys and a witness that has seen nothing of it yet; each gets the other's public key."""
    log = make_log_keys(keys)
    trust_witness(keys, make_witness_key(witness))
    (witness / "log.vkey").write_text(log.to_text() + "\n", encoding="ascii")
    begin(witness / "witness.json", log)
