"""The witness as a process of its own: an HTTP server with two paths, and the client that the sequencer uses.

    python -m projections.access.witness_server FOLDER PORT

FOLDER holds `witness.key`, `witness.json` (its state) and `log.vkey`. `POST /add-checkpoint` is C2SP's; `GET /` gives
the newest checkpoint that it has cosigned, for whoever wants to compare.
"""

from __future__ import annotations

import errno
import sys
import threading
import time
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import structlog

from connectors import web
from connectors.process import told_to_stop
from projections.access.keys import read_signer, read_verifier
from projections.access.witness import LARGEST_REQUEST, Answer, Conflict, Reply, Witness
from schemas.errors import ContactPointError, RejectedError, RetriableError
from schemas.telemetry import configure_logging, fail

log = structlog.get_logger(__name__)

_SECONDS = 10.0
_STANDBY_SECONDS = 1.0


class WitnessServer(ThreadingHTTPServer):
    """Serves one witness on the loopback interface; put it behind TLS to serve other machines."""

    daemon_threads = True

    def __init__(self, port: int, witness: Witness) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.witness = witness

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Note a client that left before its answer, as a log does that would wait no longer: it asks again."""
        error = sys.exception()
        if not isinstance(error, OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]
            return
        log.warning("witness_client_left", error_type=type(error).__name__)


class _Handler(BaseHTTPRequestHandler):
    server: WitnessServer
    protocol_version = "HTTP/1.1"
    timeout = _SECONDS

    def do_POST(self) -> None:
        """Cosign the checkpoint that is sent, or say why not."""
        length = self.headers.get("Content-Length", "")
        if self.path != "/add-checkpoint" or not length.isdigit() or int(length) > LARGEST_REQUEST:
            self.close_connection = True
            self._send(Reply(HTTPStatus.BAD_REQUEST, "POST /add-checkpoint\n"))
            return
        reply = self.server.witness.add_checkpoint(self.rfile.read(int(length)))
        if reply.status not in {HTTPStatus.OK, HTTPStatus.CONFLICT}:  # a conflict is how a log learns what was seen
            log.warning("witness_refused", status=int(reply.status), count=self.server.witness.size)
        self._send(reply)

    def do_GET(self) -> None:
        """Answer with the newest checkpoint that was cosigned."""
        self._send(Reply(HTTPStatus.OK, self.server.witness.latest()))

    def log_message(self, *_: object) -> None:
        """Keep http.server from writing lines of its own."""

    def _send(self, reply: Reply) -> None:
        body = reply.body.encode()
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class HttpWitness:
    """Asks a witness over HTTP; one connection a request, since there is one each few seconds."""

    def __init__(self, url: str) -> None:
        self._url = web.check_address(url).rstrip("/")

    def __call__(self, body: bytes, /) -> Answer:
        """Send an add-checkpoint request."""
        reply = self._exchange("/add-checkpoint", body)
        return _answer(reply.status, reply.body.decode(errors="replace"))

    def latest(self) -> str:
        """Return the newest checkpoint that the witness has cosigned."""
        return self._exchange("/").body.decode(errors="replace")

    def _exchange(self, path: str, body: bytes | None = None) -> web.Reply:
        try:
            return web.exchange(self._url + path, body)
        except RetriableError as error:
            message = (
                f"the witness: {error}; `contactpoint run` runs the local stack's own, `contactpoint audit witness` one"
            )
            raise RetriableError(message) from error


def _answer(status: int, text: str) -> Answer:
    if status == HTTPStatus.OK:
        return text
    if status == HTTPStatus.CONFLICT and text.strip().isdigit():
        return Conflict(int(text))
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        raise RejectedError("trail_forked", "the witness refused: the trail does not extend what it has seen")
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        message = f"the witness refused the request (status {status}): check the keys on both sides"
        raise RejectedError("witness_refused", message)
    message = f"the witness failed (status {status})"
    raise RetriableError(message)


def serve(folder: Path, port: int) -> None:
    """Witness until SIGTERM or SIGINT; where another witness has the port, stand by and take over when it ends."""
    stop = told_to_stop()
    server = listening(folder, port, stop)
    if server is None:
        return
    log.info("witness_started", port=server.server_address[1], count=server.witness.size)
    with server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        stop.wait()
        server.shutdown()


def listening(folder: Path, port: int, stop: threading.Event) -> WitnessServer | None:
    """Return the witness of this folder, listening, once nobody else has the port; None when told to stop before."""
    signer, trusted = read_signer(folder / "witness.key"), read_verifier(folder / "log.vkey")
    waits = False
    while not stop.is_set():
        try:  # what was seen is read again each time: until now another has written it
            return WitnessServer(port, Witness(signer, trusted, folder / "witness.json", time.time))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        if not waits:
            log.info("witness_stands_by", port=port, reason="the port is taken, as by another witness")
        waits = True
        stop.wait(_STANDBY_SECONDS)
    return None


def main(arguments: Sequence[str]) -> int:
    """Serve; return the exit status."""
    configure_logging()
    try:
        serve(Path(arguments[0]), int(arguments[1]))
    except ContactPointError as error:
        return fail(error)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
