"""What changed between two versions of a record: worked out from the log, because the trail itself holds no values."""

from __future__ import annotations

import time
from collections.abc import Sequence

from connectors.kafka import PartitionReader, ReadMessage
from projections.audit_trail.fold import changed_items
from projections.audit_trail.reader import RecordStep
from schemas.codec import decode
from schemas.errors import FatalError, RetriableError
from schemas.events import RecordObserved
from schemas.records import PersonRecord
from schemas.settings import KafkaSettings

_PATIENCE = 10.0  # seconds for one event to come from the log


def changes(kafka: KafkaSettings, steps: Sequence[RecordStep]) -> dict[str, list[str]]:
    """Return, by event id, the names of the items that each version changed in its record.

    `steps` are whole histories of records as `AuditReader.records` gives them, each record's versions in order. Raises
    RetriableError when the log does not answer and FatalError when it holds another event at the noted place.
    """
    found: dict[str, list[str]] = {}
    record_key, before = "", None
    with PartitionReader(kafka, {}) as reader:
        for step in steps:
            if step.record_key != record_key:
                record_key, before = step.record_key, None
            after = _person(reader, step)
            found[step.event_id] = changed_items(before, after)
            before = after
    return found


def _person(reader: PartitionReader, step: RecordStep) -> PersonRecord | None:
    """Return what the event said about the person; None when it withdrew or merged the record."""
    event = decode(_read(reader, step).value)
    if event.event_id != step.event_id:
        message = f"the log holds another event at {step.topic} {step.part}/{step.log_offset}: rebuild the audit trail"
        raise FatalError(message)
    return event.data if isinstance(event, RecordObserved) else None


def _read(reader: PartitionReader, step: RecordStep) -> ReadMessage:
    reader.start_from({(step.topic, step.part): step.log_offset})
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        for messages in reader.read(1, 1.0).values():
            return messages[0]
    message = f"the log did not answer within {_PATIENCE:.0f} seconds"
    raise RetriableError(message)
