"""Cursors of one record: which of its parts changed since somebody last asked. Pure.

A cursor is a keyed digest of each part as the person may see it, so it holds nothing that could be read or guessed, and
what becomes hidden changes it as if it had gone.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

PARTS = (
    *("names", "sex", "birth_date", "death_date", "whereabouts", "carers", "education", "primary_care"),
    *("involvements", "lead_professional", "assessment", "responsible_authority"),
)
_SIZE = 6
_SEAL = 16


class CursorError(ValueError):
    """The cursor was not made by this service for this person and child."""


def cursor_of(key: bytes, owner: str, record: Mapping[str, Any]) -> str:
    """Return the cursor of a record as it is now, for one person."""
    marks = b"".join(_mark(key, record, part) for part in PARTS)
    return base64.urlsafe_b64encode(marks + _seal(key, owner, record, marks)).decode()


def changed_since(key: bytes, owner: str, record: Mapping[str, Any], cursor: str) -> list[str]:
    """Return the parts that differ from those of the cursor; raise CursorError when it is not one of theirs."""
    try:
        raw = base64.b64decode(cursor, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise CursorError("the cursor is damaged") from None
    marks = raw[:-_SEAL]
    if len(marks) != _SIZE * len(PARTS) or not hmac.compare_digest(raw[-_SEAL:], _seal(key, owner, record, marks)):
        raise CursorError("the cursor is not of this record and person")
    now = (_mark(key, record, part) for part in PARTS)
    before = (marks[at : at + _SIZE] for at in range(0, len(marks), _SIZE))
    return [part for part, old, new in zip(PARTS, before, now, strict=True) if old != new]


def _mark(key: bytes, record: Mapping[str, Any], part: str) -> bytes:
    if not record.get(part):
        return bytes(_SIZE)
    text = json.dumps([record["child_number"], part, _values(record[part])], sort_keys=True)
    return hmac.digest(key, text.encode(), hashlib.sha256)[:_SIZE]


def _values(part: Any) -> Any:
    """Return what a part says without where it comes from: another source for the same value is no change."""
    if isinstance(part, list):
        return [_values(item) for item in part]
    if isinstance(part, dict) and set(part) == {"value", "source"}:
        return part["value"]
    return part


def _seal(key: bytes, owner: str, record: Mapping[str, Any], marks: bytes) -> bytes:
    text = f"{owner}\x1f{record['child_number']}\x1f".encode()
    return hmac.digest(key, text + marks, hashlib.sha256)[:_SEAL]
