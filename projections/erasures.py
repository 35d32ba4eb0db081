"""Erasures as projections read them: which records, up to which source version. Pure."""

from __future__ import annotations

import msgspec

ERASED = "erasure.ordered"


class _Record(msgspec.Struct, frozen=True):
    key: str
    source_version: int


class _Erasure(msgspec.Struct, frozen=True):
    records: tuple[_Record, ...]


def floors_of(data: msgspec.Raw) -> dict[str, int]:
    """Return the record keys that an erasure names, each with the highest source version that is erased."""
    floors: dict[str, int] = {}
    for record in msgspec.json.decode(data, type=_Erasure).records:
        floors[record.key] = max(record.source_version, floors.get(record.key, record.source_version))
    return floors
