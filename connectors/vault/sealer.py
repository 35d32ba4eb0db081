"""Sealing what is published and opening what is read, a batch at a time: one look into the vault for each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from connectors.vault.keys import ERASED, KeyVault
from schemas.errors import RejectedError
from schemas.sealing import NONCE_BYTES, key_id_of, seal, unseal


class Plain(NamedTuple):
    """A value to seal: whose data key, the Kafka key that it is bound to, and the bytes."""

    name: str
    kafka_key: bytes | None
    value: bytes


class Opened(NamedTuple):
    """A value that was read: open, or None and `erased`; one that nobody can open is left as it came."""

    value: bytes | None
    erased: bool = False


class Sealer:
    """Seals and opens with the keys of one vault."""

    def __init__(self, vault: KeyVault) -> None:
        self.vault = vault

    def seal(self, plains: Sequence[Plain]) -> list[bytes]:
        """Return the sealed form of each value, in this order."""
        if not plains:
            return []
        keys = self.vault.keys_for({plain.name for plain in plains})
        noise = os.urandom(NONCE_BYTES * len(plains))
        nonces = (noise[at : at + NONCE_BYTES] for at in range(0, len(noise), NONCE_BYTES))
        return [
            seal(keys[plain.name], nonce, plain.kafka_key, plain.value)
            for plain, nonce in zip(plains, nonces, strict=True)
        ]

    def open(self, values: Sequence[tuple[bytes | None, bytes]]) -> list[Opened]:
        """Return what each sealed value (with its Kafka key) says; one that was altered is left as it came.

        A reader sends what it cannot read to the dead letters.
        """
        keys = self.vault.keys({key_id_of(value) for _, value in values})
        return [_opened(keys.get(key_id_of(value)), kafka_key, value) for kafka_key, value in values]


def _opened(key: bytes | None, kafka_key: bytes | None, value: bytes) -> Opened:
    if key is None:
        return Opened(value)
    if key == ERASED:
        return Opened(None, erased=True)
    try:
        return Opened(unseal(key, kafka_key, value))
    except RejectedError:
        return Opened(value)
