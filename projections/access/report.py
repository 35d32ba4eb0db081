"""The report to a child or parent: who looked, when, why, and at which items; never what these say.

It must not tell where a shielded child or the other parent lives, nor who provides a sensitive service. Which
organisation looked can give that away (a school, a clinic), so for such a child (`guarded`) a line holds the kind of
practitioner, the day and the reason only, and an override of a shield is an opening as any other: whoever is shielded
from would learn that there is a shield. Accounts are never named: a complaint quotes the line's number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.access import AccessAction, Leaf, Person

WHAT: dict[AccessAction, str] = {
    "searched": "found in a search",
    "opened": "record opened",
    "listed_involved": "asked who works with the child",
    "read_changes": "asked what had changed",
    "read_lineage": "asked for former numbers",
    "overrode_shield": "shield overridden",
    "unmasked": "shown for a check of data quality",
    "exported": "part of an anonymised release",
    "disclosed": "disclosed under the law",
    "corrected": "record corrected",
}


@dataclass(frozen=True, slots=True)
class ReportLine:
    """One access. `number` names the entry in the trail; `when` is a day, or a day and a time; `by` is who looked."""

    number: int
    when: str
    what: str
    by: str
    why: str
    items: tuple[str, ...]
    refused: bool


def subject_report(leaves: Sequence[Leaf], *, guarded: bool) -> list[ReportLine]:
    """Return the lines of the report, in the order of the entries given.

    What staff did to answer the family itself, or to audit, is left out: it is no look at the child's record.
    """
    return [_line(leaf, guarded=guarded) for leaf in leaves if leaf.action in WHAT]


def _line(leaf: Leaf, *, guarded: bool) -> ReportLine:
    people = [leaf.who, *([leaf.mediator] if leaf.mediator else [])]
    return ReportLine(
        number=leaf.leaf,
        when=leaf.time.strftime("%Y-%m-%d" if guarded else "%Y-%m-%d %H:%M"),
        what=WHAT["opened" if guarded and leaf.action == "overrode_shield" else leaf.action],
        by=" through ".join(_by(person, guarded=guarded) for person in people),
        why=(leaf.purpose or "not stated").replace("_", " "),
        items=() if guarded else tuple(item.replace("_", " ") for item in leaf.fields),
        refused=leaf.decision == "refused",
    )


def _by(person: Person, *, guarded: bool) -> str:
    kind = person.role.replace("_", " ")
    return f"a practitioner ({kind})" if guarded else f"a practitioner ({kind}) of {person.organisation}"
