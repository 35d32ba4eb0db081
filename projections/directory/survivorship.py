"""Which of several statements about a child is shown: small rules as data, each with the reason for it.

Survivorship happens here, after linkage, and never feeds back into it. A rule orders the statements of a child's live
records and the first one is shown; for lists (names, carers, schools, services) it orders the list and decides which of
two statements about the same thing is kept. Every order ends with the record key, so that it never depends on arrival.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

Step = Literal["claim", "source", "newest"]
SortKey = tuple[int, int, int, str]


@dataclass(frozen=True, slots=True)
class Rule:
    """How statements for one field are ordered, best first.

    `steps` is the order of the three tests: `claim` looks up what kind of statement it is in `claims` (lower is
    better), `source` looks up which kind of source makes it in `sources`, `newest` takes the latest source time.
    """

    name: str
    steps: tuple[Step, Step, Step]
    why: str
    claims: Mapping[str, int] = field(default_factory=dict)
    sources: tuple[str, ...] = ()

    def source_ranks(self) -> Mapping[str, int]:
        """Return each kind of source with its rank; kinds that are not listed come last."""
        return {kind: rank for rank, kind in enumerate(self.sources)}


_HEALTH_FIRST = ("health", "schools", "yot", "eborders")
_SCHOOLS_FIRST = ("schools", "health", "yot", "eborders")

_RULES: tuple[Rule, ...] = (
    Rule(
        "names",
        ("claim", "newest", "source"),
        "A legal name comes before a preferred one, an alias, a temporary one (such as that of a new-born) and a "
        "former one; among equals the latest statement, because surnames change.",
        claims={"legal": 0, "preferred": 1, "alias": 2, "temporary": 3, "former": 4},
        sources=_SCHOOLS_FIRST,
    ),
    Rule(
        "sex",
        ("claim", "source", "newest"),
        "A stated sex comes before a statement that it is not specified; health services record it at birth.",
        claims={"female": 0, "male": 0, "not_specified": 1},
        sources=_HEALTH_FIRST,
    ),
    Rule(
        "birth_date",
        ("claim", "source", "newest"),
        "A stated date comes before an estimated one and an expected one; health services know it from the birth "
        "notification, a travel document copies it.",
        claims={"stated": 0, "estimated": 1, "expected": 2},
        sources=_HEALTH_FIRST,
    ),
    Rule(
        "whereabouts",
        ("claim", "newest", "source"),
        "If any source withholds the address, none is shown. Otherwise the latest statement of where the child lives "
        "or that the child left England, then the last known address, then that none is known (Schedule 1, para. 2).",
        claims={"withheld": 0, "current": 1, "left_england": 1, "last_known": 2, "none_known": 3},
        sources=_SCHOOLS_FIRST,
    ),
    Rule(
        "carers",
        ("claim", "newest", "source"),
        "Carers with parental responsibility first; of two statements about one carer the latest.",
        claims={"responsible": 0, "other": 1},
        sources=_SCHOOLS_FIRST,
    ),
    Rule(
        "education",
        ("claim", "newest", "source"),
        "Institutions that the child attends before those that it left; the institution's own latest statement.",
        claims={"open": 0, "ended": 1},
        sources=_SCHOOLS_FIRST,
    ),
    Rule(
        "primary_care",
        ("source", "newest", "claim"),
        "Health services know the practice; others repeat what a parent said.",
        sources=_HEALTH_FIRST,
    ),
    Rule(
        "involvements",
        ("claim", "newest", "source"),
        "Services that work with the child now before those that have ended; the latest statement about each.",
        claims={"open": 0, "ended": 1},
        sources=("yot", "health", "schools", "eborders"),
    ),
)

RULES: Mapping[str, Rule] = MappingProxyType({rule.name: rule for rule in _RULES})


class Ordering:
    """A rule made ready for use: ranks looked up once, one sort key a statement."""

    __slots__ = ("_claims", "_layout", "_sources")

    def __init__(self, rule: Rule) -> None:
        self._claims = rule.claims
        self._sources = rule.source_ranks()
        self._layout = tuple(("claim", "source", "newest").index(step) for step in rule.steps)

    def key(self, claim: str, source_kind: str, microseconds: int, record_key: str) -> SortKey:
        """Return the sort key (lower is better) of one statement made at `microseconds` since 1970."""
        tests = (self._claims.get(claim, 99), self._sources.get(source_kind, 99), -microseconds)
        first, second, third = self._layout
        return tests[first], tests[second], tests[third], record_key


ORDERINGS: Mapping[str, Ordering] = MappingProxyType({name: Ordering(rule) for name, rule in RULES.items()})
