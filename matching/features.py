"""From the bytes of a source event to the values that linkage compares: the fast reader view of record events.

Only what the model's fields need is read: sensitive involvements, contacts and carers' addresses are skipped over in
the bytes. Values are folded by `matching.linkage.normalise` and joined where a person has several.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Final

import msgspec

from matching.changes import ChangeKind, SourceChange
from matching.linkage.model import LinkageModel
from matching.linkage.normalise import FOLDERS, join_alternates
from schemas.codec import EventView, decode_as
from schemas.errors import ConfigurationError, RejectedError

LONGEST_KEY: Final = 500
"""Characters of a record key: PostgreSQL's index takes no value of more than a third of a page."""


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
    sex: str | None = None
    identifiers: tuple[IdentifierView, ...] = ()
    whereabouts: WhereaboutsView | None = None
    carers: tuple[CarerView, ...] = ()
    survivor: str | None = None


class RecordEventView(EventView, frozen=True, gc=False):
    """A record event as far as linkage reads it. The version must fit PostgreSQL's bigint."""

    event_id: str
    subject: str
    source_version: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
    fingerprint: str
    ingested_at: datetime
    data: DataView


Reader = Callable[[DataView], str]


# The readers below run for every record: lists rather than generators, which cost more than what they would yield.


def _given(data: DataView) -> str:
    return _joined([_GIVEN(name.given) for name in data.names if name.given])


def _surname(data: DataView) -> str:
    return _joined([_SURNAME(name.family) for name in data.names if name.family])


def _birth_date(data: DataView) -> str:
    # An expected date of delivery says when a mother is due, not when a child was born.
    return _DATE(data.birth_date) if data.birth_date and data.birth_date_basis != "expected" else ""


def _sex(data: DataView) -> str:
    return _SEX(data.sex) if data.sex else ""


def _postcode(data: DataView) -> str:
    address = data.whereabouts.address if data.whereabouts else None
    return _POSTCODE(address.postcode) if address and address.postcode else ""


def _address(data: DataView) -> str:
    address = data.whereabouts.address if data.whereabouts else None
    if address is None:
        return ""
    return _ADDRESS(" ".join([*address.lines, address.town or ""]))


def _carer(data: DataView) -> str:
    return _joined([_CARER(f"{carer.name.given or ''} {carer.name.family or ''}") for carer in data.carers])


def _nhs(data: DataView) -> str:
    return _joined([_number(each) for each in data.identifiers if each.scheme == "nhs"])


def _upn(data: DataView) -> str:
    # A temporary UPN is the school's own stopgap and may be given out again elsewhere: it identifies nobody.
    return _joined([_number(each) for each in data.identifiers if each.scheme in _UPN_SCHEMES])


def _number(identifier: IdentifierView) -> str:
    if identifier.verification == "in_doubt":
        return ""
    plain = identifier.value.upper()
    if plain.isalnum() and plain.isascii() and plain.strip(plain[0]):
        return plain  # the usual form: folding would return it as it is, in ten times as long
    return _IDENTIFIER(plain)


def _joined(values: list[str]) -> str:
    """Join folded values; one value, the usual case, is itself."""
    if len(values) == 1:
        return values[0]
    return _join_several(tuple(values)) if values else ""


@lru_cache(maxsize=1 << 16)
def _join_several(values: tuple[str, ...]) -> str:
    return join_alternates(values)


_UPN_SCHEMES = ("upn", "former_upn")
_GIVEN = FOLDERS["given_name"]
_SURNAME = FOLDERS["surname"]
_DATE = FOLDERS["date"]
_SEX = lru_cache(maxsize=16)(FOLDERS["sex"])
_POSTCODE = FOLDERS["postcode"]
_ADDRESS = FOLDERS["address"]
_CARER = FOLDERS["short_string"]
_IDENTIFIER = FOLDERS["identifier"]

READERS: Final[Mapping[str, tuple[str, Reader]]] = {
    "given": ("given_name", _given),
    "surname": ("surname", _surname),
    "birth_date": ("date", _birth_date),
    "sex": ("sex", _sex),
    "postcode": ("postcode", _postcode),
    "address": ("address", _address),
    "carer": ("short_string", _carer),
    "nhs": ("identifier", _nhs),
    "upn": ("identifier", _upn),
}
"""What a model's field may be called when it reads record events: its kind, and where its value comes from."""

_KINDS: Final[Mapping[str, ChangeKind]] = {
    "record.observed": "observed",
    "record.withdrawn": "withdrawn",
    "record.merged": "merged",
}


class ChangeReader:
    """Reads source changes for one model. Raises ConfigurationError for a model that asks for what no event has."""

    def __init__(self, model: LinkageModel) -> None:
        wrong = [f"{f.name} ({f.kind})" for f in model.fields if READERS.get(f.name, ("", None))[0] != f.kind]
        if wrong:
            known = ", ".join(f"{name} ({kind})" for name, (kind, _) in READERS.items())
            message = f"the model reads fields that record events do not have: {', '.join(wrong)}; known: {known}"
            raise ConfigurationError(message)
        self._readers = [READERS[f.name][1] for f in model.fields]

    def read(self, value: bytes | None) -> SourceChange:
        """Return the change that a source event makes; raise RejectedError (a code, no content) when it is not one."""
        event = decode_as(value, RecordEventView)
        kind = _KINDS.get(event.event_type)
        if kind is None:
            raise RejectedError("event_type_unexpected", "the event is not about a source record")
        return SourceChange(
            event.subject,
            _source(event.subject),
            kind,
            event.source_version,
            _storable("fingerprint", event.fingerprint),
            round(event.ingested_at.timestamp() * 1_000_000),
            _storable("event_id", event.event_id),
            self.values(event.data) if kind == "observed" else None,
            _survivor(event) if kind == "merged" else None,
        )

    def values(self, data: DataView) -> tuple[str, ...]:
        """Return the folded values of a person in the order of the model's fields."""
        return tuple([read(data) for read in self._readers])


def _source(key: str) -> str:
    source, colon, source_id = key.partition(":")
    if not (source and colon and source_id):
        raise RejectedError("record_key_invalid", "a record key has the form <source>:<source_id>")
    _storable("record key", key)
    return source


def _survivor(event: RecordEventView) -> str:
    survivor = event.data.survivor
    if survivor is None or survivor == event.subject:
        raise RejectedError("merge_invalid", "a merge names another record as its survivor")
    _source(survivor)
    return survivor


def _storable(what: str, text: str) -> str:
    """Return a text that may be a name of something: of bounded length and without control characters."""
    if len(text) > LONGEST_KEY or not text.isprintable():
        raise RejectedError("name_invalid", f"the {what} is too long or has control characters")
    return text
