"""What goes into the resident owner and what comes out: source changes in, one delta a batch out.

These are named tuples and not dataclasses because thousands are made a second: a tuple is built in a fifth of the
time, and a row goes into COPY as it is. Nothing here knows Kafka, PostgreSQL or bytes of events.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from matching.linkage.columns import SEPARATOR
from matching.linkage.decisions import Decision
from schemas.conflicts import ConflictKind

ChangeKind = Literal["observed", "withdrawn", "merged", "erased"]
IdentityKind = Literal["created", "changed", "merged", "split", "held", "released", "retired"]
ConflictStep = Literal["opened", "changed", "closed"]


class SourceChange(NamedTuple):
    """One source event, reduced to what linkage needs.

    `version` and `fingerprint` order the versions of one record; `ingested_at` is in µs. `row` are the normalised
    values in the order of `LinkageModel.fields` ("" = missing, alternates joined by "|"), joined by SEPARATOR, given
    when the kind is observed; `merged_into` is the surviving record's key, given when the kind is merged. `authority`
    is the responsible one that the source names, `verified` the numbers that it has verified (`marks.VERIFIED`):
    neither is compared. `prepared` is what `Preparer` made of `row`, if the reader had it done (b"" = not). A change of
    kind "erased" is made of a decision, never of a source event.
    """

    key: str
    source: str
    kind: ChangeKind
    version: int
    fingerprint: str
    ingested_at: int
    event_id: str
    row: str | None = None
    merged_into: str | None = None
    authority: str = ""
    verified: int = 0
    prepared: bytes = b""

    @property
    def values(self) -> tuple[str, ...]:
        """The values one by one, none unless the kind is observed."""
        return () if self.row is None else tuple(self.row.split(SEPARATOR))


class RecordRow(NamedTuple):
    """The durable form of one record: a row of matching.record, whole. `ResidentOwner.load(rows)` reads it again.

    `rid` is a small number given once by the owner and used in edges. (`version`, `fingerprint`) is the newest
    version seen, whatever its kind. `merged_into`, `merged_version`, `merged_fingerprint` are the newest merge that
    the source sent about this record, which may be older than its newest version ("", 0, "" = none).
    `content_version` counts how often the record's features changed; an edge holds while both of its records still
    have the content versions at which it was found. `child_number` is None and `features` and `edges` are empty while
    the record is not live. `features`: UTF-8 of the values joined by U+001F. `edges`: `matching.linkage.edges.EDGE`
    structs, 16 bytes each. `authority` and `verified` are as in `SourceChange`, "" and 0 while not live.
    """

    rid: int
    key: str
    source: str
    version: int
    fingerprint: str
    ingested_at: int
    live: bool
    merged_into: str
    merged_version: int
    merged_fingerprint: str
    content_version: int
    child_number: str | None
    features: bytes
    edges: bytes
    authority: str
    verified: int

    @property
    def values(self) -> list[str]:
        """The values one by one."""
        return self.features.decode().split(SEPARATOR)


class RowLabel(NamedTuple):
    """The small part of a row that changes without a comparison: only these columns of row `rid` are written."""

    rid: int
    version: int
    fingerprint: str
    ingested_at: int
    child_number: str | None


class EvidencePair(NamedTuple):
    """Two records of one identity and how well they agree: total weight in 1/100 bit, level code per comparison."""

    left: str
    right: str
    weight: int
    levels: tuple[int, ...]


class FormerChild(NamedTuple):
    """A child number and the record keys (sorted) that it had before a change."""

    child_number: str
    members: tuple[str, ...]


class IdentityChange(NamedTuple):
    """What became of one child number in a batch. `members` is always the whole membership afterwards, sorted.

    created: the number is new (or restored). changed: it stays, with other members. merged: it is retired into the
    one successor. split: part or all of its members went to `successors`; `members` are those that stay. retired: its
    last record was withdrawn. held, released: only the flag changed. `founder` is the record key that the number is
    made from. `before` are the memberships that this one was made of, its own former one included; `causes` the ids of
    the events that brought it about; `evidence` the pairs at or above the review floor between members that were not
    together before. A `held` child may be a shielded one; `conflicts` are the ids of the open questions that hold it,
    `decisions` those in force that name a member.
    """

    kind: IdentityKind
    child_number: str
    version: int
    founder: str
    members: tuple[str, ...]
    before: tuple[FormerChild, ...]
    successors: tuple[str, ...]
    causes: tuple[str, ...]
    evidence: tuple[EvidencePair, ...]
    held: bool = False
    conflicts: tuple[str, ...] = ()
    decisions: tuple[str, ...] = ()


class ConflictState(NamedTuple):
    """All that is known of one conflict: a function of the records, the model and the decisions (`schemas.conflicts`).

    `records` are those it is about (sorted), `children` the numbers they have (sorted); `held` is the number of the
    child that the question holds, "" if it holds none.
    """

    kind: ConflictKind
    records: tuple[str, ...]
    children: tuple[str, ...]
    evidence: tuple[EvidencePair, ...]
    decisions: tuple[str, ...]
    authority: str
    shielded: bool
    held: str


class ConflictChange(NamedTuple):
    """What became of one conflict in a batch: its state now, or the last one when it closed."""

    step: ConflictStep
    conflict_id: str
    version: int
    state: ConflictState


@dataclass(frozen=True, slots=True)
class Delta:
    """All that one batch changes. Written in one transaction; a repeat of the same batch would be refused by position.

    `inserted` are rows never written before, `rewritten` whole rows that replace those of the same rid, `relabelled`
    the rows of which only the label changed. No rid occurs twice. `identities` are in order of child number,
    `conflicts` in order of id; `decisions` are those not seen before.
    """

    batch: int
    model_id: str
    inserted: list[RecordRow]
    rewritten: list[RecordRow]
    relabelled: list[RowLabel]
    identities: list[IdentityChange]
    decisions: list[Decision] = field(default_factory=list)
    conflicts: list[ConflictChange] = field(default_factory=list)
