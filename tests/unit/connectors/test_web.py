"""Exchanges with a configured server, against a real one on this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from connectors.web import LARGEST, Reply, check_address, exchange
from schemas.errors import ConfigurationError, RetriableError


class Echo(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._send(200, f"GET {self.path}".encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._send(418, body + self.headers["Content-Type"].encode())

    def log_message(self, *_: object) -> None:
        pass

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_body_is_posted_and_without_one_it_is_a_get(url: str) -> None:
    assert exchange(f"{url}/a?b=c") == Reply(200, b"GET /a?b=c")
    assert exchange(url, b"body ", {"Content-Type": "x/y"}) == Reply(418, b"body x/y")


def test_no_more_is_read_than_is_allowed(url: str) -> None:
    assert len(exchange(url, b"x" * (LARGEST + 10), {"Content-Type": "x/y"}).body) == LARGEST


@pytest.mark.parametrize("address", ["file:///etc/passwd", "witness", "http://", "ftp://host/x"])
def test_only_web_addresses_are_accepted(address: str) -> None:
    with pytest.raises(ConfigurationError, match="no address"):
        check_address(address)


def test_a_server_that_is_away_may_be_back_later() -> None:
    with pytest.raises(RetriableError, match="does not answer"):
        exchange("http://user:secret@127.0.0.1:9/")
