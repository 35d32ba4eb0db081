"""What leaves the directory: `contactpoint release` (bulk, for statistics and research) and `contactpoint disclose`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connectors.toml_file import read_toml
from contactpoint.cli.asking import at_desk
from contactpoint.cli.environment import addresses
from contactpoint.cli.options import Acting, OutputOption, grouped
from contactpoint.cli.output import Output, show
from schemas.errors import ConfigurationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from projections.base import Rows
    from projections.disclosures.rules import Ask

release = typer.Typer()
disclose = typer.Typer()

KeyFile = Annotated[Path, typer.Option("--key", help="PEM file with the Ed25519 key (made by `release new-key`).")]


def register(root: typer.Typer) -> None:
    """Add the groups to the root."""
    root.add_typer(release, name="release")
    root.add_typer(disclose, name="disclose")


@release.command("new-key")
def new_key(file: Path) -> None:
    """Make the key that signs manifests, in FILE, and its public half in FILE.pub."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    try:
        file.touch(mode=0o600, exist_ok=False)
    except OSError as error:
        message = f"{file}: {error.strerror}"
        raise ConfigurationError(message) from None
    file.write_bytes(private)
    file.with_name(file.name + ".pub").write_bytes(public)
    show(Output.TABLE, {"private key": str(file), "public key": f"{file}.pub"})


@release.command("open-project")
@grouped
def open_project(name: str, *, purpose: str, recipient: str, who: Acting) -> None:
    """Open a project with a pseudonym key of its own. PURPOSE is statistics or research."""
    from projections.exports.desk import ReleaseDesk
    from projections.exports.specification import purpose_of

    with _connection() as connection:
        ReleaseDesk(connection).open_project(name, purpose_of(purpose), recipient, who.person("statistician"))
    show(Output.TABLE, {"project": name, "recipient": recipient})


@release.command("request")
@grouped
def request(spec: Path, *, who: Acting) -> None:
    """Check the release that the TOML file SPEC asks for; says why it is refused, or the reference to approve.

    SPEC holds such lines:

    project = "NAME"

    kind = "counts"

    columns = ["sex", "age_five_years"]

    as_of = 2026-11-28

    expires = 2027-02-28

    The other kind is "records". Wrong columns are answered with those there are.
    """
    from projections.exports.desk import ReleaseDesk
    from projections.exports.specification import ReleaseSpec

    asked = read_toml(spec, ReleaseSpec)
    with _connection() as connection:
        reference = ReleaseDesk(connection).request(asked, who.person("statistician"))
    show(Output.TABLE, {"release": reference, "next": "two other people approve it"})


@release.command("approve")
@grouped
def approve(reference: str, *, who: Acting) -> None:
    """Approve a release that somebody else asked for."""
    from projections.exports.desk import ReleaseDesk

    with _connection() as connection:
        approvals = ReleaseDesk(connection).approve(reference, who.person("output_checker"))
    show(Output.TABLE, {"release": reference, "approvals": approvals})


@release.command("make")
@grouped
def make(reference: str, folder: Path, *, key: KeyFile, who: Acting) -> None:
    """Write an approved release and its signed manifest into FOLDER; works once."""
    from projections.exports.desk import ReleaseDesk

    signer = _private_key(key)
    folder.mkdir(parents=True, exist_ok=True)
    with _connection() as connection:
        made = ReleaseDesk(connection).release(reference, who.person("statistician"), _today(), signer)
    (folder / f"{reference}.csv").write_bytes(made.data)
    (folder / f"{reference}.manifest.json").write_bytes(made.manifest)
    show(Output.TABLE, {"data": str(folder / f"{reference}.csv"), "manifest": f"{folder / reference}.manifest.json"})


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


