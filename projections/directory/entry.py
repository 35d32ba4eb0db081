"""The published shapes: a directory entry, and what is left of it for a shielded child.

Every item of an entry names its source: `source` is an index into `sources`, where the source event's id, the kind of
source and the day of the source's own time stand. Record keys are not published: those of schools hold a pupil number,
and those of sensitive services name the provider. The event id is a handle that only the audit trail can resolve.
"""

from __future__ import annotations

import unicodedata
from datetime import date
from functools import lru_cache
from typing import Any

import msgspec

from projections.directory.views import Name

SENSITIVE_SERVICE = "a sensitive service"


class Source(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Where an item comes from; `as_of` is the day of the source's own time, so that the item's age can be shown."""

    event: str
    kind: str
    as_of: date | None = None


class Sourced(msgspec.Struct, frozen=True, gc=False):
    """One item and the index of its source."""

    value: Any
    source: int


class BirthDate(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A date of birth and what it rests on."""

    date: date
    basis: str


class Authority(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The responsible authority, since when, and from which one it took the child over."""

    code: str
    since: date | None = None
    previous: str | None = None


class Holder(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Who is the lead professional or holds the common assessment; nothing but `sensitive` for a sensitive service."""

    service: str
    organisation: str | None = None
    practitioner: str | None = None
    sensitive: bool = False


class Entry(msgspec.Struct, omit_defaults=True, gc=False):
    """One child as the directory shows it: permitted items, each with its source."""

    child_number: str
    sources: list[Source]
    names: list[Sourced] = []
    sex: Sourced | None = None
    birth_date: Sourced | None = None
    death_date: Sourced | None = None
    whereabouts: Sourced | None = None
    carers: list[Sourced] = []
    education: list[Sourced] = []
    primary_care: Sourced | None = None
    involvements: list[Sourced] = []
    lead_professional: list[Sourced] = []
    assessment: list[Sourced] = []
    responsible_authority: Sourced | None = None


class ShieldedEntry(msgspec.Struct, omit_defaults=True, gc=False):
    """All that anybody may see of a shielded child (reg. 6(6)): names, sex, date of birth, number, carers' names.

    Without sources: the kinds of source, and how fresh they are, would tell of schools and services.
    """

    child_number: str
    shielded: bool = msgspec.field(default_factory=lambda: True)  # not a default: it is always written
    names: list[Name] = []
    sex: str | None = None
    birth_date: BirthDate | None = None
    carers: list[Name] = []


def behind_shield(entry: Entry) -> ShieldedEntry:
    """Return what stays to be seen of an entry when its child is shielded."""
    return ShieldedEntry(
        entry.child_number,
        names=[item.value for item in entry.names],
        sex=entry.sex.value if entry.sex else None,
        birth_date=entry.birth_date.value if entry.birth_date else None,
        carers=[item.value.name for item in entry.carers],
    )


@lru_cache(maxsize=1 << 16)
def fold_name(text: str) -> str:
    """Return the name as it is searched and compared here: no case, no accents, letters and digits only."""
    folded = text if text.isascii() else unicodedata.normalize("NFKD", text)
    return "".join(filter(str.isalnum, folded)).casefold()
