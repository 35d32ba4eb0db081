"""Running the misuse rules over the trail, and keeping the review list: findings, suspensions, and how each ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from connectors.postgres import wrap_errors
from projections.access.log import append
from projections.access.misuse.facts import Access, Facts
from projections.access.misuse.review import Review, review
from projections.access.reader import POLICY, Found, TrailReader, Wanted
from projections.access.sql import QUERIES
from projections.access.store import Connection
from schemas.access import AccessAction, AccessEntry, Person
from schemas.errors import RejectedError
from schemas.identity import ALPHABET, is_child_number

_WATCHED = frozenset({"searched", "opened", "listed_involved", "read_changes", "overrode_shield", "unmasked"})
_NUMBERS = ("child_number", "number", "nhs", "upn")  # terms that are an identifier
_MOST = 5_000_000
Outcome = Literal["innocent", "misuse"]


def look(reader: TrailReader, since: datetime, known: Callable[[Sequence[Access]], Facts]) -> list[Review]:
    """Run the rules over what was recorded since then; `known` says what is known of these people and children."""
    with wrap_errors():
        found = reader.find(Wanted(since=since, limit=_MOST))
    accesses = accesses_of(reversed(found))
    return review(accesses, known(accesses))


def accesses_of(found: Iterable[Found]) -> list[Access]:
    """Return the accesses that the rules look at, in the order given, without those of erased children."""
    return [_access(each, each.secret) for each in found if each.leaf.action in _WATCHED and each.secret is not None]


def _access(found: Found, secret: Mapping[str, Any]) -> Access:
    query = {name: str(term) for name, term in secret.get("query", {}).items()}
    return Access(
        leaf=found.leaf.leaf,
        time=found.leaf.time,
        user=found.leaf.who.user,
        action=found.leaf.action,
        child=secret.get("child"),
        query=query,
        reason=secret.get("reason"),
        number=next((_ordinal(query[name]) for name in _NUMBERS if query.get(name)), None),
    )


def _ordinal(number: str) -> int | None:
    """Return where a number stands among those of its kind: check symbols at the end do not count."""
    if is_child_number(number):
        value = 0
        for symbol in number[:-1]:
            value = value * len(ALPHABET) + ALPHABET.index(symbol)
        return value
    digits = "".join(filter(str.isdigit, number))
    return int(digits[:-1]) if len(digits) > 1 else None


def keep(connection: Connection, lines: Sequence[Review], policy: str = POLICY) -> list[Review]:
    """Add lines to the review list, suspend accounts as they say and enter each suspension; return the new ones."""
    new: list[Review] = []
    with wrap_errors(), connection.transaction():
        for line in lines:
            row = (line.finding, line.user, line.rule, list(line.leaves), line.at, line.suspend)
            if connection.execute(QUERIES["add_review"], row).rowcount:
                new.append(line)
        entries = [_suspension(line, policy) for line in new if line.suspend]
        if entries:
            append(connection, entries)
    return new


def close(connection: Connection, finding: str, who: Person, outcome: Outcome, request: str) -> None:
    """End a review: an innocent account is restored, misuse stays suspended. RejectedError: no such open finding."""
    with wrap_errors(), connection.transaction():
        row = connection.execute(QUERIES["close_review"], [who.user, outcome, outcome == "misuse", finding]).fetchone()
        if row is None:
            raise RejectedError("finding_unknown", "no open finding has this reference")
        common: dict[str, Any] = {"decision": "permitted", "who": who, "policy": POLICY, "request": request}
        action: AccessAction = "suspended_account" if outcome == "misuse" else "restored_account"
        append(connection, [AccessEntry(action=action, query={"account": row[0]}, **common)])


def _suspension(line: Review, policy: str) -> AccessEntry:
    return AccessEntry(
        action="suspended_account",
        decision="permitted",
        who=Person(user="misuse-rules", role="system", organisation="contactpoint"),
        query={"account": line.user, "rule": line.rule},
        policy=policy,
        request=line.finding,
    )
