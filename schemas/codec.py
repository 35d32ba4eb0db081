"""The codec: the one place where events become bytes and bytes become events.

The value is one JSON object that holds the whole envelope; the Kafka headers repeat its attributes in the form of
CloudEvents' Kafka binding (binary mode), for tools that route without reading. Nothing else may depend on the bytes.
Ingest seals them (`schemas.sealing`) with one data key a source record, and readers open them before they come here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec
import orjson
from pydantic import BaseModel, ValidationError

from schemas.catalogue import CURRENT_VERSIONS, EVENT_ADAPTER, AnyEvent
from schemas.errors import RejectedError
from schemas.events import RecordEvent
from schemas.upcasters import upcast

CONTENT_TYPE = b"application/json"
SEALED_CONTENT_TYPE = b"application/vnd.contactpoint.sealed"
SOURCE = "/contactpoint"
SCHEMA_PREFIX = "https://contactpoint.example/schemas/"


class EncodedEvent(NamedTuple):
    """An event as Kafka takes it."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


BigInt = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""What a `bigint` of PostgreSQL holds: a view refuses any other number."""


class EventView(msgspec.Struct, frozen=True):
    """Base of reader views: what a consumer reads of an event, a field at a time; unknown fields are skipped."""

    event_type: str
    schema_version: int


class NamedView(EventView, frozen=True):
    """Base of views that say which event it is and of what."""

    event_id: str
    subject: str


class _Attributes(NamedView, frozen=True):
    ingested_at: str = ""
    decided_at: str = ""


View = TypeVar("View", bound=EventView)

_NO_TIME = datetime.fromtimestamp(0, UTC)
_SPECIFICATION = ("ce_specversion", b"1.0")
_WRITTEN_BY = ("ce_source", SOURCE.encode())
_CONTENT = ("content-type", CONTENT_TYPE)
_ENCODER = msgspec.json.Encoder()

_HEADER = msgspec.json.Decoder(EventView)
_VIEWS: dict[type[EventView], msgspec.json.Decoder[Any]] = {}


def encode(event: AnyEvent, data: bytes | None = None) -> EncodedEvent:
    """Return the event's Kafka key, value and CloudEvents headers; `data` is its data where it is spelt already."""
    if data is None:
        value = spell(event)
    else:
        envelope = event.__pydantic_serializer__.to_json(event, exclude={"data"}, exclude_none=True)
        value = b'%b,"data":%b}' % (envelope[:-1], data)
    return EncodedEvent(event.subject.encode(), value, _headers(event, _time(event).isoformat().encode()))


def spell(contract: BaseModel) -> bytes:
    """Return an event, or a part of one, as it stands in a value."""
    return contract.__pydantic_serializer__.to_json(contract, exclude_none=True)


def as_sealed(event: EncodedEvent, value: bytes) -> EncodedEvent:
    """Return the event with its value sealed (`schemas.sealing`); the headers say so."""
    headers = [(name, SEALED_CONTENT_TYPE if name == "content-type" else text) for name, text in event.headers]
    return EncodedEvent(event.key, value, headers)


def encode_view(view: EventView) -> bytes:
    """Return the value of an event that a stage spells as a struct: the fast way to write thousands a second.

    The struct must spell the current schema version; the stage's tests prove it by reading back with `decode`.
    """
    return _ENCODER.encode(view)


def encode_named(view: NamedView, time: str) -> EncodedEvent:
    """Return an event that a stage spells as a struct (as in `encode_view`) with its key and headers.

    `time` is the time that the struct states, in RFC 3339.
    """
    return EncodedEvent(view.subject.encode(), _ENCODER.encode(view), _headers(view, _spelt_time(time)))


def with_headers(value: bytes) -> EncodedEvent:
    """Return an encoded value again with its key and headers, which are a function of it (for outbox relays)."""
    attributes = decode_as(value, _Attributes)
    time = _spelt_time(attributes.decided_at or attributes.ingested_at)
    return EncodedEvent(attributes.subject.encode(), value, _headers(attributes, time))


@lru_cache(maxsize=16)
def _spelt_time(text: str) -> bytes:
    """Return a time as the headers spell it; that of a whole batch of identity events is one and the same."""
    try:
        return (msgspec.convert(text, datetime) if text else _NO_TIME).isoformat().encode()
    except msgspec.ValidationError:
        raise RejectedError("event_invalid", "the event's time cannot be read") from None


def decode(value: bytes | None) -> AnyEvent:
    """Parse, upcast and validate one value; raise RejectedError (a code, no content) for what is not an event."""
    try:
        return EVENT_ADAPTER.validate_json(_current(value or b""))
    except ValidationError as error:
        raise RejectedError("event_invalid", describe(error)) from None


def decode_as(value: bytes | None, view: type[View]) -> View:
    """Decode only the fields that `view` names: the fast way for consumers that trust what `encode` has written.

    The view sees the current schema version; older ones are lifted first. Raises RejectedError like `decode`.
    """
    decoder = _decoder(view)
    try:
        decoded = decoder.decode(value or b"")
        if decoded.schema_version == CURRENT_VERSIONS.get(decoded.event_type):
            return decoded
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass  # an older version may not have the view's fields yet: lift it below, or say there what is wrong
    try:
        return decoder.decode(_current(value or b""))
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise RejectedError("event_invalid", f"the value cannot be read as {view.__name__}") from None


def _decoder(view: type[View]) -> msgspec.json.Decoder[View]:
    decoder = _VIEWS.get(view)
    if decoder is None:
        decoder = _VIEWS[view] = msgspec.json.Decoder(view)
    return decoder


def _current(value: bytes) -> bytes:
    """Return the value at its type's current schema version: itself, unless it was written by an older release."""
    try:
        header = _HEADER.decode(value)
    except (msgspec.ValidationError, RecursionError):
        raise RejectedError("not_an_event", "the value is JSON, but has no event_type and schema_version") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise RejectedError("not_json", "the value is not JSON") from None
    if header.schema_version == CURRENT_VERSIONS.get(header.event_type):
        return value
    return orjson.dumps(upcast(orjson.loads(value)))


def describe(error: ValidationError) -> str:
    """Return where a value breaks its contract and how, never what the value was."""
    places = [".".join(map(str, item["loc"])) + ": " + item["type"] for item in error.errors(include_input=False)]
    return "; ".join(places[:5]) + (f"; and {len(places) - 5} more" if len(places) > 5 else "")


def _time(event: AnyEvent) -> datetime:
    return event.ingested_at if isinstance(event, RecordEvent) else event.decided_at


def _headers(event: AnyEvent | NamedView, time: bytes) -> list[tuple[str, bytes]]:
    kind, schema = _headers_of_type(event.event_type, event.schema_version)
    return [
        _SPECIFICATION,
        ("ce_id", event.event_id.encode()),
        _WRITTEN_BY,
        kind,
        ("ce_subject", event.subject.encode()),
        ("ce_time", time),
        schema,
        _CONTENT,
    ]


@cache
def _headers_of_type(event_type: str, version: int) -> tuple[tuple[str, bytes], tuple[str, bytes]]:
    """Return the headers that all events of one type and version share, made once."""
    schema = f"{SCHEMA_PREFIX}{event_type}.v{version}.json"
    return ("ce_type", event_type.encode()), ("ce_dataschema", schema.encode())
