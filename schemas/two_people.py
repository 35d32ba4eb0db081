"""When one person is not enough: the rule of `facts/console.md` §4, as data and one pure function.

Two people for a merge or a split of published children, for anything near a shield, against a decision in force, for
lifting a shield and for severing an identity. The second is another person than the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType

from schemas.errors import RejectedError


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a decision would do, as far as it calls for a second person."""

    merges_published: bool = False
    splits_published: bool = False
    near_shield: bool = False
    against_decision: bool = False
    lifts_shield: bool = False
    severs: bool = False
    changes_model: bool = False


WORDS: Mapping[str, str] = MappingProxyType(
    {
        "merges_published": "it merges published children",
        "splits_published": "it splits a published child",
        "near_shield": "it is about a child that needs particular care",
        "against_decision": "it goes against a decision in force",
        "lifts_shield": "it lifts a shield",
        "severs": "it severs an identity",
        "changes_model": "it changes the model for every child",
    }
)


def why_two(circumstances: Circumstances) -> tuple[str, ...]:
    """Return the reasons for a second person, in words; none where one person may decide."""
    return tuple(WORDS[each.name] for each in fields(circumstances) if getattr(circumstances, each.name))


def same_person(one: str, other: str) -> bool:
    """Tell whether two names of accounts are one person's: case and spaces around them tell nobody apart."""
    return one.strip().casefold() == other.strip().casefold()


def check_people(by: str, approved_by: str | None, circumstances: Circumstances) -> None:
    """Raise RejectedError where a second person is needed and missing, or is the first one again."""
    reasons = why_two(circumstances)
    if approved_by is not None and same_person(by, approved_by):
        raise RejectedError("second_person_is_first", f"--approved-by has to be another person than {by}")
    if reasons and approved_by is None:
        message = f"this needs a second person (--approved-by), because {' and '.join(reasons)}"
        raise RejectedError("second_person_needed", message)
