"""Record keys that tell nothing of the source's own ids: a school's is the pupil number, which must not outlive it.

A keyed hash takes the id's place before anything is compared, published or stored: `<source>:r` and 24 letters.
Whoever has the vault's secret finds a record by its source's id; without it, and the vault, nobody does.
"""

from __future__ import annotations

import hmac
import re
from base64 import b32encode
from hashlib import sha256

import msgspec

from connectors.raw import Item, RawRecord, RejectedItem
from connectors.vault.keys import KeyVault
from schemas.settings import VaultSettings

PURPOSE = "record-keys"
_BYTES = 15
_MADE = re.compile(r"r[a-z2-7]{24}")


class RecordKeys:
    """Makes record keys under one secret."""

    def __init__(self, secret: bytes) -> None:
        self._start = hmac.new(secret, digestmod=sha256)

    def source_id(self, source: str, source_id: str) -> str:
        """Return what stands for a source's own id; one that was made already stays as it is."""
        if _MADE.fullmatch(source_id):
            return source_id
        made = self._start.copy()
        made.update(f"{source}:{source_id}".encode())
        return "r" + b32encode(made.digest()[:_BYTES]).decode().lower()

    def key(self, record_key: str) -> str:
        """Return the record key that stands for `<source>:<the source's own id>`."""
        source, colon, source_id = record_key.partition(":")
        return f"{source}{colon}{self.source_id(source, source_id)}" if source_id else record_key

    def item(self, item: Item) -> Item:
        """Return an item of a feed under the record keys that stand for its own."""
        if isinstance(item, RawRecord):
            source = item.source
            return msgspec.structs.replace(
                item,
                source_id=self.source_id(source, item.source_id),
                merged_into=self.source_id(source, item.merged_into) if item.merged_into else "",
                replaces=tuple(self.source_id(source, old) for old in item.replaces),
            )
        if isinstance(item, RejectedItem) and item.key:
            return msgspec.structs.replace(item, key=self.key(item.key))
        return item


def record_keys(settings: VaultSettings) -> RecordKeys:
    """Return the maker of record keys of this vault."""
    with KeyVault(settings) as vault:
        return RecordKeys(vault.secret(PURPOSE))
