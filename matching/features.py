"""From the bytes of a source event to the values that linkage compares: the fast reader view of record events.

Only what the model's fields need is read: sensitive involvements, contacts and carers' addresses are skipped over in
the bytes. Values are folded by `matching.linkage.normalise` and joined where a person has several.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Final

import msgspec

from matching.changes import ChangeKind, SourceChange
from matching.linkage.columns import SEPARATOR
from matching.linkage.marks import with_birth_order
from matching.linkage.model import LinkageModel
from matching.linkage.normalise import ALTERNATE, FOLDERS, fold_full_name, join_alternates, placeholder_birth_order
from schemas.codec import EventView, decode_as
from schemas.errors import ConfigurationError, RejectedError

LONGEST_NAMES: Final = 600
"""Characters of an event's keys, fingerprint and id together: PostgreSQL indexes no key above a third of a page."""


class NameView(msgspec.Struct, frozen=True, gc=False):
    """One name of a person or a carer."""

    family: str | None = None
    given: str | None = None


class IdentifierView(msgspec.Struct, frozen=True, gc=False):
    """One number that a supplying body allocated."""

    scheme: str
    value: str
    verification: str = "unverified"


class AddressView(msgspec.Struct, frozen=True, gc=False):
    """A postal address."""

    lines: tuple[str, ...] = ()
    town: str | None = None
    postcode: str | None = None


class WhereaboutsView(msgspec.Struct, frozen=True, gc=False):
    """Where the person lives or last lived, where the source gives an address."""

    address: AddressView | None = None


class CarerView(msgspec.Struct, frozen=True, gc=False):
    """A carer's name."""

    name: NameView


class DataView(msgspec.Struct, frozen=True, gc=False):
    """The data of any of the three record events; `survivor` is that of a merge."""

    names: tuple[NameView, ...] = ()
    birth_date: str | None = None
    birth_date_basis: str = "stated"
    birth_order: int | None = None
    sex: str | None = None
    identifiers: tuple[IdentifierView, ...] = ()
    whereabouts: WhereaboutsView | None = None
    carers: tuple[CarerView, ...] = ()
    survivor: str | None = None
    responsible_authority: str | None = None


class RecordEventView(EventView, frozen=True, gc=False):
    """A record event as far as linkage reads it. The version must fit PostgreSQL's bigint."""

    event_id: str
    subject: str
    source_version: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
    fingerprint: str
    ingested_at: datetime
    data: DataView


_GIVEN = FOLDERS["given_name"]
_SURNAME = FOLDERS["surname"]
_DATE = FOLDERS["date"]
_SEX = lru_cache(maxsize=16)(FOLDERS["sex"])
_POSTCODE = FOLDERS["postcode"]
_ADDRESS = FOLDERS["address"]
_IDENTIFIER = FOLDERS["identifier"]

FIELDS: Final[Mapping[str, str]] = {
    "given": "given_name",
    "surname": "surname",
    "birth_date": "date",
    "sex": "sex",
    "postcode": "postcode",
    "address": "address",
    "carer": "short_string",
    "nhs": "identifier",
    "upn": "identifier",
    "uln": "identifier",
}
"""What a model's field may be called when it reads record events, and the kind that it is then of."""


def person_values(data: DataView) -> tuple[str, ...]:
    """Return the folded values of a person, one for each of FIELDS: "" for missing, alternates joined.

    Runs for every record: plain loops and few calls, because a call costs as much as what most of them would do.
    """
    given = surname = carer = nhs = upn = uln = postcode = place = ""
    for name in data.names:
        if name.given:
            given = _and(given, _GIVEN(name.given)) if given else _GIVEN(name.given)
        if name.family:
            surname = _and(surname, _SURNAME(name.family)) if surname else _SURNAME(name.family)
    for each in data.carers:
        spelled = fold_full_name(each.name.given or "", each.name.family or "")
        carer = _and(carer, spelled) if carer else spelled
    for identifier in data.identifiers:
        if identifier.scheme == "nhs":
            nhs = _and(nhs, _number(identifier)) if nhs else _number(identifier)
        elif identifier.scheme in _UPN_SCHEMES:
            upn = _and(upn, _number(identifier)) if upn else _number(identifier)
        elif identifier.scheme == "uln":
            uln = _and(uln, _number(identifier)) if uln else _number(identifier)
    if data.whereabouts is not None and (address := data.whereabouts.address) is not None:
        postcode = _POSTCODE(address.postcode) if address.postcode else ""
        if address.lines:  # a town alone is no address
            place = _ADDRESS(f"{' '.join(address.lines)} {address.town or ''}")
    return (
        given,
        surname,
        # An expected date of delivery says when a mother is due, not when a child was born.
        _DATE(data.birth_date) if data.birth_date and data.birth_date_basis != "expected" else "",
        _SEX(data.sex) if data.sex else "",
        postcode,
        place,
        carer,
        nhs,
        upn,
        uln,
    )


