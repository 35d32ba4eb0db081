"""Serves the application: TLS with client certificates by uvicorn, and several processes on one socket."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import uvicorn
import uvloop
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from connectors.process import collect_garbage_rarely
from projections.service.app import Application, Clock, Guarded, ServiceSettings
from projections.service.http import CERTIFICATE, HEADERS
from projections.service.jwks import PublishedKeys, fetch_from
from projections.service.limits import Limits
from projections.service.tokens import Keys, TokenRules, certificate_thumbprint
from schemas.errors import ConfigurationError, FatalError
from schemas.settings import PostgresSettings, Settings
from schemas.telemetry import configure_logging

MAX_HEAD_BYTES = 32_768
Make = Callable[[ServiceSettings, Keys, Clock], Guarded]  # it is pickled for each process
_STOP_SECONDS = 10


class TlsSettings(Settings):
    """The server's certificate and key, and the authority whose client certificates bind tokens (RFC 8705)."""

    certificate: Path
    key: Path
    client_authority: Path | None = None


class ServeSettings(Settings):
    """Where to listen, under which address clients know the service, and whose tokens it takes."""

    postgres: PostgresSettings
    issuer: str
    audience: str
    jwks_url: str
    base_url: str
    host: str = "127.0.0.1"
    port: int = 8443
    tls: TlsSettings | None = None
    workers: int = 1
    rounds: int = 2
    limits: Limits = Limits()

    def check(self) -> None:
        """Raise ConfigurationError for what must not be served."""
        fetch_from(self.jwks_url)
        if self.tls is None and self.host not in {"127.0.0.1", "localhost", "::1"}:
            raise ConfigurationError(f"host {self.host} is not this machine: give --certificate and --key for TLS")
        for path in (self.tls.certificate, self.tls.key) if self.tls else ():
            if not path.is_file():
                raise ConfigurationError(f"there is no file {path}")


class ClientProtocol(HttpToolsProtocol):
    """HTTP/1.1 with what uvicorn leaves out.

    It tells the application the client's certificate, bounds the head of a request, and puts our headers on answers to
    what is no HTTP at all.
    """

    _in_head = True
    _head_bytes = 0

    def connection_made(self, transport: Any) -> None:
        """Read the certificate once, when the connection begins."""
        super().connection_made(transport)
        secured = transport.get_extra_info("ssl_object")
        der = secured.getpeercert(binary_form=True) if secured is not None else None
        if der:
            self.app = _with_certificate(self.app, certificate_thumbprint(der))

    def data_received(self, data: bytes) -> None:
        """Parse what came; a head that does not end is no request."""
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.send_400_response("")

    def on_message_begin(self) -> None:
        """Count the bytes of the next head."""
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        """Begin to answer; the size of the body is the application's concern."""
        self._in_head = False
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - it is not repeated
        """Answer what cannot be parsed."""
        head = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n"
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in HEADERS)
        self.transport.write(head + lines + b"\r\n")
        self.transport.close()


def _with_certificate(app: Any, thumbprint: str) -> ASGIApp:
    async def _wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        scope[CERTIFICATE] = thumbprint
        await app(scope, receive, send)

    return _wrapped


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; raise ConfigurationError when the address is taken."""
    try:
        return socket.create_server((host, port), backlog=1024)
    except OSError as error:
        raise ConfigurationError(f"cannot listen on {host}:{port}: {error.strerror}") from error


def serve(settings: ServeSettings, sock: socket.socket, make: Make = Application) -> None:
    """Serve what `make` makes until told to stop (SIGTERM, SIGINT); raise FatalError when one of its processes dies."""
    settings.check()
    if settings.workers == 1:
        _serve_one(settings, sock, make)
        return
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_worker, args=(settings, sock, make)) for _ in range(settings.workers)]
    stopped = False

    def _stop(*_: object) -> None:
        nonlocal stopped
        stopped = True
        _end(workers)

    for worker in workers:
        worker.start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    wait([worker.sentinel for worker in workers])
    if not stopped:
        _end(workers)
        raise FatalError("a process of the service died")


def _end(workers: Sequence[SpawnProcess]) -> None:
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.join(_STOP_SECONDS)


def _worker(settings: ServeSettings, sock: socket.socket, make: Make) -> None:
    configure_logging()
    _serve_one(settings, sock, make)


def _serve_one(settings: ServeSettings, sock: socket.socket, make: Make) -> None:
    rules = TokenRules(settings.issuer, settings.audience)
    keys = PublishedKeys(fetch_from(settings.jwks_url), _seconds, rules.algorithms)
    service = ServiceSettings(settings.postgres, settings.base_url, rules, settings.limits, settings.rounds)
    tls = settings.tls
    config = uvicorn.Config(
        make(service, keys, _seconds),
        http=ClientProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,  # an address in a log could be a child's
        server_header=False,
        proxy_headers=False,
        ssl_certfile=tls.certificate if tls else None,
        ssl_keyfile=tls.key if tls else None,
        ssl_ca_certs=str(tls.client_authority) if tls and tls.client_authority else None,
        ssl_cert_reqs=ssl.CERT_OPTIONAL if tls and tls.client_authority else ssl.CERT_NONE,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    config.load()
    if config.ssl is not None:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    server = uvicorn.Server(config)
    collect_garbage_rarely()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve(sockets=[sock]))
    if not server.started:
        raise FatalError("the service did not start: the log says why")


def _seconds() -> int:
    return int(time.time())
