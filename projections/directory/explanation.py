"""Why a field of an entry shows what it shows: every statement about it, in the order of its rule. Pure.

For the data quality team, never for readers of the directory: it names the records, and what is not shown.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from datetime import date
from typing import Any, NamedTuple

from projections.directory.authority import responsibility
from projections.directory.claims import SAME, Claim, ordered, statements
from projections.directory.compose import corrections, has_left, is_permitted
from projections.directory.entry import Authority
from projections.directory.rulings import SEVERED, Standing
from projections.directory.state import RecordVersion
from projections.directory.survivorship import RULES
from schemas.errors import RejectedError

SHOWN = "shown"


class Statement(NamedTuple):
    """What one record says about a field, whether that is shown, and why or why not."""

    value: Any
    record: str
    event: str
    source_kind: str
    recorded_at: int | None
    shown: bool
    why: str


class FieldExplanation(NamedTuple):
    """A field's rule in words, the statements in its order, and for the authority who has had the child since when."""

    field: str
    rule: str
    statements: tuple[Statement, ...]
    authorities: tuple[Authority, ...] = ()


def explain_field(
    field: str, live: Sequence[RecordVersion], standings: Sequence[Standing], today: date | None
) -> FieldExplanation:
    """Explain one field of the child with these live records; RejectedError lists the fields when it is none."""
    rule = RULES.get(field)
    if rule is None:
        raise RejectedError("field_unknown", f"no such field; known: {', '.join(RULES)}")
    stated = statements(live)
    corrected = corrections(standings, stated).get(field)
    claims = [*(corrected or ()), *ordered(field, stated[field])]
    authorities: tuple[Authority, ...] = ()
    overruled = False
    if field == "responsible_authority":
        found = responsibility(None, standings)
        authorities, overruled = (found.periods, True) if found else ((), False)
    seen: set[Hashable] = set()
    explained = []
    for claim in claims:
        if corrected is not None and claim not in corrected:
            explained.append(_statement(claim, "a correction by the responsible authority stands instead"))
            continue
        why = _reason(field, claim, standings, today, seen)
        explained.append(_statement(claim, "an authority took the child over by decision" if overruled else why))
    return FieldExplanation(field, rule.why, tuple(explained), authorities)


def _reason(field: str, claim: Claim, standings: Sequence[Standing], today: date | None, seen: set[Hashable]) -> str:
    """Return why a statement is shown or not; `seen` remembers what the better ones said."""
    if field == "names" and claim.kind == "former" and any(each.ruling.kind == SEVERED for each in standings):
        return "a former name would lead to the severed identity"
    if field == "involvements" and not is_permitted(claim, standings):
        return "a sensitive service without consent or suspected significant harm (reg. 11(3))"
    if field == "involvements" and has_left(claim.value, today):
        return "ended more than a year ago"
    same = SAME.get(field)
    thing: Hashable = same(claim.value) if same else field
    if thing in seen:
        return "says again what a better statement says" if same else "a better statement comes first"
    seen.add(thing)
    return SHOWN


def _statement(claim: Claim, why: str) -> Statement:
    record = claim.record
    return Statement(
        claim.value,
        record.record_key,
        record.event_id,
        record.source_kind,
        record.recorded_at,
        why == SHOWN,
        why,
    )
