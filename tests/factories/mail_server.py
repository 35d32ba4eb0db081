"""A mail server that speaks enough of SMTP (RFC 5321, RFC 3207) to take messages, and can be told to fail."""

from __future__ import annotations

import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from contactpoint.issuer.certificates import Certificate


@dataclass
class Mailbox:
    """What came, and how the next messages are answered: "refused" with 451, or "cut" before the answer.

    `plain` are the commands that came unencrypted.
    """

    port: int = 0
    plain: list[bytes] = field(default_factory=list)
    taken: list[tuple[str, EmailMessage]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def env(self) -> dict[str, str]:
        """Return the settings with which mail is sent here."""
        return self.env_by("127.0.0.1")

    def env_by(self, host: str) -> dict[str, str]:
        """Return them with this name of the machine."""
        return {"CONTACTPOINT_SMTP": f"{host}:{self.port}", "CONTACTPOINT_SMTP_FROM": "contactpoint@example.org"}


class _Handler(socketserver.StreamRequestHandler):
    mailbox: Mailbox
    tls: ssl.SSLContext | None

    def handle(self) -> None:
        self._say("220 here")
        to, secured = "", False
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if not secured:
                self.mailbox.plain.append(verb)
            if verb == b"EHLO" and self.tls and not secured:
                self._say("250-here")
                self._say("250 STARTTLS")
                continue
            if verb == b"STAR" and self.tls:
                self._say("220 go on")
                secured = self._secure(self.tls)
                if not secured:
                    return
                continue
            if verb == b"RCPT":
                to = line.decode().partition("<")[2].partition(">")[0]
            if verb == b"QUIT" or not self._answer(verb, to):
                return

    def finish(self) -> None:
        """Close the connection, which the server knows only as it was before TLS."""
        super().finish()
        self.connection.close()

    def _secure(self, tls: ssl.SSLContext) -> bool:
        """Go on over TLS; return False where the client does not like the certificate."""
        try:
            self.request = self.connection = tls.wrap_socket(self.connection, server_side=True)
        except OSError:
            return False
        self.setup()
        return True

    def _answer(self, verb: bytes, to: str) -> bool:
        """Answer a command; return whether the conversation goes on."""
        if verb != b"DATA":
            self._say("250 ok")
            return True
        self._say("354 go on")
        lines = list(iter(self.rfile.readline, b".\r\n"))
        failure = self.mailbox.failures.pop(0) if self.mailbox.failures else ""
        if failure != "refused":
            message: Any = message_from_bytes(b"".join(lines), policy=policy.default)
            self.mailbox.taken.append((to, message))
        if failure != "cut":
            self._say("451 not now" if failure else "250 taken")
        return not failure

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def mail_server(certificate: Certificate | None = None) -> Iterator[Mailbox]:
    """Serve on a free port while the block runs; with a certificate STARTTLS is offered."""
    mailbox, tls = Mailbox(), None
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate.certificate, certificate.key)
    handler = type("Handler", (_Handler,), {"mailbox": mailbox, "tls": tls})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        mailbox.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield mailbox
        server.shutdown()
