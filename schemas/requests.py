"""What people ask about their own data, and complaints: events of the topic `decisions`, with the day they are due.

Only the opening is about anybody: it is published sealed, under a key of its own that goes with the child. What follows
names the request by its id. Nothing here is case information: `details` says what is asked, and is read by whoever
answers. UK GDPR art. 12(3) gives a month from receipt, and two more for a complex or one of many requests.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas.decisions import DecisionEvent
from schemas.events import Contract

RequestKind = Literal["access", "correction", "restriction", "objection", "erasure", "complaint"]
Requester = Literal["child", "parent", "representative"]


class Opening(Contract):
    """What is asked, about which child, by whom, when it was received and by when it has to be answered."""

    kind: RequestKind
    child_number: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    requester: Requester
    received: date
    due: date
    details: Annotated[str, StringConstraints(max_length=4000)] = ""


class RequestOpened(DecisionEvent):
    """Somebody asked; `subject` is the request's id in all its events, `reason` how it came."""

    event_type: Literal["request.opened"] = "request.opened"
    schema_version: Literal[1] = 1
    data: Opening


class Extension(Contract):
    """The later day by which it has to be answered."""

    due: date


class RequestExtended(DecisionEvent):
    """More time was taken, and the requester told why; `reason` says why."""

    event_type: Literal["request.extended"] = "request.extended"
    schema_version: Literal[1] = 1
    data: Extension


class Nothing(Contract):
    """Nothing more than who, when and the reason's code."""


class RequestAnswered(DecisionEvent):
    """It was answered; `reason` says how."""

    event_type: Literal["request.answered"] = "request.answered"
    schema_version: Literal[1] = 1
    data: Nothing = Field(default_factory=Nothing)


class RequestRefused(DecisionEvent):
    """It was refused, wholly or in part; `reason` is the ground."""

    event_type: Literal["request.refused"] = "request.refused"
    schema_version: Literal[1] = 1
    data: Nothing = Field(default_factory=Nothing)


class RequestClosed(DecisionEvent):
    """Nothing more is to be done: the requester was told the outcome and their right to complain, or withdrew."""

    event_type: Literal["request.closed"] = "request.closed"
    schema_version: Literal[1] = 1
    data: Nothing = Field(default_factory=Nothing)


AnyRequestEvent = RequestOpened | RequestExtended | RequestAnswered | RequestRefused | RequestClosed
