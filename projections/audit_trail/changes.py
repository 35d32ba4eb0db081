"""What changed between two versions of a record: worked out from the log, because the trail itself holds no values."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.kafka import ReadMessage, read_places
from projections.audit_trail.fold import changed_items
from projections.audit_trail.reader import RecordStep
from schemas.codec import decode
from schemas.errors import FatalError
from schemas.events import RecordObserved
from schemas.records import PersonRecord
from schemas.settings import KafkaSettings


def changes(kafka: KafkaSettings, steps: Sequence[RecordStep]) -> dict[str, list[str]]:
    """Return, by event id, the names of the items that each version changed in its record.

    `steps` are whole histories of records as `AuditReader.records` gives them, each record's versions in order. Raises
    RetriableError when the log does not answer and FatalError when it holds another event at the noted place.
    """
    found: dict[str, list[str]] = {}
    record_key, before = "", None
    places = [(step.topic, step.part, step.log_offset) for step in steps]
    for step, message in zip(steps, read_places(kafka, places), strict=True):
        if step.record_key != record_key:
            record_key, before = step.record_key, None
        after = None if message.erased else _person(message, step)
        found[step.event_id] = changed_items(before, after)
        before = after
    return found


def _person(message: ReadMessage, step: RecordStep) -> PersonRecord | None:
    """Return what the event said about the person; None when it withdrew or merged the record."""
    event = decode(message.value)
    if event.event_id != step.event_id:
        reason = f"the log holds another event at {step.topic} {step.part}/{step.log_offset}: rebuild the audit trail"
        raise FatalError(reason)
    return event.data if isinstance(event, RecordObserved) else None
