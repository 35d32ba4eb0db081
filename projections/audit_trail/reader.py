"""Reads the audit trail: the history of a child, the events of a record, and where a number leads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connectors.postgres import sql_blocks, wrap_errors
from projections.audit_trail.lineage import Lineage, NumberStep, Severance, lineage
from projections.base import Rows

_SQL = sql_blocks("projections.audit_trail.sql", "reader")
_CENTIBITS = 100


@dataclass(frozen=True, slots=True)
class EvidencePair:
    """One compared pair as an identity event tells it; the weight is in bits."""

    left: str
    right: str
    weight: float
    levels: tuple[int, ...]
    model: str
    event_id: str


@dataclass(frozen=True, slots=True)
class IdentityStep:
    """What one identity event did to a child number: the membership before and after, and what caused it."""

    event_id: str
    child_number: str
    kind: str
    version: int
    decided_at: datetime
    founder: str | None
    members: tuple[str, ...]
    before: tuple[tuple[str, tuple[str, ...]], ...]
    successors: tuple[str, ...]
    causes: tuple[str, ...]
    model: str
    evidence: tuple[EvidencePair, ...]

    @property
    def records(self) -> frozenset[str]:
        """The records of the child before and after."""
        return frozenset(self.members).union(*(keys for _, keys in self.before))


@dataclass(frozen=True, slots=True)
class RecordStep:
    """What one source event said: which record at which version, and which items it held (never their values).

    `topic`, `part` and `log_offset` are where the event stands in the log.
    """

    event_id: str
    record_key: str
    kind: str
    feed: str
    source_version: int
    fingerprint: str
    source_time: datetime | None
    ingested_at: datetime
    items: tuple[str, ...]
    survivor: str | None
    topic: str
    part: int
    log_offset: int


@dataclass(frozen=True, slots=True)
class History:
    """Everything that the trail says about a child number, and about the numbers that it came from."""

    child_number: str
    identity: tuple[IdentityStep, ...]
    records: tuple[RecordStep, ...]


class AuditReader:
    """Look-ups in the trail on one connection; errors are those of `connectors.postgres`."""

    def __init__(self, connection: Rows) -> None:
        self._connection = connection

    def history(self, child_number: str) -> History:
        """Return every identity event of the child in order, and every event of each record that was ever a member."""
        steps = self._identity_steps(child_number)
        keys = {key for step in steps for key in step.members}
        keys.update(key for step in steps for _, members in step.before for key in members)
        return History(child_number, tuple(steps), tuple(self.records(sorted(keys))))

    def records(self, record_keys: Sequence[str]) -> list[RecordStep]:
        """Return the events of these records, by record and in the source's own order of versions."""
        return self._record_steps("record_history", record_keys)

    def lineage(self, child_number: str, severances: Sequence[Severance] = ()) -> Lineage:
        """Say where a number leads, whenever it was issued; severed identities stay apart (module `lineage`)."""
        with wrap_errors():
            rows = self._connection.execute(_SQL["lineage"], (child_number,)).fetchall()
        return lineage(child_number, [_number_step(*row) for row in rows], severances)

    def kinds_of(self, event_ids: Iterable[str]) -> dict[str, str]:
        """Return the types of these events, as far as the trail knows them."""
        wanted = list(event_ids)
        with wrap_errors():
            return dict(self._connection.execute(_SQL["kinds_of_events"], (wanted, wanted)).fetchall())

    def counts(self) -> dict[str, int]:
        """Return how many source and identity events the trail holds."""
        with wrap_errors():
            row = self._connection.execute(_SQL["counts"]).fetchone() or (0, 0)
        return {"source_event": row[0], "identity_event": row[1]}

    def _identity_steps(self, child_number: str) -> list[IdentityStep]:
        with wrap_errors():
            return [_identity_step(row) for row in self._connection.execute(_SQL["identity_history"], (child_number,))]

    def _record_steps(self, query: str, keys: Sequence[str]) -> list[RecordStep]:
        with wrap_errors():
            rows = self._connection.execute(_SQL[query], (list(keys),)).fetchall()
        return [_record_step(*row) for row in rows]


def _number_step(
    number: str, event_type: str, version: int, decided_at: datetime, members: list[str], before: Any, *rest: list[str]
) -> NumberStep:
    own = tuple(key for each in before if each["child_number"] == number for key in each["members"])
    successors, causes = rest
    return NumberStep(
        number, _kind(event_type), version, decided_at, tuple(members), own, tuple(successors), tuple(causes)
    )


def _record_step(event_id: str, record_key: str, event_type: str, *rest: Any) -> RecordStep:
    *times, items, survivor, topic, part, log_offset = rest
    feed, source_version, fingerprint, source_time, ingested_at = times
    return RecordStep(
        event_id,
        record_key,
        _kind(event_type),
        feed,
        source_version,
        fingerprint,
        source_time,
        ingested_at,
        tuple(items),
        survivor,
        topic,
        part,
        log_offset,
    )


def _identity_step(row: tuple[Any, ...]) -> IdentityStep:
    event_id, child, event_type, version, decided_at, founder, members, before, successors, causes, model, evidence = (
        row
    )
    return IdentityStep(
        event_id,
        child,
        _kind(event_type),
        version,
        decided_at,
        founder,
        tuple(members),
        tuple((each["child_number"], tuple(each["members"])) for each in before),
        tuple(successors),
        tuple(causes),
        model,
        tuple(
            EvidencePair(
                each["left"], each["right"], each["weight"] / _CENTIBITS, tuple(each["levels"]), model, event_id
            )
            for each in evidence
        ),
    )


def _kind(event_type: str) -> str:
    """Return `merged` for `identity.merged`."""
    return event_type.partition(".")[2]
