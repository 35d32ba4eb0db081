"""The trail's key files: the log's signing key, the sealing key, and the witness's own, in a folder of its own.

`log.key`, `log.vkey` and `seal.key` are the sequencer's; `witness.key` is on the witness's machine and nowhere else;
the sequencer and every verifier have `witness.vkey`.
"""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from pathlib import Path

from projections.access.note import LOG, WITNESS, Kind, Signer, Verifier
from projections.access.sealing import SealingKey
from schemas.errors import ConfigurationError

ORIGIN = "contactpoint.example/audit"
WITNESS_NAME = "witness.example/contactpoint"


@dataclass(frozen=True, slots=True)
class LogKeys:
    """What the sequencer holds."""

    signer: Signer
    sealing: SealingKey
    witness: Verifier


def make_log_keys(folder: Path) -> Verifier:
    """Make the log's keys; return the public one. Raises ConfigurationError when there are keys already."""
    verifier = _make_signer(folder, "log", ORIGIN, LOG)
    _write(folder / "seal.key", base64.b64encode(os.urandom(32)).decode() + "\n", secret=True)
    return verifier


def make_witness_key(folder: Path) -> Verifier:
    """Make the witness's key; return the public one. Raises ConfigurationError when there is a key already."""
    return _make_signer(folder, "witness", WITNESS_NAME, WITNESS)


def trust_witness(folder: Path, witness: Verifier) -> None:
    """Let the log of this folder ask this witness."""
    _write(folder / "witness.vkey", witness.to_text() + "\n", secret=False)


def read_log_keys(folder: Path) -> LogKeys:
    """Read the sequencer's keys; raise ConfigurationError that names the file that is missing or wrong."""
    return LogKeys(
        read_signer(folder / "log.key"), SealingKey.read(folder / "seal.key"), read_verifier(folder / "witness.vkey")
    )


def read_signer(path: Path) -> Signer:
    """Read a private key."""
    return Signer.parse(_read(path))


def read_verifier(path: Path) -> Verifier:
    """Read a public key."""
    return Verifier.parse(_read(path))


def _make_signer(folder: Path, stem: str, name: str, kind: Kind) -> Verifier:
    signer = Signer(name, kind, os.urandom(32))
    _write(folder / f"{stem}.key", signer.to_text() + "\n", secret=True)
    _write(folder / f"{stem}.vkey", signer.verifier.to_text() + "\n", secret=False)
    return signer.verifier


def _write(path: Path, text: str, *, secret: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if secret else 0o644)
    except FileExistsError as error:
        message = f"{path} exists; a trail keeps its keys: move it away if you really want another"
        raise ConfigurationError(message) from error
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(text)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path}: cannot be read ({type(error).__name__}); make the keys with `contactpoint audit keys`"
        raise ConfigurationError(message) from error
