"""The catalogue of all events: every type by its name, and each type's current version."""

from __future__ import annotations

from typing import Annotated, get_args

from pydantic import Field, TypeAdapter

from schemas.access import AnyAccessEvent
from schemas.conflicts import AnyConflictEvent
from schemas.decisions import AnyDecisionEvent
from schemas.directory_decisions import AnyDirectoryDecision
from schemas.events import AnyIdentityEvent, AnyRecordEvent, Envelope
from schemas.requests import AnyRequestEvent

AnyEvent = (
    AnyRecordEvent
    | AnyIdentityEvent
    | AnyDecisionEvent
    | AnyDirectoryDecision
    | AnyRequestEvent
    | AnyConflictEvent
    | AnyAccessEvent
)

EVENT_TYPES: dict[str, type[Envelope]] = {
    model.model_fields["event_type"].default: model for model in get_args(AnyEvent)
}
CURRENT_VERSIONS: dict[str, int] = {
    name: int(model.model_fields["schema_version"].default) for name, model in EVENT_TYPES.items()
}
EVENT_ADAPTER: TypeAdapter[AnyEvent] = TypeAdapter(Annotated[AnyEvent, Field(discriminator="event_type")])
