"""The register as a fold of its events, and what may be done next. Pure.

Periods and grounds are data: `contactpoint request rules` shows them. Days are calendar days: a due day on a weekend is
not moved to the next working day, so nobody is late who follows the list.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from types import MappingProxyType
from typing import Literal

from schemas.decisions import DecisionEvent
from schemas.errors import RejectedError
from schemas.requests import (
    RequestAnswered,
    RequestClosed,
    RequestExtended,
    RequestKind,
    RequestOpened,
    RequestRefused,
)

State = Literal["open", "answered", "refused", "closed"]

MONTHS = 1
MOST_MONTHS = 3  # with an extension, from receipt

LAWS: Mapping[RequestKind, str] = MappingProxyType(
    {
        "access": "UK GDPR art. 15",
        "correction": "UK GDPR art. 16",
        "restriction": "UK GDPR art. 18",
        "objection": "UK GDPR art. 21",
        "erasure": "UK GDPR art. 17: not where the law requires the record (art. 17(3)(b))",
        "complaint": "own choice: as for a request",
    }
)
HOW: Mapping[RequestKind, tuple[str, ...]] = MappingProxyType(
    {
        "access": ("contactpoint child CHILD", "contactpoint audit report CHILD"),
        "correction": ("contactpoint field CHILD FIELD", "contactpoint decide correct CHILD ITEMS.toml"),
        "restriction": ("contactpoint decide shield CHILD",),
        "objection": ("contactpoint decide shield CHILD",),
        "erasure": ("contactpoint retention erase CHILD",),
        "complaint": ("contactpoint audit search --child CHILD", "contactpoint users suspend ACCOUNT"),
    }
)
"""The commands that serve each kind, for who has to answer."""
REASONS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "request.opened": {"letter": "in writing", "spoken": "spoken, and noted", "authority": "passed on"},
        "request.extended": {"complex": "it is complex", "many": "there are many requests of the same person"},
        "request.answered": {
            "report_given": "a report was given",
            "corrected": "the record was corrected",
            "restricted": "a shield or restriction was set",
            "explained": "what is held, and why, was explained",
            "upheld": "the complaint was upheld",
            "not_upheld": "the complaint was looked into and not upheld",
        },
        "request.refused": {
            "identity_not_shown": "the requester did not show who they are",
            "no_authority": "the requester may not act for the child",
            "unfounded": "manifestly unfounded (art. 12(5))",
            "excessive": "excessive (art. 12(5))",
            "rights_of_others": "it would tell of somebody else (DPA 2018 Sch. 2 para. 16)",
            "serious_harm": "it would cause serious harm (DPA 2018 Sch. 3)",
            "duty_of_law": "the law requires the record (Children Act 2004 s. 12)",
            "accurate": "it was checked, and is right",
        },
        "request.closed": {"told": "the outcome and the right to complain were told", "withdrawn": "it was withdrawn"},
    }
)
"""Event type to code to words."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it stands; `events` are those that made it so, the oldest first."""

    opened: RequestOpened
    due: date
    state: State = "open"
    ended_at: datetime | None = None
    events: tuple[DecisionEvent, ...] = ()

    @property
    def request_id(self) -> str:
        """Its id."""
        return self.opened.subject

    def overdue(self, on: date) -> bool:
        """Tell whether it should have been answered or refused before this day, and was not."""
        return self.state == "open" and self.due < on


def add_months(day: date, count: int) -> date:
    """Return the corresponding day that many months later, or the month's last day where there is none."""
    year, month = divmod(day.year * 12 + day.month - 1 + count, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def register(events: Iterable[DecisionEvent]) -> dict[str, Request]:
    """Return the requests by id; an event that does not follow from what was before it changes nothing."""
    found: dict[str, Request] = {}
    for event in events:
        if isinstance(event, RequestOpened):
            found.setdefault(event.subject, Request(event, event.data.due, events=(event,)))
            continue
        known = found.get(event.subject)  # an erased request has no opening any more
        if known is not None and may_follow(known, event) is None:
            found[event.subject] = _after(known, event)
    return found


def request_of(requests: Mapping[str, Request], request_id: str) -> Request:
    """Return the request with this id; raise RejectedError when there is none."""
    if request_id not in requests:
        raise RejectedError("request_unknown", "there is no such request, or the child is erased")
    return requests[request_id]


def check(request: Request, event: DecisionEvent) -> None:
    """Raise RejectedError when this event may not be next, in words."""
    why_not = may_follow(request, event)
    if why_not is not None:
        raise RejectedError("request_not_allowed", why_not)


def may_follow(request: Request, event: DecisionEvent) -> str | None:
    """Return why this event may not be next for the request, or None when it may."""
    match event:
        case RequestExtended(data=data):
            if request.state != "open" or any(isinstance(each, RequestExtended) for each in request.events):
                return "only an open request can be extended, and once"
            latest = add_months(request.opened.data.received, MOST_MONTHS)
            return None if request.due < data.due <= latest else f"the new day lies after the old one, until {latest}"
        case RequestAnswered() | RequestRefused():
            return None if request.state == "open" else f"it is {request.state} already"
        case RequestClosed(reason="withdrawn"):
            return None if request.state != "closed" else "it is closed already"
        case RequestClosed():
            return None if request.state in {"answered", "refused"} else "answer or refuse it first"
        case _:
            return "that is no step of a request"


def _after(request: Request, event: DecisionEvent) -> Request:
    events = (*request.events, event)
    match event:
        case RequestExtended(data=data):
            return replace(request, due=data.due, events=events)
        case RequestAnswered():
            return replace(request, state="answered", ended_at=event.decided_at, events=events)
        case RequestRefused():
            return replace(request, state="refused", ended_at=event.decided_at, events=events)
        case _:
            return replace(request, state="closed", ended_at=request.ended_at or event.decided_at, events=events)
