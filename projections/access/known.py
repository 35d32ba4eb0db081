"""What the database knows of the people behind accounts and of the children whom they looked at, for the misuse rules.

It is read by functions that give names, homes and involvements and nothing else (service/sql/watching.sql).
Organisations and practitioners of the directory are words of its sources: one is an employer of the service when the
code or the name is the same, one of its accounts when the person's name is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final

from connectors.postgres import sql_blocks, wrap_errors
from projections.access.misuse.facts import Access, Facts, Family, Involvement, User
from projections.access.store import Connection
from projections.directory.entry import fold_name

WATCHER: Final = "contactpoint_watcher"
_SQL = sql_blocks("projections.service.sql")


def home_of(line: str | None, postcode: str | None) -> str | None:
    """Return a home as homes are compared, by first line and postcode; None unless both are known."""
    return f"{fold_name(line)} {fold_name(postcode)}" if line and postcode else None


def known(connection: Connection, accesses: Iterable[Access]) -> Facts:
    """Return the facts about these accesses, on a connection with the rights of contactpoint_watcher."""
    seen = list(accesses)
    with wrap_errors():
        people = connection.execute(_SQL["people"], [sorted({each.user for each in seen})]).fetchall()
        children = sorted({each.child for each in seen if each.child})
        families = connection.execute(_SQL["families"], [children]).fetchall()
    users = {row[0]: User(row[0], row[1], row[3], row[4] or "", row[5] or "", row[6]) for row in people}
    employers = _Employers({(code, name) for _, code, name, *_ in people}, users.values())
    return Facts(
        users,
        {child: _family(surname, line, postcode, carers) for child, surname, line, postcode, carers, _ in families},
        {child: tuple(employers.involvements(told)) for child, *_, told in families},
    )


def _family(surname: str | None, line: str | None, postcode: str | None, carers: Sequence[Sequence[str]]) -> Family:
    names = [(fold_name(given), fold_name(family)) for given, family in carers if given and family]
    return Family(surname or "", home_of(line, postcode), tuple(names))


class _Employers:
    """Finds the employers and accounts that the directory's words mean."""

    def __init__(self, named: Iterable[tuple[str, str]], users: Iterable[User]) -> None:
        self._codes: dict[str, str] = {fold_name(word): code for code, name in named for word in (name, code)}
        self._accounts = {(each.organisation, each.given + each.surname): each.user for each in users if each.surname}

    def involvements(self, told: Sequence[Mapping[str, Any]]) -> Iterable[Involvement]:
        """Yield the involvements of employers that are known."""
        for each in told:
            words = (fold_name(each[name]) for name in ("code", "organisation") if each[name])
            code = next((self._codes[word] for word in words if word in self._codes), None)
            if code is not None:
                account = self._accounts.get((code, fold_name(each["practitioner"] or "")))
                yield Involvement(code, _day(each["start"]) or date.min, _day(each["end"]), account)


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
