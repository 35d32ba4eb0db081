"""Which of several statements about a child is shown: small rules as data, each with the reason for it.

Survivorship happens here, after linkage, and never feeds back into it. A rule orders the statements of a child's live
records and the first one is shown; for lists (names, carers, schools, services) it orders the list and decides which of
two statements about the same thing is kept. Every order ends with the record key, so that it never depends on arrival.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from projections.directory.state import RecordVersion


@dataclass(frozen=True, slots=True)
class RecordOrder:
    """How a child's records are ordered: by kind of source and then the latest, or the other way round."""

    first: Literal["source", "newest"]
    sources: tuple[str, ...]
    _ranks: dict[str, int] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ranks", {kind: rank for rank, kind in enumerate(self.sources)})

    def sort(self, records: Sequence[RecordVersion]) -> Sequence[RecordVersion]:
        """Return the records, best first; kinds of source not listed and records without a time come last."""
        if len(records) < 2:
            return records
        ranks = self._ranks
        if self.first == "source":
            return sorted(records, key=lambda r: (ranks.get(r.source_kind, _LAST), -(r.recorded_at or 0), r.record_key))
        return sorted(records, key=lambda r: (-(r.recorded_at or 0), ranks.get(r.source_kind, _LAST), r.record_key))


@dataclass(frozen=True, slots=True)
class Rule:
    """How statements for one field are ordered, best first: by what kind of statement it is, then by its record.

    `claims` ranks the kinds of statement (lower is better; empty where all are alike).
    """

    name: str
    order: RecordOrder
    why: str
    claims: Mapping[str, int] = field(default_factory=dict)

    def rank(self, claim: str) -> int:
        """Return the rank of a kind of statement; one that the rule does not know comes last."""
        return self.claims.get(claim, _LAST)


_LAST = 99
LATEST_FIRST = RecordOrder("newest", ("schools", "health", "yot", "eborders"))
HEALTH_FIRST = RecordOrder("source", ("health", "schools", "yot", "eborders"))

_RULES: tuple[Rule, ...] = (
    Rule(
        "names",
        LATEST_FIRST,
        "A legal name comes before a preferred one, an alias, a temporary one (such as that of a new-born) and a "
        "former one; among equals the latest statement, because surnames change.",
        claims={"legal": 0, "preferred": 1, "alias": 2, "temporary": 3, "former": 4},
    ),
    Rule(
        "sex",
        HEALTH_FIRST,
        "A stated sex comes before a statement that it is not specified; health services record it at birth.",
        claims={"female": 0, "male": 0, "not_specified": 1},
    ),
    Rule(
        "birth_date",
        HEALTH_FIRST,
        "A stated date comes before an estimated one and an expected one; health services know it from the birth "
        "notification, a travel document copies it.",
        claims={"stated": 0, "estimated": 1, "expected": 2},
    ),
    Rule("death_date", HEALTH_FIRST, "Health services are told of a death first."),
    Rule(
        "whereabouts",
        LATEST_FIRST,
        "If any source withholds the address, none is shown. Otherwise the latest statement of where the child lives "
        "or that the child left England, then the last known address, then that none is known (Schedule 1, para. 2).",
        claims={"withheld": 0, "current": 1, "left_england": 1, "last_known": 2, "none_known": 3},
    ),
    Rule(
        "carers",
        LATEST_FIRST,
        "Carers with parental responsibility first; of two statements about one carer the latest.",
        claims={"responsible": 0, "other": 1},
    ),
    Rule(
        "education",
        LATEST_FIRST,
        "Institutions that the child attends before those that it left; the institution's own latest statement.",
        claims={"open": 0, "ended": 1},
    ),
    Rule(
        "primary_care",
        HEALTH_FIRST,
        "Health services know the practice; others repeat what a parent said.",
    ),
    Rule(
        "involvements",
        LATEST_FIRST,
        "Services that work with the child now before those that have ended; the latest statement about each.",
        claims={"open": 0, "ended": 1},
    ),
    Rule(
        "responsible_authority",
        LATEST_FIRST,
        "An authority that took the child over; without such a decision the latest statement of a source.",
    ),
)

RULES: Mapping[str, Rule] = MappingProxyType({rule.name: rule for rule in _RULES})
