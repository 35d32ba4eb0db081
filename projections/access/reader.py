"""Reading the trail: by an auditor, whose reading is an entry itself, and for the report to a child or parent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from projections.access.deed import Deed, done
from projections.access.report import ReportLine, subject_report
from projections.access.sealing import SealingKey, unseal
from projections.access.sql import QUERIES
from projections.access.store import Connection
from schemas.access import Leaf, Person

POLICY = "audit-1"


@dataclass(frozen=True, slots=True)
class Found:
    """An entry, with what its seal hid; `secret` is None when the key is destroyed, empty when nothing was sealed."""

    leaf: Leaf
    secret: Mapping[str, Any] | None

    @property
    def child(self) -> str | None:
        """The child's number, while its key exists."""
        return None if self.secret is None else self.secret.get("child")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an auditor looks for; None stands for any. `children` are all numbers that one child ever had."""

    user: str | None = None
    children: tuple[str, ...] | None = None
    request: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 200


class TrailReader:
    """Reads with the rights of contactpoint_auditor and the sealing key, on a connection in autocommit mode.

    Of the directory it learns two things, by functions: which numbers a child had when, and whether a report about it
    must not name organisations.
    """

    def __init__(self, connection: Connection, sealing: SealingKey) -> None:
        self._connection = connection
        self._sealing = sealing

    def search(self, wanted: Wanted, auditor: Person, reason: str, request: str) -> list[Found]:
        """Return the entries, newest first; that the auditor looked, and at what, is durable before they are."""
        query = {
            name: str(value)
            for name, value in (("user", wanted.user), ("request", wanted.request), ("since", wanted.since),
                                ("until", wanted.until))
            if value is not None
        }  # fmt: skip
        deed = Deed("viewed_audit", auditor, POLICY, request, purpose="audit", reason=reason, query=query)
        with done(self._connection, deed) as shown:
            found = self.find(wanted)
            shown.children.update(wanted.children or ())
            shown.results = len(found)
        return found

    def report(self, children: Sequence[str], clerk: Person, reason: str, request: str) -> list[ReportLine]:
        """Return who looked at the child whom these numbers mean, when and why, for the child or a parent (R28).

        Looks of before a merge or split count, under whatever number the child's records then were. Organisations are
        left out for a child who is shielded or works with a sensitive service.
        """
        deed = Deed("reported_to_subject", clerk, POLICY, request, purpose="audit", reason=reason)
        with done(self._connection, deed) as shown:
            found = self._opened("find_looks", {"children": list(children)})
            row = self._connection.execute(QUERIES["is_guarded"], {"children": list(children)}).fetchone()
            shown.children.update(children)
            shown.results = len(found)
        return subject_report([each.leaf for each in found], guarded=row is None or bool(row[0]))

    def find(self, wanted: Wanted) -> list[Found]:
        """Return entries, newest first, without an entry of its own: for rules that run by themselves."""
        parameters = {
            "user": wanted.user,
            "children": None if wanted.children is None else list(wanted.children),
            "request": wanted.request,
            "since": wanted.since,
            "until": wanted.until,
            "limit": wanted.limit,
        }
        return self._opened("find_entries", parameters)

    def _opened(self, query: str, parameters: Mapping[str, Any]) -> list[Found]:
        rows = self._connection.execute(QUERIES[query], parameters).fetchall()
        return [self._open(Leaf.model_validate_json(body), wrapped) for body, wrapped in rows]

    def _open(self, leaf: Leaf, wrapped: bytes | None) -> Found:
        if leaf.sealed is None:
            return Found(leaf, {})
        if wrapped is None:
            return Found(leaf, None)
        return Found(leaf, unseal(self._sealing.unwrap(bytes(wrapped)), leaf.entry, leaf.sealed.box))
