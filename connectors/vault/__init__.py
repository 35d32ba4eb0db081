"""The vault: one data key a source record, wrapped by the key-encryption key, in a database schema of its own.

Ingest seals what it publishes, every reader opens what it reads, and destroying the keys of a child's records makes the
log, its copies and the dead letters unreadable for that child.
"""

from __future__ import annotations

from connectors.vault.keys import ERASED, KeyVault, letter_key
from connectors.vault.record_keys import RecordKeys, record_keys
from connectors.vault.sealer import Plain, Sealer

__all__ = ["ERASED", "KeyVault", "Plain", "RecordKeys", "Sealer", "letter_key", "record_keys"]
