"""The disclosure desk: authorise one disclosure, and make it once. A reviewer is told of every one."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson

from connectors.postgres import apply_schema, sql_blocks, wrap_errors
from projections.base import Rows
from projections.disclosures.rules import LONGEST, Ask, check
from schemas.errors import RejectedError
from schemas.settings import PostgresSettings

_SQL = sql_blocks("projections.disclosures.sql")

Note = Callable[[str, str, str, str], None]
"""Writes what was done into the access trail, in the same transaction: (action, by whom, child number, reference)."""


def prepare(settings: PostgresSettings) -> None:
    """Create the tables."""
    apply_schema(settings, "projections.disclosures.sql")


class DisclosureDesk:
    """Handles disclosures on one connection. `note` joins each transaction: without its entry nothing happens."""

    def __init__(self, connection: Rows, note: Note) -> None:
        self._connection, self._note = connection, note

    def authorise(self, ask: Ask, by: str, now: datetime, expires: datetime) -> str:
        """Note that a second person authorises one disclosure; return its reference."""
        check(ask)
        if by == ask.requested_by:
            raise RejectedError("own_request", "whoever asks for a disclosure cannot authorise it")
        if not now < expires <= now + LONGEST:
            raise RejectedError("expiry_not_allowed", f"it must expire within {LONGEST.days} days from now")
        reference = f"D{secrets.token_hex(6)}"
        with wrap_errors(), self._connection.transaction():
            self._connection.execute(
                _SQL["authorise"],
                (
                    *(reference, ask.child_number, ask.gateway, ask.recipient, ask.proportionality, ask.views_sought),
                    *(sorted(set(ask.items)), ask.requested_by, by, now, expires),
                ),
            )
            self._note("disclosure_authorised", by, ask.child_number, reference)
        return reference

    def disclose(self, reference: str, by: str, now: datetime) -> dict[str, Any]:
        """Return the authorised items of the child, once. Everything is durable before the caller sees a byte.

        Raises RejectedError when the reference is unknown, used or expired, or the child has no published entry.
        """
        with wrap_errors(), self._connection.transaction():
            found = self._connection.execute(_SQL["lock"], (reference,)).fetchone()
            if found is None:
                raise RejectedError("not_authorised", "nobody authorised a disclosure with this reference")
            child, items, expires, used = found
            if used is not None:
                raise RejectedError("disclosed_before", "this authorisation has been used: ask for another one")
            if now >= expires:
                raise RejectedError("authorisation_expired", "this authorisation has expired: ask for another one")
            entry = self._connection.execute(_SQL["entry"], (child,)).fetchone()
            if entry is None:
                raise RejectedError("no_entry", "the directory publishes nothing of this child that may be disclosed")
            self._connection.execute(_SQL["use"], (now, by, reference))
            self._connection.execute(_SQL["notify"], (reference, now))
            self._note("disclosed", by, child, reference)
        document = orjson.loads(entry[0])
        return {"reference": reference, "child_number": child, **{i: document[i] for i in items if i in document}}

    def notices(self) -> list[tuple[Any, ...]]:
        """Return what a reviewer is told: reference, when, gateway, who authorised, who has looked at it."""
        with wrap_errors():
            return self._connection.execute(_SQL["notices"]).fetchall()

    def review(self, reference: str, by: str, now: datetime) -> None:
        """Note that a reviewer has looked at a disclosure."""
        with wrap_errors(), self._connection.transaction():
            if self._connection.execute(_SQL["review"], (by, now, reference)).rowcount != 1:
                raise RejectedError("no_open_notice", "there is no open notice with this reference")
            self._note("disclosure_reviewed", by, "", reference)