@release.command("destroy-key")
@grouped
def destroy_key(project: str, *, who: Acting) -> None:
    """End a project: destroy its pseudonym key, so that nobody can say any more whom its pseudonyms mean."""
    from projections.exports.desk import ReleaseDesk

    with _connection() as connection:
        ReleaseDesk(connection).destroy_key(project, who.person("statistician"))
    show(Output.TABLE, {"project": project, "key": "destroyed"})


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The options that say what is to be disclosed, to whom and why."""

    gateway: Annotated[str, typer.Option(help="court_order, crime, section_47 or child_death")]
    recipient: Annotated[str, typer.Option(help="Who is to get it: an organisation's code.")]
    item: Annotated[list[str], typer.Option("--item", help="An item to disclose; repeat for more.")]
    proportionality: Annotated[str, typer.Option(help="least_that_serves, ordered_items or urgent_risk")]
    requested_by: Annotated[str, typer.Option("--requested-by", help="The account that asked: another one.")]
    views_sought: Annotated[bool, typer.Option("--views-sought", help="The child's or parent's views were sought.")] = (
        False
    )

    def about(self, child: str) -> Ask:
        """Return them as the desk takes them, about this child."""
        from projections.disclosures.rules import Ask

        asks = (self.gateway, self.recipient, tuple(self.item), self.proportionality)
        return Ask(child, *asks, self.views_sought, self.requested_by)


@disclose.command("authorise")
@grouped
def authorise(
    child_number: str,
    asked: Asked,
    who: Acting,
    days: Annotated[int, typer.Option(help="For how many days it may be used, once.")] = 7,
) -> None:
    """Authorise one disclosure about one child."""
    from projections.disclosures.desk import AUTHORISER, DisclosureDesk

    now = datetime.now(UTC)
    with _connection(AUTHORISER) as connection:
        until = now + timedelta(days=days)
        reference = DisclosureDesk(connection).authorise(
            asked.about(child_number), who.person("authoriser"), now, until
        )
    show(Output.TABLE, {"disclosure": reference, "until": until})


@disclose.command("make")
@grouped
def make_disclosure(reference: str, *, who: Acting) -> None:
    """Print, as JSON, the authorised items of the child; works once, and a reviewer is told."""
    from projections.disclosures.desk import DISCLOSER, DisclosureDesk

    with _connection(DISCLOSER) as connection:
        told = DisclosureDesk(connection).disclose(reference, who.person("discloser"), datetime.now(UTC))
    show(Output.JSON, told)


@disclose.command("notices")
def notices(output: OutputOption = Output.TABLE) -> None:
    """List every disclosure for reviewers: references, never children."""
    from projections.disclosures.desk import REVIEWER, DisclosureDesk

    names = ("disclosure", "made_at", "gateway", "authorised_by", "reviewed_by")
    with _connection(REVIEWER) as connection:
        rows: list[dict[str, Any]] = [
            dict(zip(names, notice, strict=True)) for notice in DisclosureDesk(connection).notices()
        ]
    show(output, rows, "disclosures")


@disclose.command("review")
@grouped
def review(reference: str, *, who: Acting) -> None:
    """Note that you have looked at a disclosure."""
    from projections.disclosures.desk import REVIEWER, DisclosureDesk

    with _connection(REVIEWER) as connection:
        DisclosureDesk(connection).review(reference, who.person("reviewer"), datetime.now(UTC))
    show(Output.TABLE, {"disclosure": reference, "reviewed_by": who.by})


@contextmanager
def _connection(role: str = "contactpoint_exporter") -> Iterator[Rows]:
    """Yield a connection with this role's rights, to a database with the tables of the desks and of the audit trail."""
    from connectors.postgres import act_as
    from projections.disclosures import desk as disclosures
    from projections.exports import desk as exports

    settings = addresses().postgres_settings()
    with at_desk(settings) as connection:
        exports.prepare(settings)
        disclosures.prepare(settings)
        act_as(connection, role)
        yield connection


def _private_key(file: Path) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(_bytes(file), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        message = f"{file}: not an Ed25519 private key in PEM; `contactpoint release new-key FILE` makes one"
        raise ConfigurationError(message)
    return key


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        message = f"{file}: {error.strerror}"
        raise ConfigurationError(message) from None


def _today() -> date:
    return datetime.now(UTC).date()
