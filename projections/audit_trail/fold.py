"""The audit trail's fold: one row an event, a function of the event alone, without I/O.

A row names the items that an event holds, never their values; what changed between two versions is worked out on demand
from the log, where the values are (`changed_items`). An event that comes again has the same id and changes nothing; if
it was received twice with different times, the earlier one is kept, as matching does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from projections.audit_trail.views import IdentityEventView, RecordEventView
from projections.text import array_text
from schemas.errors import RejectedError
from schemas.records import PersonRecord

# The items of a record, in the order of the contract; the basis of a birth date is part of that item.
ITEMS = tuple(name for name in PersonRecord.model_fields if name != "birth_date_basis")
_EMPTY = frozenset({b"null", b"[]", b"{}", b'""'})
_encode = msgspec.json.Encoder().encode


class SourceEventRow(NamedTuple):
    """One event about a source record, as COPY takes it: `items` is an array in text form.

    The last three fields say where in the log it stands and are outside the digest.
    """

    event_id: str
    record_key: str
    event_type: str
    schema_version: int
    feed: str
    source_version: int
    fingerprint: str
    source_time: datetime | None
    effective_time: datetime | None
    ingested_at: datetime
    items: str
    survivor: str | None
    causation_id: str | None
    correlation_id: str | None
    topic: str
    part: int
    log_offset: int


class IdentityEventRow(NamedTuple):
    """One event about a child number, as COPY takes it: arrays in text form, `before` and `evidence` as JSON."""

    event_id: str
    child_number: str
    event_type: str
    schema_version: int
    version: int
    decided_at: datetime
    founder: str | None
    members: str
    before: str
    successors: str
    causes: str
    model: str
    evidence: str
    causation_id: str | None
    correlation_id: str | None


def source_event_row(view: RecordEventView, topic: str, part: int, log_offset: int) -> SourceEventRow:
    """Return the row of a record event that stands at this place of the log."""
    return SourceEventRow(
        view.event_id,
        view.subject,
        view.event_type,
        view.schema_version,
        view.feed,
        view.source_version,
        view.fingerprint,
        view.source_time,
        view.effective_time,
        view.ingested_at,
        array_text(items_present(view.data)),
        _survivor(view) if view.event_type == "record.merged" else None,
        view.causation_id,
        view.correlation_id,
        topic,
        part,
        log_offset,
    )


def identity_event_row(view: IdentityEventView) -> IdentityEventRow:
    """Return the row of an identity event."""
    data = view.data
    return IdentityEventRow(
        view.event_id,
        view.subject,
        view.event_type,
        view.schema_version,
        data.version,
        view.decided_at,
        data.founder,
        array_text(data.members),
        _encode(data.before).decode(),
        array_text(data.successors),
        array_text(data.causes),
        data.model,
        _encode(data.evidence).decode(),
        view.causation_id,
        view.correlation_id,
    )


def items_present(data: Mapping[str, msgspec.Raw]) -> list[str]:
    """Return the names of the permitted items that hold something."""
    return [name for name in ITEMS if name in data and bytes(data[name]) not in _EMPTY]


def changed_items(before: PersonRecord | None, after: PersonRecord | None) -> list[str]:
    """Return the names of the items in which two versions of a record differ; None is a version without data."""
    empty = PersonRecord()
    earlier, later = before or empty, after or empty
    return [name for name in ITEMS if getattr(earlier, name) != getattr(later, name)]


def earliest(rows: Iterable[SourceEventRow]) -> dict[str, SourceEventRow]:
    """Return one row an event id: the one that was received first, whatever order the rows come in."""
    kept: dict[str, SourceEventRow] = {}
    for row in rows:
        known = kept.get(row.event_id)
        if known is None or _receipt(row) < _receipt(known):
            kept[row.event_id] = row
    return kept


def _receipt(row: SourceEventRow) -> tuple[Any, ...]:
    """Return what orders the receipts of one event; PostgreSQL orders them the same way (upsert_source_events)."""
    return row.ingested_at, row.correlation_id or "", row.causation_id or "", row.feed


def _survivor(view: RecordEventView) -> str:
    try:
        return msgspec.json.decode(view.data.get("survivor", b""), type=str)
    except msgspec.DecodeError:
        raise RejectedError("event_invalid", "a merged record names no survivor") from None


def add_floors(floors: dict[str, int], more: Mapping[str, int]) -> None:
    """Add erased records, each up to the highest source version that any erasure names."""
    for key, floor in more.items():
        floors[key] = max(floor, floors.get(key, floor))


def not_erased(rows: Iterable[SourceEventRow], floors: Mapping[str, int]) -> list[SourceEventRow]:
    """Return the events that no erasure covers."""
    return [row for row in rows if row.source_version > floors.get(row.record_key, row.source_version - 1)]
