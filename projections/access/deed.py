"""A deed at a desk: what somebody does and its entries in the audit trail, both or neither; a refusal has one too."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

import psycopg
from psycopg.rows import TupleRow
from pydantic import ValidationError

from connectors.postgres import wrap_errors
from projections.access.log import append, require_healthy
from projections.access.sql import QUERIES
from schemas.access import AccessAction, AccessEntry, Person
from schemas.errors import RejectedError
from schemas.settings import explain_validation

_AT_ONCE: Final = 1_000  # entries in one statement


@dataclass(slots=True)
class Shown:
    """What a deed shows: the children, found while it is done, and how many results there are if none is a child.

    `request` names the deed where its id comes about while it is done, such as a decision's. `keys` are those of the
    trail that it destroyed.
    """

    children: set[str] = field(default_factory=set)
    results: int | None = None
    request: str | None = None
    keys: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Deed:
    """Who does what, under which policy, on which reference, to which child if to one, why, and asking for what."""

    action: AccessAction
    who: Person
    policy: str
    request: str
    child: str | None = None
    purpose: str | None = None
    fields: Sequence[str] = ()
    reason: str | None = None
    query: Mapping[str, str] | None = None

    def entry(
        self,
        child: str | None = None,
        results: int | None = None,
        refusal: str | None = None,
        keys: Sequence[str] = (),
    ) -> AccessEntry:
        """Return the deed's entry about a child, or that of its refusal; raise RejectedError for what none can hold."""
        try:
            return AccessEntry(
                action=self.action,
                decision="refused" if refusal else "permitted",
                who=self.who,
                purpose=self.purpose,
                reason=self.reason,
                child=child or self.child,
                fields=tuple(self.fields),
                query=dict(self.query) if self.query else None,
                results=results,
                refusal=refusal,
                keys=tuple(keys) or None,
                policy=self.policy,
                request=self.request,
            )
        except ValidationError as error:
            raise RejectedError("entry_invalid", explain_validation(error, "the trail's entry")) from None


@contextmanager
def done(connection: psycopg.Connection[TupleRow], deed: Deed, *, urgent: bool = False) -> Iterator[Shown]:
    """Run the block in a transaction that ends with an entry for each child that it notes, or one for the deed.

    A RejectedError from the block is entered as a refusal. Raises RetriableError, and does nothing, while the audit
    trail is not kept; what is `urgent` and shows nothing is entered all the same and done, as refusals are.
    """
    shown = Shown()
    deed.entry()  # what cannot be entered is not done
    with refusals_of(connection, deed), wrap_errors(), connection.transaction():
        if not urgent:
            require_healthy(connection)
        yield shown
        made = replace(deed, request=shown.request or deed.request)
        entries = [made.entry(child, shown.results, keys=shown.keys) for child in sorted(shown.children) or (None,)]
        for first in range(0, len(entries), _AT_ONCE):
            append(connection, entries[first : first + _AT_ONCE])


@contextmanager
def refusals_of(connection: psycopg.Connection[TupleRow], deed: Deed) -> Iterator[None]:
    """Enter a RejectedError from the block as the refusal of the deed."""
    try:
        yield
    except RejectedError as error:
        with wrap_errors(), connection.transaction():
            append(connection, [deed.entry(refusal=error.code)])
        raise


def demand_right(connection: psycopg.Connection[TupleRow], account: str, *, whole: bool) -> None:
    """Raise RejectedError unless this account may look at children's data, at shielded children whole if asked for.

    The database login decides: it has to be a member of contactpoint_reviewer or contactpoint_shielded_reviewer. No
    account looks that is suspended.
    """
    with wrap_errors():
        suspended, ordinary, shielded = connection.execute(QUERIES["desk_rights"], [account]).fetchone() or (True,) * 3
    if suspended:
        raise RejectedError("account_suspended", "this account is suspended: the review of its use is not closed")
    if not shielded and (whole or not ordinary):
        right = "contactpoint_shielded_reviewer" if whole else "contactpoint_reviewer"
        raise RejectedError("right_needed", f"this needs a database login that is a member of {right}")


def new_request() -> str:
    """Return an id for what a command does, as it is entered in the trail."""
    return f"cli-{secrets.token_hex(8)}"
