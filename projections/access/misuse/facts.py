"""What the rules know: accesses as the trail has them, the people behind the accounts, who is involved with whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Literal

Rule = Literal[
    "own_child", "same_address", "same_surname", "colleagues_child", "involvement_ended", "shield_override", "volume",
    "sequential_numbers", "shield_probing", "repeated_reason", "out_of_hours", "searched_for_another",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Access:
    """One entry of the trail, unsealed. `number` is the ordinal of a child number or identifier that was asked for.

    `child` is None for a search that found nothing. `query` holds the terms that were searched for; `reason` the user's
    own words.
    """

    leaf: int
    time: datetime
    user: str
    action: str
    child: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    reason: str | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class User:
    """The person behind an account; `home` is a normalised address, None where it is not known."""

    user: str
    organisation: str
    role: str
    given: str
    surname: str
    home: str | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """What relates a child to people: surname, home, and the carers' names (given, surname)."""

    surname: str
    home: str | None = None
    carers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Involvement:
    """An organisation, or one of its practitioners by account, works with a child from `start` until `end`."""

    organisation: str
    start: date
    end: date | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The rules' settings. Counts are per user and of accesses that no involvement explains."""

    grace_days: int = 30
    volume_floor: int = 15
    volume_factor: float = 4.0
    sequential_run: int = 5
    sequential_step: int = 3
    probing_failures: int = 4
    probing_minutes: int = 60
    repeated_reason: int = 8
    repeated_days: int = 7
    quiet_share: float = 0.002
    proxy_minutes: int = 10


@dataclass(frozen=True)
class Facts:
    """Users by account, families by child, involvements by child."""

    users: Mapping[str, User]
    families: Mapping[str, Family]
    involvements: Mapping[str, tuple[Involvement, ...]] = field(default_factory=dict)
    thresholds: Thresholds = Thresholds()

    @cached_property
    def colleagues(self) -> Mapping[str, tuple[User, ...]]:
        """The users of each organisation."""
        found: dict[str, list[User]] = {}
        for user in self.users.values():
            found.setdefault(user.organisation, []).append(user)
        return {organisation: tuple(users) for organisation, users in found.items()}

    def personally_involved(self, access: Access) -> bool:
        """Tell whether the user is named as working with the child then."""
        return any(each.user == access.user and self._holds(each, access.time) for each in self._involvements(access))

    def involved(self, access: Access) -> bool:
        """Tell whether the user, or the organisation that they work for, works with the child then."""
        user = self.users.get(access.user)
        return any(
            (each.user == access.user or (user is not None and each.organisation == user.organisation))
            and self._holds(each, access.time)
            for each in self._involvements(access)
        )

    def ended_before(self, access: Access) -> bool:
        """Tell whether an involvement of the user's organisation was over, grace included, when they looked."""
        user = self.users.get(access.user)
        return user is not None and any(
            each.organisation == user.organisation
            and each.end is not None
            and access.time.date() > each.end + timedelta(days=self.thresholds.grace_days)
            for each in self._involvements(access)
        )

    def _involvements(self, access: Access) -> tuple[Involvement, ...]:
        return self.involvements.get(access.child or "", ())

    def _holds(self, involvement: Involvement, time: datetime) -> bool:
        last = involvement.end or date.max - timedelta(days=self.thresholds.grace_days)
        return involvement.start <= time.date() <= last + timedelta(days=self.thresholds.grace_days)


@dataclass(frozen=True, slots=True)
class Finding:
    """A reason to look at how an account was used: the rule, and the entries of the trail that it rests on."""

    rule: Rule
    user: str
    leaves: tuple[int, ...]
    at: datetime
