"""The review desk: who works on what, and answers that do not see each other. What people see is in the trail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from connectors.postgres import apply_schema, sql_blocks, wrap_errors
from projections.access.deed import Deed, done
from projections.base import Rows
from projections.reviewing.rules import CLAIM, LONGEST_CLAIM, Opinion, Verdict, check_answer, verdict
from schemas.access import Person
from schemas.errors import RejectedError
from schemas.settings import PostgresSettings
from schemas.two_people import same_person

SQL = sql_blocks("projections.reviewing.sql")
POLICY: Final = "review-1"


def prepare(settings: PostgresSettings) -> None:
    """Create the tables where they are missing."""
    apply_schema(settings, "projections.reviewing.sql", unless="reviewing.item")


@dataclass(frozen=True, slots=True)
class Item:
    """A question as it is worked on: a conflict's id or a sample's item, and the version of its evidence."""

    name: str
    version: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """Who works on an item, and until when."""

    holder: str
    until: datetime


class ReviewDesk:
    """Claims and answers on one connection in autocommit mode.

    Whether a question is there and may be seen by this person is the caller's to check, before anything is asked here.
    """

    def __init__(self, connection: Rows) -> None:
        self._connection = connection

    def is_open(self) -> bool:
        """Tell whether the desk's tables are there and this login may read them."""
        with wrap_errors():
            row = self._connection.execute(SQL["is_open_to_us"]).fetchone()
        return row is not None and bool(row[0])

    def claim(self, item: Item, holder: str, by: str, now: datetime, lasting: timedelta = CLAIM) -> Claim:
        """Let somebody work on an item (`by` may be who assigns it); raise RejectedError when another one does.

        Nobody gets a question that they have answered or that needs no further answer.
        """
        if not timedelta() < lasting <= LONGEST_CLAIM:
            raise RejectedError("claim_too_long", f"a claim lasts at most {LONGEST_CLAIM.days} days")
        before = self.opinions(item)
        if any(same_person(holder, each.by) for each in before):
            raise RejectedError("answered_before", f"{holder} has answered this: another person has to")
        if not verdict([each.answer for each in before]).is_open:
            raise RejectedError("question_answered", "enough people have answered this")
        wanted = {"item": item.name, "holder": holder, "by": by, "now": now, "until": now + lasting}
        with wrap_errors():
            row = self._connection.execute(SQL["claim"], wanted).fetchone()
        if row is None:
            held = self.claims([item.name], now).get(item.name)
            raise RejectedError("claimed", f"{held.holder} works on this until {held.until}" if held else "try again")
        return Claim(*row)

    def release(self, item: str, by: str) -> None:
        """Give an item back; raise RejectedError when `by` neither holds nor assigned it."""
        with wrap_errors():
            done = self._connection.execute(SQL["release"], {"item": item, "by": by}).rowcount
        if not done:
            raise RejectedError("not_claimed", f"{by} neither works on this nor assigned it")

    def claims(self, items: Iterable[str], now: datetime) -> dict[str, Claim]:
        """Return who works on which of these items now."""
        with wrap_errors():
            rows = self._connection.execute(SQL["claims"], {"items": list(items), "now": now}).fetchall()
        return {item: Claim(holder, until) for item, holder, until in rows}

    def demand_claim(self, item: str, by: str, now: datetime) -> None:
        """Raise RejectedError unless this person works on the item now; locks it in the caller's transaction."""
        with wrap_errors():
            row = self._connection.execute(SQL["lock_claim"], {"item": item}).fetchone()
        if row is None or row[0] != by or row[1] <= now:
            raise RejectedError("not_claimed", "claim it first: nobody may work on what another one works on")

    def answer(self, item: Item, answer: str, reason: str, by: str, now: datetime) -> Verdict:
        """Take somebody's answer to what they claimed, give the item back, and return where the question stands.

        Raises RejectedError when it is not theirs to answer, or the answer or its reason is not listed.
        """
        with wrap_errors(), self._connection.transaction():
            self.demand_claim(item.name, by, now)
            before = self.opinions(item)
            checked = check_answer(answer, reason, by, before)
            given = {"item": item.name, "version": item.version, "by": by, "answer": checked, "reason": reason}
            self._connection.execute(SQL["add_opinion"], {**given, "now": now})
            self._connection.execute(SQL["release"], {"item": item.name, "by": by})
        return verdict([*(each.answer for each in before), checked])

    def opinions(self, item: Item) -> list[Opinion]:
        """Return the answers to this version of the item, the first one first. Not for whoever is still to answer."""
        with wrap_errors():
            rows = self._connection.execute(SQL["opinions"], {"item": item.name, "version": item.version}).fetchall()
        return [Opinion(by, answer, reason, at) for _, by, answer, reason, at in rows]

    def standings(self, items: Mapping[str, int]) -> dict[str, Verdict]:
        """Return where items stand (name to the version of their evidence), without who said what."""
        with wrap_errors():
            rows = self._connection.execute(SQL["answers"], {"items": list(items)}).fetchall()
        return {item: verdict(answers) for item, version, answers, _ in rows if items[item] == version}

    def note_view(self, who: Person, item: str, children: Sequence[str], fields: Sequence[str]) -> None:
        """Commit an entry for each child whose compared values somebody is about to be shown.

        Raises RetriableError, and nothing may be shown, while the audit trail is not kept.
        """
        with done(self._connection, self.viewing(who, item, fields)) as shown:
            shown.children.update(children)

    def viewing(self, who: Person, item: str, fields: Sequence[str] = ()) -> Deed:
        """Return what somebody does who works on an item."""
        return Deed("unmasked", who, POLICY, item, purpose="data_quality", fields=fields)
