"""A new model on the real log, beside the live one: what would change. Reads only; nothing is published.

The log is read up to the positions at which the live tables stand, so both have seen the same. Decisions are applied as
they are: whatever the model, people outrank it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from psycopg import Connection
from psycopg.rows import TupleRow

from connectors.kafka import Positions, ReadMessage, Watermarks, read_spans
from connectors.postgres import wrap_errors
from contactpoint.model_tools.memberships import memberships
from contactpoint.model_tools.outcome import Outcome
from matching.changes import SourceChange
from matching.decision_reader import read_decision
from matching.features import ChangeReader
from matching.linkage.decisions import Decision
from matching.linkage.model import LinkageModel
from matching.resident.owner import ResidentOwner
from matching.stage.store import read_conflicts, read_positions
from schemas.errors import ConfigurationError, RejectedError
from schemas.settings import KafkaSettings
from schemas.topics import DECISIONS

log = structlog.get_logger(__name__)


Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Live:
    """What the live tables hold at one moment, and how far of the log it is made of."""

    outcome: Outcome
    positions: Positions


def read_live(connection: Connection[TupleRow]) -> Live:
    """Return the live outcome and its positions, in one snapshot."""
    with wrap_errors(), connection.transaction():
        connection.execute("set transaction isolation level repeatable read")
        conflicts = dict(read_conflicts(connection))
        held = frozenset(state.held for state in conflicts.values() if state.held)
        outcome = Outcome(memberships(connection), held, conflicts)
        positions = {(p.topic, p.partition): p.next_offset for p in read_positions(connection)}
    if not positions:
        message = "matching has not read anything yet: there is nothing to compare a model with"
        raise ConfigurationError(message)
    return Live(outcome, positions)


def replay(kafka: KafkaSettings, model: LinkageModel, positions: Positions, progress: Progress) -> Outcome:
    """Return what linkage by this model over the log up to these positions ends in.

    Raises ConfigurationError for a model that compares what record events do not have, FatalError when the log has lost
    its beginning, RetriableError when it does not answer.
    """
    owner, reader = ResidentOwner(model), ChangeReader(model)
    spans = {place: Watermarks(0, end) for place, end in positions.items() if end > 0}
    total, done = sum(span.high for span in spans.values()), 0
    for batch, messages in enumerate(read_spans(kafka, spans), 1):
        owner.apply(*_changes(reader, messages, batch))
        done += len(messages)
        progress(done, total)
    return Outcome(owner.memberships(), frozenset(owner.holds()), owner.conflicts())


def _changes(
    reader: ChangeReader, messages: Sequence[ReadMessage], batch: int
) -> tuple[list[SourceChange], int, list[Decision]]:
    """Return one batch for the owner; what is no event is passed over, as matching sends it to the dead letters."""
    changes: list[SourceChange] = []
    decisions: list[Decision] = []
    for message in messages:
        try:
            if message.topic == DECISIONS:
                decisions += read_decision(message.value)
            else:
                changes.append(reader.read(message.value))
        except RejectedError as error:
            log.debug("message_passed_over", topic=message.topic, place=str(message.offset), code=error.code)
    return changes, batch, decisions


def differences_from_tables(live: Outcome, replayed: Outcome) -> dict[str, Any]:
    """Return in how many children the live tables and a replay by the live model differ: none, unless one is broken."""
    different = [
        number
        for number in live.memberships.keys() | replayed.memberships.keys()
        if live.memberships.get(number) != replayed.memberships.get(number)
    ]
    return {"children in which the live tables differ from a replay by the live model": len(different)}
