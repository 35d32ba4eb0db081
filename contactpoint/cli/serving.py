"""Serving over HTTP from the command line: whose tokens are taken, where to listen, and as which login."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from connectors.process import told_to_stop
from contactpoint.cli.environment import addresses
from contactpoint.cli.output import console
from schemas.settings import PostgresSettings

if TYPE_CHECKING:
    from projections.service.server import Make


@dataclass(frozen=True, kw_only=True)
class Provider:
    """Whose tokens are taken, and for which service."""

    issuer: Annotated[str, typer.Option(help="The OpenID provider, as its tokens name it.", show_default=False)]
    jwks: Annotated[str, typer.Option(help="Where the provider publishes its keys.", show_default=False)]
    base_url: Annotated[str, typer.Option(help="The address under which clients know the service.")]
    audience: Annotated[str | None, typer.Option(help="The tokens' audience; the base URL if not given.")] = None


@dataclass(frozen=True, kw_only=True)
class Listening:
    """Where the service listens, with which certificate, in how many processes."""

    host: Annotated[str, typer.Option(help="Where to listen; beyond this machine only with TLS.")] = "127.0.0.1"
    port: Annotated[int, typer.Option(help="The port; 0 takes a free one.")] = 8443
    certificate: Annotated[Path | None, typer.Option(help="The server's certificate, PEM.")] = None
    key: Annotated[Path | None, typer.Option(help="Its key, PEM.")] = None
    client_authority: Annotated[Path | None, typer.Option(help="Whose client certificates bind tokens, PEM.")] = None
    workers: Annotated[int, typer.Option(help="Processes on one socket.", min=1, max=64)] = 1


def serve_until_told(provider: Provider, at: Listening, postgres: PostgresSettings, make: Make) -> None:
    """Serve what `make` makes until told to stop (SIGTERM)."""
    from projections.service.server import ServeSettings, TlsSettings, listen, serve

    tls = None
    if at.certificate is not None and at.key is not None:
        tls = TlsSettings(certificate=at.certificate, key=at.key, client_authority=at.client_authority)
    settings = ServeSettings(
        postgres=postgres,
        issuer=provider.issuer,
        audience=provider.audience or provider.base_url,
        jwks_url=provider.jwks,
        base_url=provider.base_url,
        host=at.host,
        port=at.port,
        tls=tls,
        workers=at.workers,
    )
    settings.check()
    with listen(at.host, at.port) as sock:
        console.print(f"listening on {at.host}:{sock.getsockname()[1]}")
        serve(settings, sock, make)


def service_login(
    variable: str,
    install: Callable[[PostgresSettings], None],
    login: Callable[[PostgresSettings], PostgresSettings],
) -> PostgresSettings:
    """Return the login that this variable of the environment names; on the local stack one is made."""
    given = os.environ.get(variable)
    if given:
        return PostgresSettings.from_env({"CONTACTPOINT_POSTGRES_DSN": given})
    owner = addresses().postgres_settings()
    install(owner)
    return login(owner)


def print_requests(requests: Callable[[], Sequence[str]]) -> None:
    """Print requests ready to paste, anew at each Enter, until Ctrl-C; without a keyboard once, until told to stop."""
    while True:
        for request in requests():
            typer.echo(request)  # to be pasted: no wrapping, no colours
        console.print("a token lasts ten minutes; Enter prints the requests with a new one, Ctrl-C ends")
        if not sys.stdin.readline():  # nobody is there to press Enter: serve until told to stop
            told_to_stop().wait()
            return
