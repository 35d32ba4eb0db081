"""What a source connector hands on: the permitted items of one record as text, before anything is validated.

A connector knows its format and nothing else; `ingest.normalise` knows what the items may hold. Dates are ISO text when
the connector could read them and the source's own text when it could not, so that the reason for refusing an item is
given in one place. `None` means that the source said nothing about the item, an empty value that it said there is none.
"""

from __future__ import annotations

from typing import Literal

import msgspec

RecordKind = Literal["observed", "withdrawn", "merged"]


class Raw(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Base of raw items: frozen text, nothing validated.

    They cannot hold cycles, so the garbage collector need not walk over the thousands in a batch (`gc=False`).
    """


class RawName(Raw, frozen=True, omit_defaults=True, gc=False):
    """One name; `kind` is a kind of `schemas.records.NameClaim`."""

    kind: str = "legal"
    family: str = ""
    given: str = ""
    middle: str = ""
    start: str = ""
    end: str = ""


class RawIdentifier(Raw, frozen=True, omit_defaults=True, gc=False):
    """One identifier under the scheme that the source puts it in (the check digit has the last word)."""

    scheme: str
    value: str
    verification: str = "unverified"


class RawAddress(Raw, frozen=True, omit_defaults=True, gc=False):
    """One postal address as written."""

    lines: tuple[str, ...] = ()
    town: str = ""
    postcode: str = ""
    uprn: str = ""


class RawWhereabouts(Raw, frozen=True, omit_defaults=True, gc=False):
    """Where the person is; `status` is a tag of `schemas.records.Whereabouts`."""

    status: str = "current"
    address: RawAddress | None = None
    start: str = ""
    end: str = ""


class RawContact(Raw, frozen=True, omit_defaults=True, gc=False):
    """How to reach somebody."""

    telephone: tuple[str, ...] = ()
    email: str = ""
    address: RawAddress | None = None


class RawCarer(Raw, frozen=True, omit_defaults=True, gc=False):
    """A person with parental responsibility or care; `parental_responsibility` is true, false or not said."""

    name: RawName
    relationship: str = ""
    parental_responsibility: str = ""
    contact: RawContact | None = None


class RawEducation(Raw, frozen=True, omit_defaults=True, gc=False):
    """A school that the person attends or attended."""

    institution: str = ""
    institution_code: str = ""
    contact: RawContact | None = None
    start: str = ""
    end: str = ""


class RawPrimaryCare(Raw, frozen=True, omit_defaults=True, gc=False):
    """A general practice."""

    practice: str = ""
    practice_code: str = ""
    start: str = ""


class RawInvolvement(Raw, frozen=True, omit_defaults=True, gc=False):
    """A service that works with the person."""

    service: str
    organisation: str = ""
    practitioner: str = ""
    contact: RawContact | None = None
    start: str = ""
    end: str = ""
    sensitive: bool = False


class RawPerson(Raw, frozen=True, omit_defaults=True, gc=False):
    """The items of one record. An item that is `None` was not said; in a partial record it keeps its last value."""

    names: tuple[RawName, ...] | None = None
    birth_date: str | None = None
    death_date: str | None = None
    birth_order: str | None = None
    sex: str | None = None
    identifiers: tuple[RawIdentifier, ...] | None = None
    whereabouts: RawWhereabouts | None = None
    carers: tuple[RawCarer, ...] | None = None
    education: tuple[RawEducation, ...] | None = None
    primary_care: RawPrimaryCare | None = None
    involvements: tuple[RawInvolvement, ...] | None = None
    responsible_authority: str | None = None


class RawRecord(Raw, frozen=True, omit_defaults=True, gc=False):
    """One statement of a source about one of its records.

    `version` orders the statements about one record (microseconds since 1970 of the source's own time); `partial` says
    that items which were not said keep their values; `replaces` lists earlier ids of the same record at this source;
    `dropped` names the fields that the format carried and the law does not permit, never their values. `snapshot` is
    the moment of the full refresh that the statement is part of, 0 when it is not. The items of a withdrawal or a merge
    only tell whether the person is in scope.
    """

    source: str
    source_id: str
    version: int
    place: str
    original: bytes
    kind: RecordKind = "observed"
    person: RawPerson | None = None
    merged_into: str = ""
    replaces: tuple[str, ...] = ()
    partial: bool = False
    dropped: tuple[str, ...] = ()
    effective: int | None = None
    snapshot: int = 0

    @property
    def key(self) -> str:
        """The record key `<source>:<source_id>`."""
        return f"{self.source}:{self.source_id}"


class RejectedItem(Raw, frozen=True, omit_defaults=True, gc=False):
    """An item that the connector could not read: where it is, why, and its bytes (cut at the feed's item limit).

    `key` is given when the record could still be told, so that a full refresh does not take it for absent.
    """

    place: str
    code: str
    reason: str
    original: bytes
    key: str = ""
    snapshot: int = 0


class SnapshotEnd(Raw, frozen=True, omit_defaults=True, gc=False):
    """The file held every record of these sources at the moment `snapshot`: the others are gone since `version`.

    `nameless` counts the rows that were rejected without a key: any of the others could be one of them.
    """

    sources: tuple[str, ...]
    snapshot: int
    version: int
    nameless: int
    place: str


class Flaw(Raw, frozen=True, omit_defaults=True, gc=False):
    """Something is wrong with a file and with nobody in it: `code` says what, and is counted in the feed's report."""

    place: str
    code: str


Item = RawRecord | RejectedItem | SnapshotEnd | Flaw
