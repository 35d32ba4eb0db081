"""From an appended entry to a leaf: numbered, sealed in what it says about a child, canonical, hashed and signed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import rfc8785
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from projections.access.merkle import leaf_hash
from projections.access.note import LEAF_CONTEXT, Signer
from projections.access.sealing import seal

SECRET = ("child", "query", "reason")
_OPEN = (
    "action", "decision", "who", "mediator", "purpose", "fields", "results", "refusal", "keys", "policy", "request",
)  # fmt: skip


class Pending(NamedTuple):
    """A committed entry without a number."""

    entry_id: int
    entry: Mapping[str, Any]
    at: datetime

    @property
    def child(self) -> str | None:
        """The number of the child that it is about."""
        child = self.entry.get("child")
        return None if child is None else str(child)

    def has_secret(self) -> bool:
        """Tell whether anything in it must be sealed."""
        return any(name in self.entry for name in SECRET)


class ChildKey(NamedTuple):
    """The key that seals what is said about one child, and the name it goes by in the trail."""

    ref: str
    key: AESGCM


class LeafRow(NamedTuple):
    """A row of `audit.entry`, column for column."""

    leaf: int
    entry_id: int
    at: datetime
    user_id: str
    mediator_id: str | None
    action: str
    decision: str
    request: str
    key_ref: str | None
    leaf_hash: bytes
    signature: bytes
    body: str


def make_leaf(number: int, pending: Pending, key: ChildKey | None, signer: Signer) -> LeafRow:
    """Return the leaf with this number; without a key (an erased child) its secrets are left out for good."""
    entry = pending.entry
    body: dict[str, Any] = {name: entry[name] for name in _OPEN if name in entry}
    body |= {"v": 1, "leaf": number, "entry": pending.entry_id, "time": utc(pending.at)}
    if key is not None:
        secret = {name: entry[name] for name in SECRET if name in entry}
        body["sealed"] = {"key": key.ref, "box": seal(key.key, pending.entry_id, secret)}
    data = rfc8785.dumps(body)
    hashed = leaf_hash(data)
    return LeafRow(
        leaf=number,
        entry_id=pending.entry_id,
        at=pending.at,
        user_id=entry["who"]["user"],
        mediator_id=entry.get("mediator", {}).get("user"),
        action=entry["action"],
        decision=entry["decision"],
        request=entry["request"],
        key_ref=None if key is None else key.ref,
        leaf_hash=hashed,
        signature=signer.sign(LEAF_CONTEXT + hashed),
        body=data.decode(),
    )


def utc(at: datetime) -> str:
    """Return a time as the trail writes it: UTC, microseconds, Z."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
