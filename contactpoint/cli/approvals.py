"""Commands of the approvals service: serve it, and show its contract."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import orjson
import typer

from contactpoint.cli.options import grouped
from contactpoint.cli.serving import Listening, Provider, serve_until_told, service_login

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


@app.command("openapi")
def openapi_command() -> None:
    """Print the OpenAPI document."""
    from projections.approvals.api import openapi_document

    sys.stdout.buffer.write(orjson.dumps(openapi_document(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
