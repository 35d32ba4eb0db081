"""The form of a sealed value: AES-256-GCM under the data key of one source record. Pure.

    0x01 | key id (16 bytes) | nonce (12) | ciphertext and tag

A value in the clear is JSON and never begins with 0x01, so readers tell the two apart. The Kafka key is bound to the
ciphertext, so that a value cannot be moved to another record. The key id says nothing; the vault knows what it opens.
"""

from __future__ import annotations

from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from schemas.errors import RejectedError

MARK = b"\x01"
KEY_BYTES = 32
KEY_ID_BYTES = 16
NONCE_BYTES = 12
_HEAD = len(MARK) + KEY_ID_BYTES + NONCE_BYTES


class DataKey(NamedTuple):
    """The data key of one record: the id that sealed values carry, and the key."""

    key_id: bytes
    key: bytes


def is_sealed(value: bytes | None) -> bool:
    """Tell whether a Kafka value is sealed."""
    return value is not None and value[:1] == MARK


def key_id_of(value: bytes) -> bytes:
    """Return the id of the data key that opens a sealed value."""
    return value[1 : 1 + KEY_ID_BYTES]


def seal(key: DataKey, nonce: bytes, kafka_key: bytes | None, value: bytes) -> bytes:
    """Return the sealed form of a value; a nonce is used once with a key."""
    head = MARK + key.key_id
    return head + nonce + AESGCM(key.key).encrypt(nonce, value, head + (kafka_key or b""))


def unseal(key: bytes, kafka_key: bytes | None, value: bytes) -> bytes:
    """Return what was sealed; raise RejectedError when the value was altered or moved to another record."""
    head, nonce = value[: 1 + KEY_ID_BYTES], value[1 + KEY_ID_BYTES : _HEAD]
    try:
        return AESGCM(key).decrypt(nonce, value[_HEAD:], head + (kafka_key or b""))
    except (InvalidTag, ValueError):
        raise RejectedError("seal_broken", "the sealed value was altered, or belongs to another record") from None


def wrap(key_encryption_key: AESGCM, nonce: bytes, key_id: bytes, key: bytes) -> bytes:
    """Return a data key as the vault keeps it: encrypted, and bound to its id."""
    return nonce + key_encryption_key.encrypt(nonce, key, key_id)


def unwrap(key_encryption_key: AESGCM, key_id: bytes, wrapped: bytes) -> bytes | None:
    """Return a data key, or None when the vault was made with another key-encryption key."""
    try:
        return key_encryption_key.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], key_id)
    except (InvalidTag, ValueError):
        return None
