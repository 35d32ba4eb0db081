"""Under which law something of one child may be disclosed, and what: closed lists, none of them of many children."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Final, NamedTuple

from schemas.errors import RejectedError
from schemas.identity import is_child_number

GATEWAYS: Mapping[str, str] = MappingProxyType(
    {
        "court_order": "an order of a court, or a duty under an enactment",
        "crime": "prevention or detection of crime, or prosecution: DPA 2018 Sch. 2 para. 2, each case on its merits",
        "section_47": "inquiries under s. 47 Children Act 1989",
        "child_death": "functions of child death review: Children Act 2004 s. 16M",
    }
)

PROPORTIONALITY: Mapping[str, str] = MappingProxyType(
    {
        "least_that_serves": "these items are the least that serve the purpose",
        "ordered_items": "the order names these items",
        "urgent_risk": "waiting would put the child at risk",
    }
)

ITEMS: frozenset[str] = frozenset(
    ("names", "sex", "birth_date", "whereabouts", "carers", "education", "primary_care", "involvements")
)
LONGEST: Final = timedelta(days=28)
"""How long an authorisation may stand before it is used."""


class Ask(NamedTuple):
    """One request: the child's number, the gateway, who is to get it, which items, and why these."""

    child_number: str
    gateway: str
    recipient: str
    items: tuple[str, ...]
    proportionality: str
    views_sought: bool
    requested_by: str


def check(ask: Ask) -> None:
    """Raise RejectedError that says which part of a request is not allowed, and what is."""
    if not is_child_number(ask.child_number):
        raise RejectedError("one_child_only", "a disclosure names one child by its number: no list, query or file")
    if not (ask.requested_by.strip() and ask.recipient.strip()):
        raise RejectedError("not_named", "name the person who asks and who is to get it")
    if ask.gateway not in GATEWAYS:
        raise RejectedError("gateway_not_listed", f"the gateways are: {', '.join(sorted(GATEWAYS))}")
    if ask.proportionality not in PROPORTIONALITY:
        raise RejectedError("reason_not_listed", f"the reasons are: {', '.join(sorted(PROPORTIONALITY))}")
    unknown = sorted(set(ask.items) - ITEMS)
    if unknown or not ask.items:
        raise RejectedError("items_not_listed", f"name at least one of the items: {', '.join(sorted(ITEMS))}")
