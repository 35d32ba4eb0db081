"""What a batch knows after each of its steps: announced, surveyed, reserved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matching.changes import RecordRow, SourceChange
from matching.linkage.hashing import Hashes, Indices
from matching.shared.neighbours import Neighbours
from matching.shared.survey import Content, Findings


class ConflictError(Exception):
    """Another worker holds what this batch needs; `needed` are all records to reserve next time. Nothing was done."""

    def __init__(self, needed: Indices) -> None:
        super().__init__("another worker holds what this batch needs")
        self.needed = needed


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

    `keys` are the blocking keys of `contents`, `key_rids` the record of each, `at` its place in `contents`; `own` are
    the changed records, `merges` the pairs of which a source merged one into the other.
    """

    changes: Sequence[SourceChange]
    rid_of: Mapping[str, int]
    contents: list[Content]
    at: Indices
    keys: Hashes
    key_rids: Indices
    own: Indices
    merges: Neighbours


@dataclass(frozen=True, slots=True)
class Surveyed:
    """What a batch's contents may be linked with, and all records that it will have to reserve, as far as is known."""

    findings: Findings
    expected: Indices


@dataclass(frozen=True, slots=True)
class Reserved:
    """What a batch reads once everything is reserved: its records' neighbours, its hints, and the rows it needs."""

    neighbours: Neighbours
    hints: Neighbours
    rows: list[RecordRow]