def told_birth_order(data: DataView) -> int:
    """Return the place in a multiple birth, 0 if nothing tells it: a baby called TWIN 2 says it with its name."""
    if data.birth_order:
        return data.birth_order
    return max([placeholder_birth_order(name.given) for name in data.names if name.given], default=0)


def verified_marks(identifiers: tuple[IdentifierView, ...]) -> int:
    """Return which of `marks.VERIFIED` a person has exactly one number of, and that one verified: a bit each."""
    marks = 0
    if len(identifiers) == 1:  # most have one
        only = identifiers[0]
        if only.verification == "verified" and _number(only):
            marks = 1 if only.scheme == "nhs" else 2 if only.scheme in _UPN_SCHEMES else 0
    elif any([identifier.verification == "verified" for identifier in identifiers]):  # noqa: C419  a list is faster
        for bit, schemes in enumerate((("nhs",), _UPN_SCHEMES)):
            of_scheme = [each for each in identifiers if each.scheme in schemes]
            numbers = {_number(each) for each in of_scheme} - {""}
            if len(numbers) == 1 and any(each.verification == "verified" for each in of_scheme):
                marks |= 1 << bit
    return marks


# A temporary UPN is the school's own stopgap and may be given out again elsewhere: it identifies nobody.
_UPN_SCHEMES = ("upn", "former_upn")


def _number(identifier: IdentifierView) -> str:
    if identifier.verification == "in_doubt":
        return ""
    plain = identifier.value.upper()
    if plain.isalnum() and plain.isascii() and plain.strip(plain[0]):
        return plain  # the usual form: folding would return it as it is, in ten times as long
    return _IDENTIFIER(plain)


def _and(before: str, more: str) -> str:
    """Return a field's value with one more alternate."""
    if not more or more == before:
        return before
    plain = ALTERNATE not in before and ALTERNATE not in more
    return f"{before}{ALTERNATE}{more}" if plain else join_alternates((before, more))


_KINDS: Final[Mapping[str, ChangeKind]] = {
    "record.observed": "observed",
    "record.withdrawn": "withdrawn",
    "record.merged": "merged",
}


class ChangeReader:
    """Reads source changes for one model. Raises ConfigurationError for a model that asks for what no event has."""

    def __init__(self, model: LinkageModel) -> None:
        wrong = [f"{field.name} ({field.kind})" for field in model.fields if FIELDS.get(field.name) != field.kind]
        if wrong:
            known = ", ".join(f"{name} ({kind})" for name, kind in FIELDS.items())
            message = f"the model reads fields that record events do not have: {', '.join(wrong)}; known: {known}"
            raise ConfigurationError(message)
        names = list(FIELDS)
        self._order = [names.index(field.name) for field in model.fields]
        self._all_in_order = self._order == list(range(len(names)))

    def read(self, value: bytes | None) -> SourceChange:
        """Return the change that a source event makes; raise RejectedError (a code, no content) when it is not one."""
        event = decode_as(value, RecordEventView)
        kind, data = _KINDS.get(event.event_type), event.data
        if kind is None:
            raise RejectedError("event_type_unexpected", "the event is not about a source record")
        _check_names(event)
        values, marks = person_values(data), verified_marks(data.identifiers) if data.identifiers else 0
        if data.birth_order or not values[0]:
            marks = with_birth_order(marks, told_birth_order(data))
        return SourceChange(
            event.subject,
            _source(event.subject),
            kind,
            event.source_version,
            event.fingerprint,
            round(event.ingested_at.timestamp() * 1_000_000),
            event.event_id,
            SEPARATOR.join(self._in_order(values)) if kind == "observed" else None,
            _survivor(event) if kind == "merged" else None,
            data.responsible_authority or "",
            marks,
        )

    def values(self, data: DataView) -> tuple[str, ...]:
        """Return the folded values of a person in the order of the model's fields."""
        return self._in_order(person_values(data))

    def _in_order(self, values: tuple[str, ...]) -> tuple[str, ...]:
        return values if self._all_in_order else tuple([values[index] for index in self._order])


def _source(key: str) -> str:
    source, colon, source_id = key.partition(":")
    if not (source and colon and source_id):
        raise RejectedError("record_key_invalid", "a record key has the form <source>:<source_id>")
    return sys.intern(source)  # every record of a source holds the same text


def _survivor(event: RecordEventView) -> str:
    survivor = event.data.survivor
    if survivor is None or survivor == event.subject:
        raise RejectedError("merge_invalid", "a merge names another record as its survivor")
    _source(survivor)
    return survivor


def _check_names(event: RecordEventView) -> None:
    """Refuse names that PostgreSQL could not store or index, such as one with a NUL."""
    data = event.data
    names = event.subject + event.fingerprint + event.event_id
    if data.survivor or data.responsible_authority:
        names += (data.survivor or "") + (data.responsible_authority or "")
    if len(names) > LONGEST_NAMES or not names.isprintable():
        raise RejectedError("name_invalid", "a key, fingerprint or id is too long or has control characters")
