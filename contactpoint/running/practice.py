"""A service to try out: over TLS on this machine, with an issuer of ours, sample people, and the trail.

What it starts it ends. The issuer signs whatever it is told to, so nothing here may serve people.
"""

from __future__ import annotations

import json
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from connectors.postgres import connect
from contactpoint.issuer import Issuer
from contactpoint.issuer.certificates import Authority, Certificate
from contactpoint.issuer.web import publish_keys
from contactpoint.running.audit_parts import audit_parts
from contactpoint.running.supervisor import StageCommand, Supervisor
from contactpoint.running.waiting import comes_true
from contactpoint.stack import StackAddresses
from contactpoint.stack.kafka import free_ports
from projections.approvals.app import install
from projections.service.purposes import HOLDERS, LETTING_OUT, Category
from projections.service.users import Eligibility, Users
from schemas.errors import RetriableError
from schemas.settings import PostgresSettings

PRACTITIONER, FIRST_MANAGER, SECOND_MANAGER = "nurse-7", "manager-1", "manager-2"
PURPOSE = {"purpose": "safeguarding", "reason": "Attended A&E tonight with an injured wrist"}
_EMPLOYER = "trust-rx1"
_PEOPLE = {
    PRACTITIONER: Category.HEALTH,
    FIRST_MANAGER: Category.MANAGEMENT_TEAM,
    SECOND_MANAGER: Category.MANAGEMENT_TEAM,
}
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Practice:
    """A running service and a person's way to it: a client certificate and a token that is bound to it."""

    url: str
    authority: Path
    client: Certificate
    issuer: Issuer
    env: Mapping[str, str]

    def token(self, account: str = PRACTITIONER) -> str:
        """Return a new token of this person, good for ten minutes."""
        return self.issuer.token(account, {"x5t#S256": self.client.thumbprint})

    def ask(self, path: str, **terms: Any) -> dict[str, Any]:
        """Return the answer to one request. Raises RetriableError for any answer but 200, with its status."""
        body = json.dumps(PURPOSE | terms).encode()
        headers = {"Authorization": f"Bearer {self.token()}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, body, headers)  # noqa: S310 - https, on this machine
        try:
            with urllib.request.urlopen(request, context=self._context(), timeout=30) as answer:  # noqa: S310  # nosec B310
                found: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            message = f"the directory service answered {error.code} to {path}"
            raise RetriableError(message) from None
        return found

    def curl(self, path: str, terms: Mapping[str, Any], account: str = PRACTITIONER) -> str:
        """Return a request of this person, ready to paste."""
        files = f"--cacert {self.authority} --cert {self.client.certificate} --key {self.client.key}"
        body = json.dumps(terms).replace("'", "'\\''")
        return (
            f"curl -s {files} -H 'Authorization: Bearer {self.token(account)}' "
            f"-H 'Content-Type: application/json' {self.url}{path} -d '{body}'"
        )

    def is_up(self) -> bool:
        """Tell whether the service answers."""
        try:
            with urllib.request.urlopen(f"{self.url}/health", context=self._context(), timeout=5) as answer:  # noqa: S310  # nosec B310
                return bool(answer.status == 200)
        except OSError:
            return False

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.authority))
        context.load_cert_chain(self.client.certificate, self.client.key)
        return context


@contextmanager
def practice(
    where: StackAddresses, folder: Path, stack: Path, serve: Sequence[str] = ("directory", "serve")
) -> Iterator[Practice]:
    """Run the service that `serve` starts, the trail's keeper and the witness while the block runs.

    Certificates and logs are in a folder of this run's own below `folder`, and go with it: two may run side by side.
    `stack` is the folder of the local stack, where its trail has its keys and its witness.
    """
    postgres = where.postgres_settings()
    install(postgres)
    _employ(postgres)
    url = f"https://localhost:{free_ports(1)[0]}"
    issuer = Issuer("https://login.practice.example", url, lambda: int(time.time()))
    audit = audit_parts(os.environ, stack)
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="run-", dir=folder) as own, publish_keys(issuer) as jwks:
        authority = Authority(Path(own) / "certificates")
        server, client = authority.server(), authority.client("case-management")
        arguments = (
            *(*serve, "--issuer", issuer.url, "--jwks", jwks, "--base-url", url),
            *("--host", "127.0.0.1", "--port", url.rpartition(":")[2], "--certificate", str(server.certificate)),
            *("--key", str(server.key), "--client-authority", str(authority.certificate)),
        )
        commands = (StageCommand("service", arguments), *audit.commands())
        environment = {**os.environ, **where.as_env(), **audit.as_env()}
        with Supervisor(commands, environment, Path(own) / "logs") as stages:
            running = Practice(url, authority.certificate, client, issuer, environment)
            _wait(running, stages)
            yield running


def _employ(postgres: PostgresSettings) -> None:
    """Make an accredited employer and people who hold all that is needed: managers may let anything leave."""
    now = datetime.now(UTC)
    with connect(postgres, autocommit=True) as connection:
        users = Users(connection, "demonstration")
        users.accredit(_EMPLOYER, "Drellmouth NHS Trust", now + timedelta(days=30))
        for person, category in _PEOPLE.items():
            users.add(person, category, _EMPLOYER)
            users.record(
                person, Eligibility(now + timedelta(days=30), now - timedelta(days=30), now + timedelta(days=30))
            )
            users.grant(person, [right for right in LETTING_OUT if category in HOLDERS[right]])
            users.activate(person)


def _wait(running: Practice, stages: Supervisor) -> None:
    if not comes_true(running.is_up, _PATIENCE):
        message = f"the service does not answer:\n{stages.log_tail('service')}"
        raise RetriableError(message)
