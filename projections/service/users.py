"""Accounts of the directory service: employers, people, what they hold, and for how long. Each change is audited."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import TupleRow, dict_row

from connectors.postgres import sql_blocks, wrap_errors
from projections.access.log import append
from projections.directory.entry import fold_name
from projections.service.decision import POLICY_VERSION
from projections.service.purposes import OVERRIDERS, Category, Right
from schemas.access import AccessAction, AccessEntry, Person
from schemas.errors import RejectedError
from schemas.two_people import same_person

_SQL = sql_blocks("projections.service.sql", "users")
OUTCOMES = ("justified", "misuse", "mistake")


@dataclass(frozen=True, slots=True)
class Eligibility:
    """What a person must hold before they may look, and until when; None leaves it as it is."""

    trained_until: datetime | None = None
    vetted_at: datetime | None = None
    agreed_until: datetime | None = None


class Users:
    """Changes accounts on behalf of one operator, whom the audit trail names. Each call is one transaction."""

    def __init__(self, connection: psycopg.Connection[TupleRow], operator: str) -> None:
        self._connection = connection
        self._who = Person(user=operator, role="operator", organisation="contactpoint")

    def accredit(self, organisation: str, name: str, until: datetime | None) -> None:
        """Add an employer or change it. Another name suspends its staff until they are vetted again."""
        self._change("changed_rights", {"organisation": organisation}, "accredit", organisation, name, until)

    def add(self, subject: str, category: str, organisation: str) -> None:
        """Add a person, without anything that gives access yet, or move them to another role or employer."""
        if category not in set(Category):
            raise RejectedError("category_not_listed", f"no such category; one of: {', '.join(Category)}")
        self._demand_another(subject)
        if self._one("organisation_exists", organisation) is None:
            raise RejectedError("organisation_unknown", f"accredit the employer {organisation} first")
        values = (subject, category, organisation)
        self._change("changed_rights", {"account": subject, "category": category}, "add", *values)

    def record(self, subject: str, held: Eligibility) -> None:
        """Record training, an enhanced check (of the present employer) and the user agreement."""
        names = [name for name in Eligibility.__slots__ if getattr(held, name) is not None]
        values = (held.trained_until, held.vetted_at, held.vetted_at, held.vetted_at, held.agreed_until, subject)
        self._change_person("changed_rights", subject, {"recorded": " ".join(names)}, "record", *values)

    def describe(self, subject: str, given: str, surname: str, home: str | None) -> None:
        """Say who the person is and where they live, for the rules about the use of accounts."""
        values = (subject, fold_name(given), fold_name(surname), home)
        self._change_person("changed_rights", subject, {"recorded": "person"}, "describe", *values)

    def grant(self, subject: str, rights: Sequence[str]) -> None:
        """Give a person exactly these rights beyond their category's."""
        if not set(rights) <= set(Right):
            raise RejectedError("right_unknown", f"no such right; of: {', '.join(Right)}")
        found = self._one("category_of", subject)
        if Right.OVERRIDE_SHIELD in rights and found is not None and found["category"] not in OVERRIDERS:
            raise RejectedError(
                "right_not_for_category", "only those with child protection duties may override shields"
            )
        changed = {"rights": " ".join(sorted(rights)) or "none"}
        self._change_person("changed_rights", subject, changed, "grant", sorted(rights), subject)

    def activate(self, subject: str) -> None:
        """Let the account be used, or used again; a block by a limit ends."""
        self._change_person("restored_account", subject, {}, "activate", subject)

    def suspend(self, subject: str) -> None:
        """Let the account be used no more, from its next request on."""
        self._change_person("suspended_account", subject, {}, "suspend", subject)

    def people(self) -> list[dict[str, Any]]:
        """Return every account and what it holds."""
        return self._all("people")

    def investigations(self) -> list[dict[str, Any]]:
        """Return what is open to be looked into: by reference, never with a child's data."""
        return self._all("investigations")

    def alerts(self, *, seconds: float | None = None) -> Generator[str, None, None]:
        """Return the reference of each investigation as it is opened, from now on; without `seconds` for ever.

        Nothing else can be done on the connection until it is closed.
        """
        with wrap_errors():
            self._connection.execute("listen contactpoint_alert")
        return (told.payload for told in self._connection.notifies(timeout=seconds))

    def close(self, investigation: str, outcome: str) -> None:
        """Close an investigation with its outcome; raise RejectedError for one that is not open, or is one's own."""
        if outcome not in OUTCOMES:
            raise RejectedError("outcome_unknown", f"the outcomes are: {', '.join(OUTCOMES)}")
        found = next((each for each in self.investigations() if each["id"] == investigation), None)
        if found is None:
            raise RejectedError("no_open_investigation", f"no investigation {investigation} is open")
        self._demand_another(found["subject"])
        values = (self._who.user, outcome, investigation)
        self._change("viewed_audit", {"investigation": investigation, "outcome": outcome}, "close", *values)

    def _change_person(
        self, action: AccessAction, subject: str, changed: dict[str, str], statement: str, *values: Any
    ) -> None:
        if action != "suspended_account":
            self._demand_another(subject)
        if self._one("category_of", subject) is None:
            raise RejectedError("user_unknown", f"there is no account {subject}")
        self._change(action, {"account": subject} | changed, statement, *values)

    def _demand_another(self, subject: str) -> None:
        if same_person(subject, self._who.user):
            raise RejectedError("own_account", "this is about your own account: somebody else has to do it")

    def _change(self, action: AccessAction, query: dict[str, str], statement: str, *values: Any) -> None:
        entry = AccessEntry(
            action=action,
            decision="permitted",
            who=self._who,
            query=query,
            policy=POLICY_VERSION,
            request="operator",
        )
        with wrap_errors(), self._connection.transaction():
            self._connection.execute(_SQL[statement], values)
            append(self._connection, [entry])

    def _one(self, statement: str, *values: Any) -> dict[str, Any] | None:
        with wrap_errors(), self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(_SQL[statement], values).fetchone()

    def _all(self, statement: str) -> list[dict[str, Any]]:
        with wrap_errors(), self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(_SQL[statement]).fetchall()
