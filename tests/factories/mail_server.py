"""A mail server that speaks enough of SMTP (RFC 5321) to take messages, and can be told to fail."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any


@dataclass
class Mailbox:
    """What came, and how the next messages are answered: "refused" with 451, or "cut" before the answer."""

    port: int = 0
    taken: list[tuple[str, EmailMessage]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def env(self) -> dict[str, str]:
        """Return the settings with which mail is sent here."""
        return {"CONTACTPOINT_SMTP": f"127.0.0.1:{self.port}", "CONTACTPOINT_SMTP_FROM": "contactpoint@example.org"}


class _Handler(socketserver.StreamRequestHandler):
    mailbox: Mailbox

    def handle(self) -> None:
        self._say("220 here")
        to = ""
        for line in self.rfile:
            verb = line[:4].upper()
            if verb == b"RCPT":
                to = line.decode().partition("<")[2].partition(">")[0]
            if verb == b"QUIT" or not self._answer(verb, to):
                return

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
def mail_server() -> Iterator[Mailbox]:
    """Serve on a free port while the block runs."""
    mailbox = Mailbox()
    handler = type("Handler", (_Handler,), {"mailbox": mailbox})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        mailbox.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield mailbox
        server.shutdown()
