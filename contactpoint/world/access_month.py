"""A month of made-up accesses with misuse planted in honest work: the truth to measure rules by.

How strong a misuse is varies, down to what no rule can tell from work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from contactpoint.world.access_work import HOURS, Work
from projections.access.misuse.facts import Access, Facts, Family, Rule, User


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


def access_month(seed: int = 1, *, users: int = 1_500, children: int = 12_000, each: int = 6) -> Month:
    """Return a month with `each` misuses of every kind; about 70 accesses a user."""
    maker = _Misuse(Random(seed), seed, users, children)
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


class _Misuse(Work):
    """Draws misuse, one plot of each kind, into the same work."""

    def __init__(self, dice: Random, seed: int, users: int, children: int) -> None:
        super().__init__(dice, seed, users, children)
        self.plots: dict[Rule, Callable[[], None]] = {
            "own_child": self._plot_own_child, "same_address": self._plot_same_address,
            "same_surname": self._plot_same_surname, "colleagues_child": self._plot_colleagues_child,
            "involvement_ended": self._plot_involvement_ended, "shield_override": self._plot_override,
            "volume": self._plot_volume, "sequential_numbers": self._plot_sequential,
            "shield_probing": self._plot_probing, "repeated_reason": self._plot_repeated_reason,
            "out_of_hours": self._plot_out_of_hours, "searched_for_another": self._plot_searched_for_another,
        }  # fmt: skip

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
        texts = ("Checking", "Routine check")[: self.dice.randint(1, 2)]
        for visit in range(self.dice.randint(6, 15)):
            at = self._hour(user, first + visit // 4)
            child = self._stranger(user)
            self._add(user, at, "searched", child)
            self._add(user, at + timedelta(seconds=9), "opened", child, reason=texts[visit % len(texts)])

    def _plot_out_of_hours(self) -> None:
        user = self._someone(*HOURS)
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
