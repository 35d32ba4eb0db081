"""A deed at a desk: what somebody does and its entry in the audit trail, both or neither; a refusal has one too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg.rows import TupleRow

from connectors.postgres import wrap_errors
from projections.access.log import append, require_healthy
from schemas.access import AccessAction, AccessEntry, Person
from schemas.errors import RejectedError


@dataclass(frozen=True, slots=True)
class Deed:
    """Who does what, under which policy, on which reference, and to which child if to one."""

    action: AccessAction
    who: Person
    policy: str
    request: str
    child: str | None = None
    purpose: str | None = None
    fields: Sequence[str] = ()

    def entry(self, refusal: str | None = None) -> AccessEntry:
        """Return the deed's entry in the audit trail, or that of its refusal."""
        return AccessEntry(
            action=self.action,
            decision="refused" if refusal else "permitted",
            who=self.who,
            purpose=self.purpose,
            child=self.child,
            fields=tuple(self.fields),
            refusal=refusal,
            policy=self.policy,
            request=self.request,
        )


@contextmanager
def done(connection: psycopg.Connection[TupleRow], deed: Deed) -> Iterator[None]:
    """Run the block in a transaction that ends with the deed's entry; a RejectedError from it is entered as a refusal.

    Raises RetriableError, and does nothing, while the audit trail is not kept.
    """
    try:
        with wrap_errors(), connection.transaction():
            require_healthy(connection)
            yield
            append(connection, [deed.entry()])
    except RejectedError as error:
        with wrap_errors(), connection.transaction():
            append(connection, [deed.entry(refusal=error.code)])
        raise
