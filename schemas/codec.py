"""The codec: the one place where events become bytes and bytes become events.

The value is one JSON object that holds the whole envelope; the Kafka headers repeat its attributes in the form of
CloudEvents' Kafka binding (binary mode), for tools that route without reading. Nothing else may depend on the bytes:
encryption with one data key per source record will be put here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

import msgspec
import orjson
from pydantic import BaseModel, ValidationError

from schemas.errors import RejectedError
from schemas.events import (
    CURRENT_VERSIONS,
    EVENT_ADAPTER,
    AnyIdentityEvent,
    AnyRecordEvent,
    IdentityEvent,
    RecordEvent,
)
from schemas.upcasters import upcast

AnyEvent = AnyRecordEvent | AnyIdentityEvent
View = TypeVar("View", bound=msgspec.Struct)

CONTENT_TYPE = b"application/json"
SOURCE = "/contactpoint"
SCHEMA_PREFIX = "https://contactpoint.example/schemas/"


class EncodedEvent(NamedTuple):
    """An event as Kafka takes it."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class _Header(msgspec.Struct):
    event_type: str
    schema_version: int


_HEADER = msgspec.json.Decoder(_Header)
_VIEWS: dict[type[msgspec.Struct], msgspec.json.Decoder[Any]] = {}


def encode(event: AnyEvent) -> EncodedEvent:
    """Return the event's Kafka key, value and CloudEvents headers."""
    return EncodedEvent(event.subject.encode(), event.__pydantic_serializer__.to_json(event), _headers(event))


def decode(value: bytes | None) -> AnyEvent:
    """Parse, upcast and validate one value; raise RejectedError with a code, and no content, when it is not an event."""
    try:
        document = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        raise RejectedError("not_json", "the value is not JSON") from None
    if not isinstance(document, dict):
        raise RejectedError("not_an_object", "the value is not a JSON object")
    if document.get("schema_version") == CURRENT_VERSIONS.get(document.get("event_type", "")):
        return _validate_json(value or b"")
    return _validate(upcast(document))


def decode_as(value: bytes | None, view: type[View]) -> View:
    """Decode only the fields that `view` names: the fast way for consumers that trust what `encode` has written.

    The view sees the current schema version; older ones are lifted first. Raises RejectedError like `decode`.
    """
    try:
        header = _HEADER.decode(value or b"")
        if header.schema_version != CURRENT_VERSIONS.get(header.event_type):
            value = orjson.dumps(upcast(orjson.loads(value or b"")))
        decoded: View = _decoder(view).decode(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):  # a ValidationError is a DecodeError too
        raise RejectedError("event_invalid", f"the value cannot be read as {view.__name__}") from None
    return decoded


def _decoder(view: type[View]) -> msgspec.json.Decoder[View]:
    decoder = _VIEWS.get(view)
    if decoder is None:
        decoder = _VIEWS[view] = msgspec.json.Decoder(view)
    return decoder


def _validate_json(value: bytes) -> AnyEvent:
    try:
        return EVENT_ADAPTER.validate_json(value)
    except ValidationError as error:
        raise RejectedError("event_invalid", describe(error)) from None


def _validate(document: dict[str, Any]) -> AnyEvent:
    try:
        return EVENT_ADAPTER.validate_json(orjson.dumps(document))
    except ValidationError as error:
        raise RejectedError("event_invalid", describe(error)) from None


def describe(error: ValidationError) -> str:
    """Return where a value breaks its contract and how, never what the value was."""
    places = [".".join(map(str, item["loc"])) + ": " + item["type"] for item in error.errors(include_input=False)]
    return "; ".join(places[:5]) + (f"; and {len(places) - 5} more" if len(places) > 5 else "")


def _time(event: BaseModel) -> datetime:
    if isinstance(event, RecordEvent):
        return event.ingested_at
    return event.decided_at if isinstance(event, IdentityEvent) else datetime.fromtimestamp(0, UTC)


def _headers(event: AnyEvent) -> list[tuple[str, bytes]]:
    schema = f"{SCHEMA_PREFIX}{event.event_type}.v{event.schema_version}.json"
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", event.event_id.encode()),
        ("ce_source", SOURCE.encode()),
        ("ce_type", event.event_type.encode()),
        ("ce_subject", event.subject.encode()),
        ("ce_time", _time(event).isoformat().encode()),
        ("ce_dataschema", schema.encode()),
        ("content-type", CONTENT_TYPE),
    ]
