"""What a batch knows after each of its steps: announced, surveyed, reserved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matching.changes import ConflictState, RecordRow, SourceChange
from matching.linkage.columns import RecordColumns
from matching.linkage.decisions import Decision
from matching.linkage.hashing import Hashes, Indices
from matching.shared.neighbours import Neighbours
from matching.shared.survey import Content, Findings


class ConflictError(Exception):
    """Another worker holds what this batch needs, or it has to be `alone`. Nothing was done.

    `needed` are all records to reserve next time.
    """

    def __init__(self, needed: Indices, *, alone: bool = False) -> None:
        super().__init__("another worker holds what this batch needs")
        self.needed = needed
        self.alone = alone


@dataclass(slots=True)
class Totals:
    """What a linker has done: counts, and seconds by step. `conflicts` counts the batches begun again."""

    records: int = 0
    batches: int = 0
    identities: int = 0
    conflicts: int = 0
    announcing: float = 0.0
    surveying: float = 0.0
    reserving: float = 0.0
    deciding: float = 0.0
    writing: float = 0.0


@dataclass(frozen=True, slots=True)
class Announced:
    """A batch after its first transaction: its changes, the numbers of all keys it names, and what it announced.

    `columns` are those of `contents`, with whatever these were compared with behind them; `settled` are the features
    that records had, whose keys were therefore not announced again; `keys` are the blocking keys of `contents`,
    `key_rids` the record of each, `at` its place in `contents`; `own` are the changed records, `stated` the pairs that
    merges and decisions of the batch name.
    """

    changes: Sequence[SourceChange]
    rid_of: Mapping[str, int]
    contents: list[Content]
    columns: RecordColumns
    settled: Mapping[int, bytes]
    at: Indices
    keys: Hashes
    key_rids: Indices
    own: Indices
    stated: Neighbours
    decisions: Sequence[Decision]


@dataclass(frozen=True, slots=True)
class Surveyed:
    """What a batch's contents may be linked with, and all records that it will have to reserve, as far as is known."""

    findings: Findings
    expected: Indices
    alone: bool


@dataclass(frozen=True, slots=True)
class Reserved:
    """What a batch reads once everything is reserved: its records' neighbours, its hints, and all that it needs.

    `decisions` are those that speak of its records, `conflicts` those about them; `shields` says whether a shield does.
    """

    neighbours: Neighbours
    hints: Neighbours
    rows: list[RecordRow]
    decisions: Sequence[Decision]
    conflicts: Sequence[tuple[str, ConflictState]]
    shields: bool
