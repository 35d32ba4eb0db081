"""The provider's public keys: fetched, kept, and fetched again when a token names one that is not known."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Callable
from urllib.parse import urlsplit

import jwt
import structlog

from schemas.errors import ConfigurationError

log = structlog.get_logger(__name__)

REFRESH_SECONDS = 300
STALE_SECONDS = 12 * 3600
_AGAIN_SECONDS = 5  # unknown ids must not make us ask the provider more often than this
_FETCH_TIMEOUT_SECONDS = 3.0
_MAX_BYTES = 100_000

Fetch = Callable[[], object]
"""Returns a JWK set, parsed but not checked."""


class PublishedKeys:
    """Keys by id. While the provider is away the last ones hold, for `STALE_SECONDS` at most; without any, none hold.

    Looking a key up never waits for the provider: `refresh` does, which is called each `REFRESH_SECONDS`, and when a
    token names an unknown key, so that a new key beside the old one (rotation with overlap) serves at its first use.
    A key that the provider withdraws is gone after the next fetch.
    """

    def __init__(self, fetch: Fetch, clock: Callable[[], int], algorithms: tuple[str, ...] = ("ES256",)) -> None:
        self._fetch = fetch
        self._clock = clock
        self._algorithms = algorithms
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at: int | None = None
        self._asked_at: int | None = None
        self._lock = threading.Lock()

    def find(self, kid: str) -> jwt.PyJWK | None:
        """Return the key of this id, or None."""
        if self._fetched_at is None or self._clock() - self._fetched_at > STALE_SECONDS:
            return None
        return self._keys.get(kid)

    def may_ask(self) -> bool:
        """Tell whether the provider may be asked again for a key that is not known."""
        return self._asked_at is None or self._clock() - self._asked_at >= _AGAIN_SECONDS

    def refresh(self) -> None:
        """Fetch the keys; one call at a time asks, and those that waited for it take what it found."""
        if not self._lock.acquire(blocking=False):
            with self._lock:
                return
        try:
            self._asked_at = self._clock()
            found = _usable(self._fetch(), self._algorithms)
            # Keep an equal key as the object it was: what was checked with it stays known.
            self._keys = {kid: self._same(kid, key) for kid, key in found.items()}
            self._fetched_at = self._asked_at
        except (OSError, TypeError, ValueError, jwt.PyJWTError) as error:
            log.warning("keys_not_fetched", error_type=type(error).__name__)
        finally:
            self._lock.release()

    def _same(self, kid: str, key: jwt.PyJWK) -> jwt.PyJWK:
        held = self._keys.get(kid)
        return held if held is not None and held._jwk_data == key._jwk_data else key  # noqa: SLF001 - no public view


def _usable(document: object, algorithms: tuple[str, ...]) -> dict[str, jwt.PyJWK]:
    """Return the signing keys of a JWK set that have an id and an algorithm that we accept."""
    keys: dict[str, jwt.PyJWK] = {}
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise TypeError("the key set has no list `keys`")
    for entry in entries:
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or "d" in entry:
            continue
        try:
            key = jwt.PyJWK.from_dict(entry)
        except jwt.PyJWTError:
            continue  # a kind of key that we do not know
        if isinstance(key.key_id, str) and key.algorithm_name in algorithms:
            keys[key.key_id] = key
    return keys


def fetch_from(url: str) -> Fetch:
    """Return a function that fetches the JWK set; raise ConfigurationError for an address without TLS elsewhere."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost"}):
        raise ConfigurationError(f"the key set's address must begin with https:// ({parts.scheme}:// was given)")

    def _fetch() -> object:
        with urllib.request.urlopen(url, timeout=_FETCH_TIMEOUT_SECONDS) as answer:  # noqa: S310  # nosec B310 - checked above
            found: object = json.loads(answer.read(_MAX_BYTES))
            return found

    return _fetch
