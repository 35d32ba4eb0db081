"""Around what leaves the directory (the approvals service makes it): keys and checks of releases, and reviews."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from contactpoint.cli.asking import at_desk
from contactpoint.cli.environment import addresses
from contactpoint.cli.options import Acting, OutputOption, grouped
from contactpoint.cli.output import Output, show
from schemas.errors import ConfigurationError

if TYPE_CHECKING:
    from projections.disclosures.desk import DisclosureDesk

release = typer.Typer()
disclose = typer.Typer()


def register(root: typer.Typer) -> None:
    """Add the groups to the root."""
    root.add_typer(release, name="release")
    root.add_typer(disclose, name="disclose")


@release.command("new-key")
def new_key(file: Path) -> None:
    """Make the key that signs manifests, in FILE, and its public half in FILE.pub."""
    from projections.exports.manifest import make_signing_key

    make_signing_key(file)
    show(Output.TABLE, {"private key": str(file), "public key": f"{file}.pub"})


@release.command("verify")
def verify(data: Path, manifest: Path, public_key: Path, output: OutputOption = Output.TABLE) -> None:
    """Check that DATA are those that MANIFEST was signed for with PUBLIC_KEY, and show what it says."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    from projections.exports.manifest import verify_manifest

    key = load_pem_public_key(_bytes(public_key))
    if not isinstance(key, Ed25519PublicKey):
        message = f"{public_key}: not an Ed25519 public key"
        raise ConfigurationError(message)
    show(output, dict(verify_manifest(_bytes(manifest), _bytes(data), key)))


@disclose.command("notices")
def notices(output: OutputOption = Output.TABLE) -> None:
    """List every disclosure for reviewers: references, never children."""
    names = ("disclosure", "made_at", "gateway", "authorised_by", "reviewed_by")
    with _desk() as desk:
        rows: list[dict[str, Any]] = [dict(zip(names, notice, strict=True)) for notice in desk.notices()]
    show(output, rows, "disclosures")


@disclose.command("review")
@grouped
def review(reference: str, *, who: Acting) -> None:
    """Note that you have looked at a disclosure."""
    with _desk() as desk:
        desk.review(reference, who.person("reviewer"), datetime.now(UTC))
    show(Output.TABLE, {"disclosure": reference, "reviewed_by": who.by})


@contextmanager
def _desk() -> Iterator[DisclosureDesk]:
    from connectors.postgres import act_as
    from projections.disclosures.desk import REVIEWER, DisclosureDesk

    with at_desk(addresses().postgres_settings()) as connection:
        act_as(connection, REVIEWER)
        yield DisclosureDesk(connection)


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        message = f"{file}: {error.strerror}"
        raise ConfigurationError(message) from None
