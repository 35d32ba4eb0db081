"""Commands of the approvals service: serve it, and show its contract."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import orjson
import typer

from contactpoint.cli.options import grouped
from contactpoint.cli.serving import Listening, Provider, print_requests, serve_until_told, service_login

app = typer.Typer(no_args_is_help=True)

SigningKey = Annotated[
    Path, typer.Option(help="Ed25519 key that signs manifests, PEM (made by `release new-key`).", show_default=False)
]


def register(root: typer.Typer) -> None:
    """Add the group to the root."""
    root.add_typer(app, name="approvals")


@app.command("serve")
@grouped
def serve_command(provider: Provider, at: Listening, signing_key: SigningKey) -> None:
    """Serve disclosures and releases, by people who logged in at most five minutes ago, until told to stop (SIGTERM).

    CONTACTPOINT_APPROVALS_DSN names a login that is a member of contactpoint_approvals and nothing else; on the local
    stack one is made.
    """
    from projections.approvals.app import ApprovalsApplication, approvals_settings, install

    login = service_login("CONTACTPOINT_APPROVALS_DSN", install, approvals_settings)
    serve_until_told(provider, at, login, partial(ApprovalsApplication, signing_key=signing_key))


@app.command("try")
def try_command(
    number: Annotated[
        str, typer.Argument(help="A child number to disclose, or a record key source:id.", show_default=False)
    ],
) -> None:
    """Run the service on this machine with two made-up managers, and print requests ready to paste, until Ctrl-C."""
    from contactpoint.cli.environment import addresses, number_in, stack_config
    from contactpoint.running.practice import FIRST_MANAGER, SECOND_MANAGER, practice
    from projections.exports.manifest import make_signing_key

    where, folder = addresses(), stack_config().folder
    child = number_in(where.postgres_settings(), number)
    asked = {"child_number": child, "gateway": "court_order", "recipient": "court-7", "items": ["names", "carers"]}
    asked |= {"proportionality": "ordered_items", "requested_by": "clerk-9"}
    with TemporaryDirectory() as own:
        make_signing_key(Path(own) / "key.pem")
        serve = ("approvals", "serve", "--signing-key", f"{own}/key.pem")
        with practice(where, folder / "service", folder, serve) as service:
            print_requests(
                lambda: [
                    service.curl("/v1/disclosures/authorise", asked, FIRST_MANAGER),
                    "# the other manager makes it, with the reference that comes, in the next five minutes:",
                    service.curl(
                        "/v1/disclosures/make", {"disclosure": "D...", "requested_by": "clerk-9"}, SECOND_MANAGER
                    ),
                ]
            )


@app.command("openapi")
def openapi_command() -> None:
    """Print the OpenAPI document."""
    from projections.approvals.api import openapi_document

    sys.stdout.buffer.write(orjson.dumps(openapi_document(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
