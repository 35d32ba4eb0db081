"""What the directory reads of an event: the permitted items that its readers may see.

Supplier identifiers (NHS number, UPN) have no place here, so they are dropped as the bytes are read. Dates and times
stay text in ISO 8601 form except where the fold has to compare them.
"""

from __future__ import annotations

from datetime import date, datetime

import msgspec

from schemas.codec import BigInt, EventView


class Item(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A permitted item as the directory keeps it; absent fields take no room."""


class Name(Item, frozen=True, omit_defaults=True, gc=False):
    """One name that a source gives."""

    kind: str
    family: str | None = None
    given: str | None = None
    middle: str | None = None
    start: str | None = None
    end: str | None = None


class Address(Item, frozen=True, omit_defaults=True, gc=False):
    """A postal address as the source writes it."""

    lines: tuple[str, ...] = ()
    town: str | None = None
    postcode: str | None = None
    uprn: str | None = None


class Whereabouts(Item, frozen=True, omit_defaults=True, gc=False):
    """Where the child lives, as a status with what that status allows."""

    status: str
    address: Address | None = None
    start: str | None = None
    end: str | None = None
    intends_return: str | None = None
    since: str | None = None


class Contact(Item, frozen=True, omit_defaults=True, gc=False):
    """How to reach a carer, a practitioner or an organisation."""

    telephone: tuple[str, ...] = ()
    email: str | None = None
    address: Address | None = None


class Carer(Item, frozen=True, omit_defaults=True, gc=False):
    """A person with parental responsibility or who has care."""

    name: Name
    relationship: str | None = None
    parental_responsibility: bool | None = None
    contact: Contact | None = None


class Education(Item, frozen=True, omit_defaults=True, gc=False):
    """A school or other educational institution."""

    institution: str
    institution_code: str | None = None
    contact: Contact | None = None
    start: str | None = None
    end: str | None = None


class PrimaryCare(Item, frozen=True, omit_defaults=True, gc=False):
    """The practice that provides primary medical services."""

    practice: str | None = None
    practice_code: str | None = None
    contact: Contact | None = None
    start: str | None = None


class Involvement(Item, frozen=True, omit_defaults=True, gc=False):
    """A service that works with the child; for a sensitive one only its existence, dates and two indicators."""

    service: str
    organisation: str | None = None
    practitioner: str | None = None
    contact: Contact | None = None
    start: str | None = None
    end: str | None = None
    sensitive: bool = False
    lead_professional: bool = False
    holds_assessment: bool = False


class Person(Item, frozen=True, omit_defaults=True, gc=False):
    """What one record says about a person, without the items that directory readers may not see."""

    names: tuple[Name, ...] = ()
    birth_date: date | None = None
    birth_date_basis: str = "stated"
    sex: str | None = None
    whereabouts: Whereabouts | None = None
    carers: tuple[Carer, ...] = ()
    education: tuple[Education, ...] = ()
    primary_care: PrimaryCare | None = None
    involvements: tuple[Involvement, ...] = ()
    death_date: date | None = None
    responsible_authority: str | None = None


class Corrected(Person, frozen=True, omit_defaults=True, gc=False):
    """What a correction says about a person; `alive`: that no date of death is right."""

    alive: bool = False


class RecordView(EventView, frozen=True):
    """A record event as the directory reads it; `data` is empty for a withdrawn or merged record."""

    event_id: str
    subject: str
    source_version: BigInt
    fingerprint: str
    data: Person
    ingested_at: datetime
    source_time: datetime | None = None


class Formerly(msgspec.Struct, frozen=True):
    """A child number and the membership it had before."""

    child_number: str
    members: tuple[str, ...]


class IdentityData(msgspec.Struct, frozen=True):
    """The state of one child number."""

    version: BigInt
    members: tuple[str, ...]
    before: tuple[Formerly, ...] = ()
    successors: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    held: bool = False


class IdentityView(EventView, frozen=True):
    """An identity event as the directory reads it; the evidence is skipped."""

    event_id: str
    subject: str
    decided_at: datetime
    data: IdentityData
