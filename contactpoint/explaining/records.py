"""The records behind a child, now or as of a past time, with all that speaks for and against their being one child."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from shlex import quote

from psycopg import Connection
from psycopg.rows import TupleRow

from connectors.kafka import read_places
from connectors.postgres import wrap_errors
from contactpoint.explaining.sight import Sight
from contactpoint.explaining.statements import decision_book, stated
from contactpoint.model_tools.files import ModelFiles
from matching.changes import RecordRow
from matching.features import ChangeReader
from matching.linkage.evidence import Evidence, connected_as, evidence_among
from matching.linkage.model import LinkageModel
from matching.sql import QUERIES
from projections.audit_trail.reader import AuditReader, History, IdentityStep, RecordStep
from schemas.decisions import DecisionEvent
from schemas.errors import RejectedError
from schemas.in_force import in_force
from schemas.settings import KafkaSettings


@dataclass(frozen=True, slots=True)
class PastRecord:
    """One record as it was known: its version in the source's own order, and when it was received."""

    record: str
    version: int
    received: datetime
    event_id: str


@dataclass(frozen=True, slots=True)
class Known:
    """What was known of a child: its records, the decisions in force, and the evidence among them."""

    child_number: str
    members: tuple[str, ...]
    evidence: Evidence
    decisions: dict[str, DecisionEvent]
    records: tuple[PastRecord, ...] = ()
    decided_at: datetime | None = None


def known_now(
    connection: Connection[TupleRow], model: LinkageModel, decisions: Iterable[DecisionEvent], children: Sequence[str]
) -> Known:
    """Return the records of these children as they stand; raise RejectedError for a number that is not in use."""
    rows: list[RecordRow] = []
    for child in children:
        with wrap_errors():
            found = connection.execute(QUERIES["rows_of_child"], {"child_number": child}).fetchall()
        if not found:
            raise RejectedError(
                "child_unknown", f"child number {child} is not in use: see `contactpoint lineage {quote(child)}`"
            )
        rows += map(RecordRow._make, found)
    held = list(decisions)
    members = tuple(sorted(row.key for row in rows))
    must, cannot = stated(decision_book(held), merges_of(connection, members), members)
    records = [(row.key, row.source, row.values, row.verified) for row in rows]
    place = {key: i for i, key in enumerate(members)}
    groups = [sorted(place[row.key] for row in rows if row.child_number == child) for child in children]
    evidence = connected_as(evidence_among(model, records, must, cannot), groups)
    return Known(", ".join(children), members, evidence, in_force(held))


def known_at(
    connection: Connection[TupleRow],
    kafka: KafkaSettings,
    models: ModelFiles,
    decisions: Iterable[DecisionEvent],
    sight: Sight,
    when: tuple[str, datetime],
) -> Known:
    """Return what was known of a child (its number) at a time, read again from the log.

    What had been received by then counts, under the model that had decided the membership and the decisions that were
    in force. Raises RejectedError when the number was not in use then, or needs a right that `sight` has not.
    """
    child, at = when
    history = AuditReader(connection).history(child)
    sight.demand_right_to(child, history.identity)
    step = membership_at(history, child, at)
    model = models.of(step.model)
    held = list(decisions)
    newest = newest_at(history.records, at)
    live = [newest[key] for key in step.members if key in newest and newest[key].kind == "observed"]
    reader = ChangeReader(model)
    places = [(each.topic, each.part, each.log_offset) for each in live]
    changes = [reader.read(message.value) for message in read_places(kafka, places) if not message.erased]
    compared = [(each.key, each.source, each.values, each.verified) for each in changes]
    merges = _merges(history.records, at)
    among = evidence_among(model, compared, *stated(decision_book(held, at), merges, step.members))
    evidence = connected_as(among, [range(len(compared))])
    records = tuple(PastRecord(e.record_key, e.source_version, e.ingested_at, e.event_id) for e in live)
    return Known(child, step.members, evidence, in_force(held, at), records, step.decided_at)


def members_of(connection: Connection[TupleRow], child: str) -> tuple[str, ...]:
    """Return the record keys of a child in use."""
    with wrap_errors():
        rows = connection.execute(QUERIES["rows_of_child"], {"child_number": child}).fetchall()
    return tuple(RecordRow._make(row).key for row in rows)


def merges_of(connection: Connection[TupleRow], members: Sequence[str]) -> list[tuple[str, str]]:
    """Return (loser, survivor) of every merge that these records have a part in, perhaps by way of others."""
    found: dict[str, str] = {}
    waiting = set(members)
    while waiting:
        with wrap_errors():
            rows = connection.execute(QUERIES["merges_about"], {"keys": sorted(waiting)}).fetchall()
        fresh = {loser: survivor for loser, survivor in rows if loser not in found}
        found |= fresh
        waiting = set(fresh) | set(fresh.values())
    return sorted(found.items())


def membership_at(history: History, child: str, at: datetime) -> IdentityStep:
    """Return the step that decided who belonged to the child then; raise RejectedError if its number was not in use."""
    own = [step for step in history.identity if step.child_number == child]
    if not own:
        raise RejectedError("child_unknown", f"the audit trail does not know the child number {child}")
    then = [step for step in own if step.decided_at <= at]
    if not then:
        first = min(step.decided_at for step in own)
        raise RejectedError("not_in_use_then", f"child number {child} came into use at {first.isoformat()}")
    last = max(then, key=lambda step: (step.version, step.kind))
    if not last.members:
        became = f"{last.kind} at {last.decided_at.isoformat()}: see `contactpoint lineage {quote(child)}`"
        raise RejectedError("not_in_use_then", f"child number {child} was {became}")
    return last


def newest_at(steps: Iterable[RecordStep], at: datetime) -> dict[str, RecordStep]:
    """Return the newest version of each record among those received by then: the order that matching has."""
    newest: dict[str, RecordStep] = {}
    for step in steps:
        known = newest.get(step.record_key)
        if step.ingested_at <= at and (known is None or _order(step) > _order(known)):
            newest[step.record_key] = step
    return newest


def _order(step: RecordStep) -> tuple[int, str, bool]:
    return step.source_version, step.fingerprint, step.kind != "observed"


def _merges(steps: Iterable[RecordStep], at: datetime) -> list[tuple[str, str]]:
    """Return (loser, survivor) of the newest merge of each record received by then."""
    newest: dict[str, RecordStep] = {}
    for step in steps:
        known = newest.get(step.record_key)
        if step.kind == "merged" and step.ingested_at <= at and (known is None or _order(step) > _order(known)):
            newest[step.record_key] = step
    return [(key, step.survivor) for key, step in newest.items() if step.survivor]
