"""Data keys in PostgreSQL: made when a record is first seen, looked up a batch at a time, destroyed for good."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, Self

import psycopg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg.rows import TupleRow

from connectors.postgres import apply_schema, connect, sql_blocks, wrap_errors
from schemas.errors import ConfigurationError
from schemas.sealing import KEY_BYTES, KEY_ID_BYTES, NONCE_BYTES, DataKey, unwrap, wrap
from schemas.settings import PostgresSettings, VaultSettings

_PACKAGE = "connectors.vault.sql"
_SQL = sql_blocks(_PACKAGE)

_WRAPPED_BYTES = NONCE_BYTES + KEY_BYTES + 16  # with the tag
_PACKED = KEY_ID_BYTES + _WRAPPED_BYTES
_DESTROYED = bytes(_WRAPPED_BYTES)


def letter_key(letter_id: str, record_key: str = "") -> str:
    """Return the name of a dead letter's own data key; it is destroyed in time, or with its record's."""
    return f"letter:{record_key}#{letter_id}"


ERASED: Final = b""
"""Stands for a key that was destroyed."""


class KeyVault:
    """The vault on one connection of its own; keys are not kept between calls, so a destroyed one is gone at once.

    A context manager. Raises ConfigurationError for a key that belongs to another vault or key-encryption key.
    """

    def __init__(self, settings: VaultSettings) -> None:
        self._kek = AESGCM(settings.key())
        postgres = PostgresSettings(dsn=settings.dsn)
        apply_schema(postgres, _PACKAGE, unless="vault.erasure")
        self._connection: psycopg.Connection[TupleRow] = connect(postgres, autocommit=True, application="vault")
        self._run("by_index")

    def keys_for(self, names: Collection[str]) -> Mapping[str, DataKey]:
        """Return the data key of each name, a new one where there is none."""
        found = self._by_name(names)
        missing = [name for name in dict.fromkeys(names) if name not in found]
        if missing:
            ids, wrapped = self._new_keys(len(missing))
            self._run("add", missing, ids, wrapped)
            found.update(self._by_name(missing))  # another process may have been faster
        return found

    def keys(self, key_ids: Collection[bytes]) -> Mapping[bytes, bytes]:
        """Return the key of each id, ERASED for one that was destroyed; those that nobody gave out are left out.

        Raises ConfigurationError when the vault has given out none at all: then it is not the log's vault.
        """
        wanted = {key_id for key_id in key_ids if len(key_id) == KEY_ID_BYTES}
        parameters = {"ids": b"".join(wanted), "count": len(wanted), "destroyed": _DESTROYED}
        with wrap_errors():
            row = self._connection.execute(_SQL["by_id"], parameters, binary=True).fetchone()
        packed = bytes(row[0]) if row and row[0] is not None else b""
        found: dict[bytes, bytes] = {}
        for at in range(0, len(packed), _PACKED):
            key_id, wrapped = packed[at : at + KEY_ID_BYTES], packed[at + KEY_ID_BYTES : at + _PACKED]
            found[key_id] = ERASED if wrapped == _DESTROYED else self._unwrap(key_id, wrapped)
        if not found and key_ids and not self._run("any")[0][0]:
            message = "the vault is empty, but the log is sealed: CONTACTPOINT_VAULT_DSN names another vault"
            raise ConfigurationError(message)
        return found

    def secret(self, name: str) -> bytes:
        """Return a secret of this vault, made when it is first asked for."""
        kek_id = name.encode()
        found = self._run("secret", name)
        if not found:
            fresh = wrap(self._kek, os.urandom(NONCE_BYTES), kek_id, os.urandom(KEY_BYTES))
            self._run("add_secret", name, fresh)
            found = self._run("secret", name)  # another process may have been faster
        return self._unwrap(kek_id, found[0][0])

    @contextmanager
    def publishing(self) -> Iterator[None]:
        """Keep keys from being destroyed while something is published under them."""
        self._run("share")
        try:
            yield
        finally:
            if not self._connection.closed:
                self._run("unshare")

    def carry_out(self, event_id: str, names: Collection[str], also: Callable[[], None]) -> bool:
        """Destroy the keys of these names for an erasure, once; `also` is done first. False: it was done before."""
        with wrap_errors(), self._connection.transaction():
            self._run("exclude")
            if self._run("is_carried_out", event_id)[0][0]:
                return False
            also()
            self._destroy(names)
            self._run("note_carried_out", event_id)
        return True

    def carried_out(self) -> frozenset[str]:
        """Return the erasures that were carried out here."""
        return frozenset(row[0] for row in self._run("carried_out"))

    def destroy(self, names: Collection[str]) -> None:
        """Destroy the keys of these names; nothing is published under them meanwhile."""
        with wrap_errors(), self._connection.transaction():
            self._run("exclude")
            self._destroy(names)

    def destroy_letters(self, before: datetime) -> int:
        """Destroy the keys of dead letters that were sealed before this time; return how many there were."""
        with wrap_errors(), self._connection.transaction():
            self._run("exclude")
            return self._connection.execute(_SQL["destroy_letters"], [before]).rowcount

    def made_at(self, key_ids: Collection[bytes]) -> Mapping[bytes, tuple[datetime, bool]]:
        """Return when each key was made, and whether it is a dead letter's own; destroyed ones are left out."""
        return {bytes(row[0]): (row[1], row[2]) for row in self._run("made_at", list(key_ids))}

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _destroy(self, names: Collection[str]) -> None:
        self._connection.execute(_SQL["destroy"], {"names": list(names)})

    def _by_name(self, names: Collection[str]) -> dict[str, DataKey]:
        rows = self._run("by_name", list(names))
        return {row[0]: DataKey(bytes(row[1]), self._unwrap(bytes(row[1]), row[2])) for row in rows}

    def _new_keys(self, count: int) -> tuple[list[bytes], list[bytes]]:
        ids = [os.urandom(KEY_ID_BYTES) for _ in range(count)]
        return ids, [wrap(self._kek, os.urandom(NONCE_BYTES), key_id, os.urandom(KEY_BYTES)) for key_id in ids]

    def _unwrap(self, key_id: bytes, wrapped: bytes) -> bytes:
        key = unwrap(self._kek, key_id, bytes(wrapped))
        if key is None:
            message = "CONTACTPOINT_KEK is not the key-encryption key that this vault was made with"
            raise ConfigurationError(message)
        return key

    def _run(self, name: str, *parameters: Any) -> Sequence[tuple[Any, ...]]:
        with wrap_errors():
            cursor = self._connection.execute(_SQL[name], parameters or None, binary=True)
            return cursor.fetchall() if cursor.description else ()
