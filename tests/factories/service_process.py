"""A service as its users run it: `contactpoint directory serve`, or the approvals service, in a process, over TLS."""

from __future__ import annotations

import os
import re
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from contactpoint.issuer import Issuer
from contactpoint.issuer.certificates import Authority, Certificate
from contactpoint.issuer.web import publish_keys
from schemas.settings import PostgresSettings
from tests.factories.waiting import PATIENCE, wait_until


@dataclass
class Server:
    """A running process of the service, its issuer and a client's certificate."""

    process: subprocess.Popen[str]
    url: str
    issuer: Issuer
    authority: Authority
    client: Certificate

    def token(self, subject: str, **changed: Any) -> str:
        """Return a token that is bound to the client's certificate."""
        return self.issuer.token(subject, {"x5t#S256": self.client.thumbprint}, **changed)

    def connect(self, client: Certificate | None = None, *, anonymous: bool = False) -> httpx.Client:
        """Return a client with this certificate, the test's own, or none."""
        context = ssl.create_default_context(cafile=self.authority.certificate)
        if not anonymous:
            shown = client or self.client
            context.load_cert_chain(shown.certificate, shown.key)
        return httpx.Client(base_url=self.url, verify=context, timeout=PATIENCE)

    def kill(self) -> None:
        """SIGKILL the process, and wait for its end."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def serving(
    postgres: PostgresSettings,
    folder: Path,
    *command: str,
    url_of_clients: str | None = None,
) -> Iterator[Server]:
    """Run the service on a free port while the block runs; `command` starts it, `directory serve` if not given."""
    authority = Authority(folder / "certificates")
    server, client = authority.server(), authority.client("case-management")
    audience = url_of_clients or "https://localhost"
    issuer = Issuer("https://login.example", audience, lambda: int(time.time()))
    with publish_keys(issuer) as jwks:
        options = {
            "issuer": issuer.url,
            "jwks": jwks,
            "base-url": audience,
            "port": "0",
            "certificate": server.certificate,
            "key": server.key,
            "client-authority": authority.certificate,
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        process = start(postgres, folder, *(command or ("directory", "serve")), *arguments)
        try:
            yield Server(process, _address(process, folder), issuer, authority, client)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(PATIENCE)


def start(postgres: PostgresSettings, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start a command; what it says goes to `serve.log`."""
    dsn = postgres.dsn.get_secret_value()
    env = {**os.environ, "CONTACTPOINT_POSTGRES_DSN": dsn, "CONTACTPOINT_KAFKA": "127.0.0.1:1"}
    with (folder / "serve.log").open("w") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "contactpoint", *arguments],
            env=env,
            stdout=log,
            stderr=log,
            text=True,
        )


def _address(process: subprocess.Popen[str], folder: Path) -> str:
    """Wait until the service answers, and return its address."""
    log = folder / "serve.log"

    def listening() -> re.Match[str] | None:
        assert process.poll() is None, log.read_text()
        return re.search(r"listening on 127\.0\.0\.1:(\d+)", log.read_text())

    return f"https://localhost:{wait_until(listening, 'the service to listen', logs=log.read_text)[1]}"
