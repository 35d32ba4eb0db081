"""A child as the directory showed it at a past time, made again from the log by the directory's own fold."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow

from connectors.kafka import read_places, read_spans, read_to_end, watermarks
from contactpoint.explaining.records import membership_at, newest_at
from contactpoint.explaining.sight import Sight
from projections.audit_trail.reader import AuditReader, IdentityStep, RecordStep
from projections.directory.fold import add_decision, add_identity, add_record, fold_into
from projections.directory.memory import InMemoryDirectory
from projections.directory.rulings import view_of
from projections.directory.state import Batch
from projections.directory.views import IdentityView, RecordView
from schemas.codec import decode_as
from schemas.errors import RejectedError
from schemas.settings import KafkaSettings
from schemas.topics import DECISIONS, IDENTITIES

_CLOCKS_APART = timedelta(hours=1)  # by so much at most a broker's clock may be behind


def entry_at(
    connection: Connection[TupleRow], kafka: KafkaSettings, sight: Sight, child: str, at: datetime
) -> dict[str, Any]:
    """Return the entry that followed from all that had been received and decided by then; what is erased is gone.

    A shield or a severance of today hides what was open then. Raises RejectedError for whoever may not see it, and when
    the number was not in use then or the directory showed nothing of the child.
    """
    history = AuditReader(connection).history(child)
    sight.demand_right_to(child, history.identity)
    step = membership_at(history, child, at)
    members = step.members
    sight.demand_right(members)
    newest = newest_at(history.records, at)
    batch = Batch()
    _add_records(batch, kafka, [newest[key] for key in members if key in newest])
    _add_identity(batch, kafka, step)
    _add_decisions(batch, kafka, at)
    state = InMemoryDirectory()
    fold_into(state, batch)
    if child not in state.entries:
        raise RejectedError("not_shown_then", f"the directory showed nothing of {child} then, or it is erased since")
    found: dict[str, Any] = json.loads(state.entries[child].document)
    return found


def _add_records(batch: Batch, kafka: KafkaSettings, steps: list[RecordStep]) -> None:
    for message in read_places(kafka, [(each.topic, each.part, each.log_offset) for each in steps]):
        if not message.erased:
            add_record(batch, decode_as(message.value, RecordView), message.topic.partition(".")[2])


def _add_identity(batch: Batch, kafka: KafkaSettings, step: IdentityStep) -> None:
    """Find the event of this step, published soon after it was decided; the trail does not know who is held."""
    since = watermarks(kafka, [IDENTITIES], step.decided_at - _CLOCKS_APART)
    lately = chain.from_iterable(read_spans(kafka, since))
    for message in chain(lately, read_to_end(kafka, [IDENTITIES])):
        if message.key == step.child_number.encode():
            view = decode_as(message.value, IdentityView)
            if view.event_id == step.event_id:
                add_identity(batch, view)
                return


def _add_decisions(batch: Batch, kafka: KafkaSettings, at: datetime) -> None:
    for message in read_to_end(kafka, [DECISIONS]):
        with suppress(RejectedError):  # what no stage can read, or is erased, decides nothing
            view = view_of(message.value)
            if view.decided_at <= at:
                add_decision(batch, view)
