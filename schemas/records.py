"""What one source says about one person: the permitted items and nothing else.

The list is Schedule 1 of SI 2007/2182 as far as `facts/contactpoint-rules.md` §1.2 could read it. There is no place
for case notes, offences, assessments, scores or free text: every model forbids unknown fields, and every string has a
bounded length, so a field that is not listed here cannot pass ingest.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Code = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9/_.-]{1,40}$")]
BirthOrder = Annotated[int, Field(ge=1, le=7)]
"""The place in a multiple birth: 1 to 7, as the Personal Demographics Service counts (8 and 9 say nothing)."""


class Item(BaseModel):
    """A permitted item: frozen, and closed to any field that is not listed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NameClaim(Item):
    """One name that a source gives the person (para. 1: the name, including any former name)."""

    kind: Literal["legal", "preferred", "former", "alias", "temporary"] = "legal"
    family: Text | None = None
    given: Text | None = None
    middle: Text | None = None
    start: date | None = None
    end: date | None = None


class Identifier(Item):
    """A number that a supplying body allocated (para. 18); readers outside that body never see it."""

    scheme: Literal["nhs", "upn", "former_upn", "temporary_upn", "uln", "local"]
    value: Code
    verification: Literal["verified", "unverified", "in_doubt"] = "unverified"


class Address(Item):
    """A postal address as the source writes it."""

    lines: tuple[Text, ...] = Field(default=(), max_length=6)
    town: Text | None = None
    postcode: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{2,4} [0-9][A-Z]{2}$")] | None = None
    uprn: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,12}$")] | None = None


class CurrentAddress(Item):
    """The person lives there (para. 2(a))."""

    status: Literal["current"] = "current"
    address: Address
    start: date | None = None


class LastKnownAddress(Item):
    """The present address is not known; this is the last one that was (para. 2(b))."""

    status: Literal["last_known"] = "last_known"
    address: Address
    end: date | None = None


class NoKnownAddress(Item):
    """The source states that it knows no address (para. 2(c))."""

    status: Literal["none_known"] = "none_known"


class LeftEngland(Item):
    """The person left England; what the source knows of a return within three years (para. 2(d))."""

    status: Literal["left_england"] = "left_england"
    intends_return: Literal["yes", "no", "unknown"]
    since: date | None = None


class WithheldAddress(Item):
    """The source withholds the address (PDS security code R): not the same as not knowing it."""

    status: Literal["withheld"] = "withheld"


Whereabouts = Annotated[
    CurrentAddress | LastKnownAddress | NoKnownAddress | LeftEngland | WithheldAddress, Field(discriminator="status")
]


class ContactDetails(Item):
    """How to reach a carer, a practitioner or an organisation."""

    telephone: tuple[Text, ...] = Field(default=(), max_length=5)
    email: Text | None = None
    address: Address | None = None


class Carer(Item):
    """A person with parental responsibility or who has care (para. 6)."""

    name: NameClaim
    relationship: Text | None = None
    parental_responsibility: bool | None = None
    contact: ContactDetails | None = None


class Education(Item):
    """A school or other educational institution that the person attends or attended (para. 7)."""

    institution: Text
    institution_code: Code | None = None
    contact: ContactDetails | None = None
    start: date | None = None
    end: date | None = None


class PrimaryCare(Item):
    """The practice that provides primary medical services."""

    practice: Text | None = None
    practice_code: Code | None = None
    contact: ContactDetails | None = None
    start: date | None = None


class Involvement(Item):
    """A service that works with the person, and who to talk to there; never why.

    `sensitive` marks sexual health, mental health, substance abuse and youth offending services, whose provider is
    hidden from ordinary readers (reg. 6(3)(a)).
    """

    service: Text
    organisation: Text | None = None
    practitioner: Text | None = None
    contact: ContactDetails | None = None
    start: date | None = None
    end: date | None = None
    sensitive: bool = False
    lead_professional: bool = False
    holds_assessment: bool = False


class PersonRecord(Item):
    """One source system's statement about one person at one moment.

    `birth_order` is the person's place in a multiple birth, None for a single one or where nothing is said. Like
    identifiers it serves to tell who the child is (`docs/decisions/0022`): the directory never holds it.
    """

    names: tuple[NameClaim, ...] = Field(default=(), max_length=20)
    birth_date: date | None = None
    birth_date_basis: Literal["stated", "estimated", "expected"] = "stated"
    birth_order: BirthOrder | None = None
    death_date: date | None = None
    sex: Literal["female", "male", "not_specified"] | None = None
    identifiers: tuple[Identifier, ...] = Field(default=(), max_length=20)
    whereabouts: Whereabouts | None = None
    carers: tuple[Carer, ...] = Field(default=(), max_length=12)
    education: tuple[Education, ...] = Field(default=(), max_length=20)
    primary_care: PrimaryCare | None = None
    involvements: tuple[Involvement, ...] = Field(default=(), max_length=40)
    responsible_authority: Code | None = None
