"""A month of made-up accesses by made-up practitioners, with misuse planted in it: the truth to measure rules by.

Nine in ten visits are to children that the user's organisation works with, the rest are new referrals that nothing in
the directory explains. Innocent oddities are drawn too: mistyped searches, evening work, night shifts, overrides with a
right to them, chance namesakes, stock phrases as reasons. How strong a misuse is varies too, down to what no rule can
tell from work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from types import MappingProxyType

import numpy as np

from contactpoint.world.names import load_names
from projections.access.misuse.facts import Access, Facts, Family, Involvement, Rule, User

FIRST = date(2026, 11, 1)
DAYS = 30
_STAFF = 10  # users an organisation
_HOURS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"teacher": (8, 17), "social_worker": (8, 19), "health_visitor": (8, 18), "youth_offending": (9, 18)}
)
_ROLES = (*_HOURS, "nurse")  # nurses work at all hours
_EXPLAINED, _ODD_HOUR, _TYPING_ERROR, _SEARCH_ONLY, _STOCK_PHRASE = 0.9, 0.003, 0.08, 0.08, 0.1
_VISITS = 1.75  # a user and working day


@dataclass(frozen=True, slots=True)
class Planted:
    """One misuse: its kind, the account, and the entries of the trail that are it."""

    kind: Rule
    user: str
    leaves: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Month:
    """The accesses in the order of the trail, what is known of people, and what was planted."""

    accesses: tuple[Access, ...]
    facts: Facts
    planted: tuple[Planted, ...]


@dataclass(slots=True)
class _Draft:
    time: datetime
    user: str
    action: str
    child: str | None = None
    query: dict[str, str] = field(default_factory=dict)
    reason: str | None = None
    number: int | None = None
    plot: int | None = None


def access_month(seed: int = 1, *, users: int = 1_500, children: int = 12_000, each: int = 6) -> Month:
    """Return a month with `each` misuses of every kind; about 70 accesses a user."""
    maker = _Maker(Random(seed), seed, users, children)
    maker.work()
    kinds = [kind for kind in maker.plots for _ in range(each)]
    for number, kind in enumerate(kinds):
        maker.plot = number
        maker.plots[kind]()
    drafts = sorted(maker.drafts, key=lambda draft: draft.time)
    accesses = tuple(
        Access(leaf, each.time, each.user, each.action, each.child, each.query, each.reason, each.number)
        for leaf, each in enumerate(drafts)
    )
    found: dict[int, list[int]] = {}
    for leaf, draft in enumerate(drafts):
        if draft.plot is not None:
            found.setdefault(draft.plot, []).append(leaf)
    planted = tuple(
        Planted(kinds[plot], accesses[leaves[0]].user, tuple(leaves)) for plot, leaves in sorted(found.items())
    )
    return Month(accesses, maker.facts(), planted)


class _Maker:
    """Draws people, their work, and the plots."""

    def __init__(self, dice: Random, seed: int, users: int, children: int) -> None:
        self.dice = dice
        self.drafts: list[_Draft] = []
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
        self.plots: dict[Rule, Callable[[], None]] = {
            "own_child": self._plot_own_child, "same_address": self._plot_same_address,
            "same_surname": self._plot_same_surname, "colleagues_child": self._plot_colleagues_child,
            "involvement_ended": self._plot_involvement_ended, "shield_override": self._plot_override,
            "volume": self._plot_volume, "sequential_numbers": self._plot_sequential,
            "shield_probing": self._plot_probing, "repeated_reason": self._plot_repeated_reason,
            "out_of_hours": self._plot_out_of_hours, "searched_for_another": self._plot_searched_for_another,
        }  # fmt: skip

    def facts(self) -> Facts:
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
        draft = _Draft(at, user.user, action, child, plot=self.plot)
        for name, value in more.items():
            setattr(draft, name, value)
        self.drafts.append(draft)

    def _hour(self, user: User, day: int) -> datetime:
        first, last = _HOURS.get(user.role, (0, 24))
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

    # Plots, one of each kind.

    def _open(self, user: User, child: str, at: datetime | None = None) -> None:
        at = at or self._hour(user, self._weekday())
        self._add(user, at, "searched", child, query={"family": self.families[child].surname})
        self._add(user, at + timedelta(seconds=15), "opened", child, reason=self._reason(user))

    def _parent(self) -> User:
        return self.users[self.dice.choice(sorted(self._own))]

    def _plot_own_child(self) -> None:
        user = self._parent()
        self._open(user, self._own[user.user])

    def _plot_same_address(self) -> None:
        user = self._someone()
        child = self._stranger(user)
        self.families[child] = Family(self.families[child].surname, user.home, self.families[child].carers)
        self._open(user, child)

    def _plot_same_surname(self) -> None:
        user = self._someone()
        child = self._stranger(user)
        family = self.families[child]
        self.families[child] = Family(user.surname, family.home, family.carers)
        self._open(user, child)

    def _plot_colleagues_child(self) -> None:
        parent = self._parent()
        others = [user for user in self.users.values() if user.organisation == parent.organisation and user != parent]
        self._open(self.dice.choice(others), self._own[parent.user])

    def _plot_involvement_ended(self) -> None:
        user = self._someone()
        self._open(user, self.dice.choice(self.former[user.organisation]))

    def _plot_override(self) -> None:
        user = self._someone("social_worker")
        self._add(user, self._hour(user, self._weekday()), "overrode_shield", self._stranger(user))

    def _plot_volume(self) -> None:
        user, day = self._someone(), self._weekday()
        for _ in range(self.dice.randint(12, 40)):
            self._open(user, self._stranger(user), self._hour(user, day))

    def _plot_sequential(self) -> None:
        user = self._someone()
        at, number = self._hour(user, self._weekday()), self.dice.randrange(10**9)
        for _ in range(self.dice.randint(4, 12)):
            number += self.dice.randint(1, 2)
            at += timedelta(seconds=self.dice.randint(20, 90))
            self._add(user, at, "searched", self._stranger(user), number=number)

    def _plot_probing(self) -> None:
        user = self._someone()
        at, family = self._hour(user, self._weekday()), self.families[self._any_child()].surname
        for area in self.dice.sample(range(40), self.dice.randint(3, 9)):
            at += timedelta(seconds=self.dice.randint(20, 240))
            self._add(user, at, "searched", None, query={"family": family, "postcode": f"ZZ{area} 1AA"})

    def _plot_repeated_reason(self) -> None:
        user, first = self._someone(), self.dice.randrange(1, 20)
        for visit in range(self.dice.randint(6, 15)):
            at = self._hour(user, first + visit // 4)
            child = self._stranger(user)
            self._add(user, at, "searched", child)
            self._add(user, at + timedelta(seconds=9), "opened", child, reason="Checking")

    def _plot_out_of_hours(self) -> None:
        user = self._someone(*_HOURS)
        at = self._hour(user, self._weekday()).replace(hour=self.dice.choice((0, 3, 5, 21, 23)), minute=5)
        for visit in range(self.dice.randint(1, 4)):
            self._open(user, self._stranger(user), at + timedelta(minutes=7 * visit))

    def _plot_searched_for_another(self) -> None:
        user = self._someone()
        colleagues = [each for each in self.users.values() if each.organisation == user.organisation and each != user]
        child, at = self._stranger(user), self._hour(user, self._weekday())
        self._add(user, at, "searched", child, query={"family": self.families[child].surname})
        soon = at + timedelta(minutes=self.dice.randint(1, 12))
        self._add(self.dice.choice(colleagues), soon, "opened", child, reason="as asked")


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
