"""Sealing what an entry says about a child: AES-256-GCM under a key of the child.

That key is wrapped by one outside the database. Destroying the child's key makes every such box unreadable; a leaf's
hash is over the box, so the trail still verifies.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import rfc8785
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from schemas.errors import ConfigurationError, RejectedError

_NONCE = 12
_KEY = 32


class SealingKey:
    """The key that wraps the children's keys. It comes from a file that the database's machine need not hold."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) != _KEY:
            raise ConfigurationError("a sealing key has 32 bytes")
        self._wrapper = AESGCM(sha256(b"contactpoint/audit/wrap" + secret).digest())
        self._tagger = sha256(b"contactpoint/audit/tag" + secret).digest()

    @classmethod
    def read(cls, path: Path) -> SealingKey:
        """Read the key's file (base64); raise ConfigurationError when it is not one."""
        try:
            return cls(base64.b64decode(path.read_bytes().strip(), validate=True))
        except (OSError, binascii.Error) as error:
            message = f"{path}: no sealing key ({type(error).__name__}); make the keys with `contactpoint audit keys`"
            raise ConfigurationError(message) from error

    def new_wrapped(self) -> bytes:
        """Return a new random key, wrapped."""
        nonce = os.urandom(_NONCE)
        return nonce + self._wrapper.encrypt(nonce, os.urandom(_KEY), None)

    def unwrap(self, wrapped: bytes) -> AESGCM:
        """Return the key that `new_wrapped` made; raise ConfigurationError when another sealing key had wrapped it."""
        try:
            return AESGCM(self._wrapper.decrypt(wrapped[:_NONCE], wrapped[_NONCE:], None))
        except InvalidTag as error:
            raise ConfigurationError("the sealing key is not the one that these entries were sealed with") from error

    def tag(self, child_number: str) -> bytes:
        """Return what an erased child is remembered by: a keyed hash of its number."""
        return hmac.digest(self._tagger, child_number.encode(), "sha256")


def seal(key: AESGCM, entry_id: int, secret: dict[str, Any]) -> str:
    """Encrypt a small JSON object for one entry, and no other."""
    nonce = os.urandom(_NONCE)
    box = key.encrypt(nonce, rfc8785.dumps(secret), str(entry_id).encode())
    return base64.b64encode(nonce + box).decode("ascii")


def unseal(key: AESGCM, entry_id: int, box: str) -> dict[str, Any]:
    """Decrypt what `seal` made for this entry; raise RejectedError when it was changed or belongs to another."""
    raw = base64.b64decode(box)
    try:
        found: dict[str, Any] = orjson.loads(key.decrypt(raw[:_NONCE], raw[_NONCE:], str(entry_id).encode()))
    except InvalidTag as error:
        raise RejectedError("box_unreadable", "the sealed part of an entry cannot be read with its key") from error
    return found
