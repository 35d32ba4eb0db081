"""A month of honest work by made-up practitioners: whom they know, what they look up, and how they search.

Nine in ten visits are to children that the user's organisation works with, the rest are new referrals that nothing in
the directory explains. Innocent oddities are drawn too: mistyped searches, evening work, night shifts, overrides with a
right to them, chance namesakes, stock phrases as reasons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from types import MappingProxyType

import numpy as np

from contactpoint.world.names import load_names
from projections.access.misuse.facts import Facts, Family, Involvement, User

FIRST = date(2026, 11, 1)
DAYS = 30
_STAFF = 10  # users an organisation
HOURS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"teacher": (8, 17), "social_worker": (8, 19), "health_visitor": (8, 18), "youth_offending": (9, 18)}
)
_ROLES = (*HOURS, "nurse")  # nurses work at all hours
_EXPLAINED, _ODD_HOUR, _TYPING_ERROR, _SEARCH_ONLY, _STOCK_PHRASE = 0.9, 0.003, 0.08, 0.08, 0.1
_VISITS = 1.75  # a user and working day


@dataclass(slots=True)
class Draft:
    """One access before it has its place in the trail."""

    time: datetime
    user: str
    action: str
    child: str | None = None
    query: dict[str, str] = field(default_factory=dict)
    reason: str | None = None
    number: int | None = None
    plot: int | None = None


class Work:
    """Draws people, the children they work with, and what they do in a month.

    `plot` marks what is drawn as part of a misuse; `drafts` is all that was drawn, in no order.
    """

    def __init__(self, dice: Random, seed: int, users: int, children: int) -> None:
        self.dice = dice
        self.drafts: list[Draft] = []
        self.plot: int | None = None
        self._surnames, self._forenames = _draw_names(seed, users + 2 * children)
        self.users = {f"u{number}": self._user(number) for number in range(users)}
        self.families = {f"c{number}": self._family(users + number) for number in range(children)}
        self._own: dict[str, str] = {}
        self._give_users_children()
        self.involvements: dict[str, tuple[Involvement, ...]] = {}
        self.caseload: dict[str, list[str]] = {}
        self.former: dict[str, list[str]] = {}
        self._involve()

    def facts(self) -> Facts:
        """Return what is known of the people."""
        return Facts(self.users, self.families, self.involvements)

    # People.

    def _user(self, number: int) -> User:
        organisation = number // _STAFF
        role = _ROLES[organisation % len(_ROLES)]
        given, surname = self._forenames[number], self._surnames[number]
        return User(f"u{number}", f"o{organisation}", role, given, surname, f"home {self.dice.randrange(10**7)}")

    def _family(self, number: int) -> Family:
        surname, carer = self._surnames[number], self._forenames[number]
        return Family(surname, f"home {self.dice.randrange(10**7)}", ((carer, surname),))

    def _give_users_children(self) -> None:
        parents = self.dice.sample(sorted(self.users), len(self.users) // 4)
        for user, child in zip(parents, self.dice.sample(sorted(self.families), len(parents)), strict=True):
            person = self.users[user]
            self._own[user] = child
            self.families[child] = Family(person.surname, person.home, ((person.given, person.surname),))

    def _involve(self) -> None:
        organisations = sorted({user.organisation for user in self.users.values()})
        for child in self.families:
            working, former = self.dice.sample(organisations, 2)
            over = FIRST - timedelta(days=self.dice.randint(60, 300))
            start = FIRST - timedelta(days=400)
            self.involvements[child] = (Involvement(working, start), Involvement(former, start, over))
            self.caseload.setdefault(working, []).append(child)
            self.former.setdefault(former, []).append(child)

    # Work.

    def work(self) -> None:
        """Draw what everybody does in a month of honest work."""
        for user in self.users.values():
            for day in range(DAYS):
                weekend = (FIRST + timedelta(days=day)).weekday() >= 5
                share = 1.0 if not weekend else (0.6 if user.role == "nurse" else 0.0)
                for _ in range(_poisson(self.dice, _VISITS * share)):
                    self._visit(user, self._hour(user, day))
        for _ in range(len(self.users) // 60):
            user = self._someone("social_worker")
            self._add(user, self._hour(user, self._weekday()), "overrode_shield", self._stranger(user))

    def _visit(self, user: User, at: datetime) -> None:
        explained = self.dice.random() < _EXPLAINED
        child = self.dice.choice(self.caseload[user.organisation]) if explained else self._stranger(user)
        family = self.families[child].surname
        while self.dice.random() < _TYPING_ERROR:
            self._add(user, at, "searched", None, query={"family": family[::-1][: self.dice.randint(2, 9)]})
            at += timedelta(seconds=self.dice.randint(10, 60))
        self._add(user, at, "searched", child, query={"family": family})
        if self.dice.random() >= _SEARCH_ONLY:
            self._add(user, at + timedelta(seconds=20), "opened", child, reason=self._reason(user))

    def _add(self, user: User, at: datetime, action: str, child: str | None, **more: object) -> None:
        draft = Draft(at, user.user, action, child, plot=self.plot)
        for name, value in more.items():
            setattr(draft, name, value)
        self.drafts.append(draft)

    def _hour(self, user: User, day: int) -> datetime:
        first, last = HOURS.get(user.role, (0, 24))
        hour = self.dice.randrange(first, last)
        if user.role != "nurse" and self.dice.random() < _ODD_HOUR:
            hour = self.dice.choice((6, 7, 20, 21, 22))
        start = datetime.combine(FIRST, datetime.min.time(), UTC) + timedelta(days=day)
        return start + timedelta(hours=hour, seconds=self.dice.randrange(3_600))

    def _reason(self, user: User) -> str:
        if int(user.user[1:]) % round(1 / _STOCK_PHRASE) == 0:
            return "safeguarding enquiry"
        return f"referral {self.dice.randrange(10**6)} from a colleague"

    def _weekday(self) -> int:
        return self.dice.choice([day for day in range(DAYS) if (FIRST + timedelta(days=day)).weekday() < 5])

    def _someone(self, *roles: str) -> User:
        return self.dice.choice([user for user in self.users.values() if not roles or user.role in roles])

    def _stranger(self, user: User) -> str:
        """Return a child that the user's organisation does not work with and that is no kin of the user."""
        while True:
            child = self._any_child()
            family = self.families[child]
            known = any(each.organisation == user.organisation for each in self.involvements[child])
            if not known and (self.plot is None or family.surname != user.surname):
                return child

    def _any_child(self) -> str:
        return f"c{self.dice.randrange(len(self.families))}"


def _draw_names(seed: int, count: int) -> tuple[list[str], list[str]]:
    names, rng = load_names(), np.random.default_rng(seed)
    communities = names.draw_communities(rng, count)
    sexes = rng.integers(0, 2, count).astype(np.int8)
    surnames = names.surnames[names.draw_surnames(rng, communities)]
    return surnames.tolist(), names.forenames[names.draw_forenames(rng, communities, sexes)].tolist()


def _poisson(dice: Random, mean: float) -> int:
    """Draw how many events fall into a time in which `mean` are expected."""
    count, left = 0, dice.expovariate(1.0)
    while left < mean:
        count += 1
        left += dice.expovariate(1.0)
    return count
