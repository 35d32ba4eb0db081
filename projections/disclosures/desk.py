"""The disclosure desk: authorise one disclosure, and make it once. A reviewer is told of every one."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any, Final

import orjson

from connectors.postgres import apply_schema, sql_blocks, wrap_errors
from projections.access.deed import Deed, done
from projections.base import Rows
from projections.disclosures.rules import LONGEST, Ask, check
from schemas.access import Person
from schemas.errors import RejectedError
from schemas.identity import is_child_number
from schemas.settings import PostgresSettings
from schemas.two_people import same_person

_SQL = sql_blocks("projections.disclosures.sql")

_POLICY: Final = "disclosure-1"
AUTHORISER: Final = "contactpoint_authoriser"
DISCLOSER: Final = "contactpoint_discloser"
REVIEWER: Final = "contactpoint_disclosure_reviewer"


def prepare(settings: PostgresSettings) -> None:
    """Create the tables and rights where they are missing."""
    apply_schema(settings, "projections.disclosures.sql")


class DisclosureDesk:
    """Handles disclosures on one connection. Every deed and refusal has its entry in the trail of access.

    Each kind of deed has a database role of its own (`AUTHORISER`, `DISCLOSER`, `REVIEWER`), with rights for it alone.
    """

    def __init__(self, connection: Rows) -> None:
        self._connection = connection

    def authorise(self, ask: Ask, who: Person, now: datetime, expires: datetime) -> str:
        """Note that a second person authorises one disclosure; return its reference."""
        reference = f"D{secrets.token_hex(6)}"
        child = ask.child_number if is_child_number(ask.child_number) else None
        said = {"gateway": ask.gateway, "recipient": ask.recipient, "requested_by": ask.requested_by}
        with done(self._connection, Deed("authorised_disclosure", who, _POLICY, reference, child, query=said)):
            check(ask)
            if same_person(who.user, ask.requested_by):
                raise RejectedError("own_request", "whoever asks for a disclosure cannot authorise it")
            if not now < expires <= now + LONGEST:
                raise RejectedError("expiry_not_allowed", f"it must expire within {LONGEST.days} days from now")
            published = self._connection.execute(_SQL["published"], (ask.child_number,)).fetchone()
            if published is None or not published[0]:
                raise RejectedError("no_entry", "the directory publishes no child with this number")
            self._connection.execute(
                _SQL["authorise"],
                (
                    *(reference, ask.child_number, ask.gateway, ask.recipient, ask.proportionality, ask.views_sought),
                    *(sorted(set(ask.items)), ask.requested_by, who.user, now, expires),
                ),
            )
        return reference

    def disclose(self, reference: str, requested_by: str, who: Person, now: datetime) -> dict[str, Any]:
        """Return the authorised items of the child, once. Everything is durable before the caller sees a byte.

        Raises RejectedError when the reference is unknown, used or expired, `who` authorised it or names another person
        who asked for it, or the child has no published entry.
        """
        child, items = self._authorised(reference)
        said = {"requested_by": requested_by}
        with done(self._connection, Deed("disclosed", who, _POLICY, reference, child, fields=items, query=said)):
            told = self._use(reference, requested_by, who, now)
        return {"disclosure": reference, "child_number": child, **orjson.loads(told)}

    def _authorised(self, reference: str) -> tuple[str | None, list[str]]:
        with wrap_errors():
            found = self._connection.execute(_SQL["authorised"], (reference,)).fetchone()
        return (None, []) if found is None else (found[0], found[1])

    def _use(self, reference: str, requested_by: str, who: Person, now: datetime) -> str:
        """Mark an authorisation as used, tell a reviewer, and return its items of the child, as JSON."""
        found = self._connection.execute(_SQL["lock"], (reference,)).fetchone()
        if found is None:
            raise RejectedError("not_authorised", "nobody authorised a disclosure with this reference")
        expires, used, authorised_by, requester = found
        if same_person(who.user, authorised_by):
            raise RejectedError("own_authorisation", "whoever authorised a disclosure cannot make it")
        if not same_person(requested_by, requester):
            raise RejectedError("another_requester", "whoever authorised it was told that somebody else asked for it")
        if used is not None:
            raise RejectedError("disclosed_before", "this authorisation has been used: ask for another one")
        if now >= expires:
            raise RejectedError("authorisation_expired", "this authorisation has expired: ask for another one")
        items = self._connection.execute(_SQL["items"], (reference,)).fetchone()
        if items is None or items[0] is None:
            raise RejectedError("no_entry", "the directory publishes nothing of this child that may be disclosed")
        self._connection.execute(_SQL["use"], (now, who.user, reference))
        self._connection.execute(_SQL["notify"], (reference, now))
        return str(items[0])

    def notices(self) -> list[tuple[Any, ...]]:
        """Return what a reviewer is told: reference, when, gateway, who authorised, who has looked at it."""
        with wrap_errors():
            return self._connection.execute(_SQL["notices"]).fetchall()

    def review(self, reference: str, who: Person, now: datetime) -> None:
        """Note that a reviewer has looked at a disclosure."""
        with done(self._connection, Deed("reviewed_disclosure", who, _POLICY, reference)):
            if self._connection.execute(_SQL["review"], (who.user, now, reference)).rowcount != 1:
                raise RejectedError("no_open_notice", "there is no open notice with this reference")
