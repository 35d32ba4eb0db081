"""Accounts of the directory service: employers, people, what they hold, and for how long. Each change is audited."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.rows import TupleRow, dict_row

from connectors.postgres import sql_blocks, wrap_errors
from projections.access.deed import Deed, Shown, done
from projections.directory.entry import fold_name
from projections.service.decision import POLICY_VERSION
from projections.service.purposes import HOLDERS, Category, Right
from schemas.access import AccessAction, Person
from schemas.errors import RejectedError
from schemas.two_people import same_person

_SQL = sql_blocks("projections.service.sql", "users")
_ADDRESS = re.compile(r"[^@\s<>\",;]+@[^@\s<>\",;]+")
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
        with self._changing("changed_rights", {"organisation": organisation}):
            self._run("accredit", organisation, name, until)

    def manager(self, organisation: str, address: str) -> None:
        """Say where the manager of an employer reads mail; `*` is whoever is told where there is no other."""
        with self._changing("changed_rights", {"organisation": organisation, "recorded": "manager"}):
            if not _ADDRESS.fullmatch(address):
                raise RejectedError("address_invalid", "an address is written name@example.org")
            if organisation != "*" and self._one("organisation_exists", organisation) is None:
                raise RejectedError("organisation_unknown", f"accredit the employer {organisation} first")
            self._run("manager", organisation, address)

    def add(self, subject: str, category: str, organisation: str) -> None:
        """Add a person, without anything that gives access yet, or move them to another role or employer."""
        with self._changing("changed_rights", {"account": subject, "category": category}):
            if category not in set(Category):
                raise RejectedError("category_not_listed", f"no such category; one of: {', '.join(Category)}")
            self._demand_another(subject)
            if self._one("organisation_exists", organisation) is None:
                raise RejectedError("organisation_unknown", f"accredit the employer {organisation} first")
            self._run("add", subject, category, organisation)

    def record(self, subject: str, held: Eligibility) -> None:
        """Record training, an enhanced check (of the present employer) and the user agreement."""
        names = [name for name in Eligibility.__slots__ if getattr(held, name) is not None]
        values = (held.trained_until, held.vetted_at, held.vetted_at, held.vetted_at, held.agreed_until, subject)
        with self._changing("changed_rights", {"account": subject, "recorded": " ".join(names)}):
            self._demand_another(subject)
            if held.vetted_at is not None and held.vetted_at > datetime.now(UTC):
                raise RejectedError(
                    "vetting_to_come", "a check that is still to come lets nobody in: give its day once it is made"
                )
            self._run_of(subject, "record", *values)

    def describe(self, subject: str, given: str, surname: str, home: str | None) -> None:
        """Say who the person is and where they live, for the rules about the use of accounts."""
        with self._changing("changed_rights", {"account": subject, "recorded": "person"}):
            self._demand_another(subject)
            self._run_of(subject, "describe", subject, fold_name(given), fold_name(surname), home)

    def grant(self, subject: str, rights: Sequence[str]) -> None:
        """Give a person exactly these rights beyond their category's."""
        with self._changing("changed_rights", {"account": subject, "rights": " ".join(sorted(rights)) or "none"}):
            if not set(rights) <= set(Right):
                raise RejectedError("right_unknown", f"no such right; of: {', '.join(Right)}")
            found = self._one("category_of", subject)
            refused = [right for right in rights if found and found["category"] not in HOLDERS[Right(right)]]
            if refused:
                raise RejectedError("right_not_for_category", f"nobody of this category may hold {', '.join(refused)}")
            self._demand_another(subject)
            self._run_of(subject, "grant", sorted(rights), subject)

    def activate(self, subject: str) -> None:
        """Let the account be used, or used again; a block by a limit ends, and its day begins anew."""
        with self._changing("restored_account", {"account": subject}):
            self._demand_another(subject)
            self._run_of(subject, "activate", subject, subject)

    def suspend(self, subject: str) -> None:
        """Let the account be used no more, from its next request on."""
        with self._changing("suspended_account", {"account": subject}):
            self._run_of(subject, "suspend", subject)

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
        with self._changing("viewed_audit", {"investigation": investigation, "outcome": outcome}):
            if outcome not in OUTCOMES:
                raise RejectedError("outcome_unknown", f"the outcomes are: {', '.join(OUTCOMES)}")
            found = next((each for each in self.investigations() if each["id"] == investigation), None)
            if found is None:
                raise RejectedError("no_open_investigation", f"no investigation {investigation} is open")
            self._demand_another(found["subject"])
            self._run("close", self._who.user, outcome, investigation)

    def _changing(self, action: AccessAction, changed: dict[str, str]) -> AbstractContextManager[Shown]:
        """Change and entry, or refusal and entry; also while the trail is not kept, so that accounts can be closed."""
        return done(self._connection, Deed(action, self._who, POLICY_VERSION, "operator", query=changed), urgent=True)

    def _demand_another(self, subject: str) -> None:
        if same_person(subject, self._who.user):
            raise RejectedError("own_account", "this is about your own account: somebody else has to do it")

    def _run_of(self, subject: str, statement: str, *values: Any) -> None:
        if self._one("category_of", subject) is None:
            raise RejectedError("user_unknown", f"there is no account {subject}")
        self._run(statement, *values)

    def _run(self, statement: str, *values: Any) -> None:
        self._connection.execute(_SQL[statement], values)

    def _one(self, statement: str, *values: Any) -> dict[str, Any] | None:
        with wrap_errors(), self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(_SQL[statement], values).fetchone()

    def _all(self, statement: str) -> list[dict[str, Any]]:
        with wrap_errors(), self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(_SQL[statement]).fetchall()
