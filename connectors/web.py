"""One HTTP exchange with a server that the configuration names: http and https only, bounded in time and in size."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from schemas.errors import ConfigurationError, RetriableError

LARGEST = 65_536
SECONDS = 10.0


class Reply(NamedTuple):
    """A status and the first `LARGEST` bytes of the body."""

    status: int
    body: bytes


def check_address(url: str) -> str:
    """Return the address; raise ConfigurationError unless it is one of a web server."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        message = f"{url!r} is no address of a server: http://host:port or https://host"
        raise ConfigurationError(message)
    return url


def exchange(url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Reply:
    """POST a body, or GET without one; redirects are not followed.

    Raises ConfigurationError for what is no web address and RetriableError for a server that does not answer.
    """
    parts = urlsplit(check_address(url))
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(str(parts.hostname), parts.port, timeout=SECONDS)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("GET" if body is None else "POST", path, body, dict(headers or {}))
        response = connection.getresponse()
        return Reply(response.status, response.read(LARGEST))
    except (OSError, http.client.HTTPException) as error:
        message = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]} does not answer ({type(error).__name__})"
        raise RetriableError(message) from error
    finally:
        connection.close()
