"""Tells managers by mail that an investigation awaits them: once it is committed, at least once, with no child in it.

A message names the reference, the kind and the time; who looks into it signs in and reads the rest. It has the same
Message-ID whenever it is sent again, so that a mail system can leave out a repeat.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Mapping
from datetime import datetime
from email.message import EmailMessage
from ipaddress import ip_address
from typing import NamedTuple, Self

import psycopg
import structlog
from psycopg.rows import TupleRow
from pydantic import SecretStr

from connectors.postgres import sql_blocks, wrap_errors
from schemas.errors import ConfigurationError
from schemas.settings import Settings

log = structlog.get_logger(__name__)

_SQL = sql_blocks("projections.service.sql", "telling")
_SECONDS = 30.0  # for the mail server to answer, and between two looks at what is due
_PORT = 587  # RFC 6409: submission


class MailSettings(Settings):
    """The mail server, whom messages are from, and how we prove who we are. Beyond this machine only over TLS."""

    host: str
    port: int
    sender: str
    user: str | None = None
    password: SecretStr | None = None

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self | None:
        """Read CONTACTPOINT_SMTP (host or host:port), ..._FROM, ..._USER and ..._PASSWORD; None where it is not set."""
        server = env.get("CONTACTPOINT_SMTP", "").strip()
        if not server:
            return None
        host, _, port = server.partition(":")
        sender = env.get("CONTACTPOINT_SMTP_FROM", "").strip()
        if "@" not in sender or not (port.isdigit() or not port):
            raise ConfigurationError("CONTACTPOINT_SMTP is host:port, and CONTACTPOINT_SMTP_FROM an address of yours")
        password = env.get("CONTACTPOINT_SMTP_PASSWORD")
        return cls(
            host=host,
            port=int(port or _PORT),
            sender=sender,
            user=env.get("CONTACTPOINT_SMTP_USER") or None,
            password=SecretStr(password) if password else None,
        )


class _Due(NamedTuple):
    reference: str
    kind: str
    opened_at: datetime
    address: str


def tell(connection: psycopg.Connection[TupleRow], mail: MailSettings) -> int:
    """Send what is due; return how many messages the mail server took. One that it did not take is due again."""
    with wrap_errors():
        due = [_Due(*row) for row in connection.execute(_SQL["due"]).fetchall()]
    taken = 0
    for each in due:
        try:
            _send(mail, each)
        except (OSError, smtplib.SMTPException) as error:
            log.warning("manager_not_told", error_type=type(error).__name__, reason=_why(error))
            continue
        with wrap_errors():
            connection.execute(_SQL["told"], [each.reference])
        taken += 1
    return taken


def tell_for_ever(connection: psycopg.Connection[TupleRow], mail: MailSettings) -> None:
    """Send each message as soon as its investigation is committed, and what was not taken again and again."""
    with wrap_errors():
        connection.execute("listen contactpoint_alert")
        while True:
            tell(connection, mail)
            for _ in connection.notifies(timeout=_SECONDS, stop_after=1):
                pass


def _send(mail: MailSettings, due: _Due) -> None:
    message = EmailMessage()
    message["From"], message["To"] = mail.sender, due.address
    message["Message-ID"] = f"<{due.reference}@{mail.sender.rpartition('@')[2]}>"
    message["Subject"] = f"ContactPoint: investigation {due.reference} awaits you"
    message.set_content(
        f"{due.kind}, opened at {due.opened_at:%Y-%m-%d %H:%M} UTC.\n\n"
        "contactpoint users investigations and contactpoint audit reviews list what there is to look into.\n"
    )
    with smtplib.SMTP(mail.host, mail.port, timeout=_SECONDS) as server:
        if not _is_here(mail.host):
            server.starttls(context=ssl.create_default_context())
        if mail.user and mail.password:
            server.login(mail.user, mail.password.get_secret_value())
        server.send_message(message)


def _why(error: Exception) -> str | None:
    """Return what is wrong with the mail server, where that is its own and says nothing of whom it is for."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the mail server's certificate does not hold: {error.verify_message}"
    return "the mail server offers no TLS" if isinstance(error, smtplib.SMTPNotSupportedError) else None


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
