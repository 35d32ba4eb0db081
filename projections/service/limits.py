"""Limits against trawling: how a person's use compares with them, and what the words of a reason are worth. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from projections.service.decision import Pace, Stated

MIN_REASON_LENGTH = 10
_BLOCK_AT = 2  # a limit asks for a new authentication; twice the limit blocks


@dataclass(frozen=True, slots=True)
class Use:
    """How much was used so far; counts of children, by the database's clock (UTC)."""

    shown_hour: int = 0
    shown_day: int = 0
    listed_day: int = 0
    missed_day: int = 0  # numbers asked for that nobody has
    run: int = 0  # openings in a row with rising numbers: somebody works through a sorted list
    busiest_day: int = 0  # of the 30 days before
    organisation_hour: int = 0
    client_hour: int = 0
    same_words: int = 0  # of the day's newest 20 children: opened for reasons given for others too, this one among them


@dataclass(frozen=True, slots=True)
class Limits:
    """From which use on a person must authenticate again.

    A practitioner makes about 107 such contacts a year (facts/contactpoint-rules.md §0). Nine rising numbers in a row
    happen by chance once in 360,000 times, because child numbers are random.
    """

    shown_hour: int = 30
    usual_day: int = 25  # so many a day are usual for anybody
    spike: int = 4  # times the busiest of the last 30 days
    listed_day: int = 200
    missed_day: int = 6
    run: int = 8
    organisation_hour: int = 2_000
    client_hour: int = 20_000
    same_words: int = 10


@dataclass(frozen=True, slots=True)
class Passed:
    """The limit that matters most: its name, whose it is (`person`, `organisation` or `client`), and what follows."""

    pace: Pace
    limit: str = ""
    whose: str = "person"


def compare(use: Use, limits: Limits) -> Passed:
    """Return the first limit that blocks, or else the first that asks for a new authentication, or that all is well."""
    passed = [*_passed(use, limits)]
    blocking = [each for each in passed if each.pace is Pace.BLOCKED]
    return (blocking or passed or [Passed(Pace.WITHIN)])[0]


def _passed(use: Use, limits: Limits) -> Iterator[Passed]:
    usual = max(limits.usual_day, limits.spike * use.busiest_day)
    own = (
        ("shown_hour", use.shown_hour, limits.shown_hour),
        ("shown_day", use.shown_day, usual),
        ("listed_day", use.listed_day, limits.listed_day),
        ("missed_day", use.missed_day, limits.missed_day),
        ("rising_numbers", use.run, limits.run),
    )
    for name, count, limit in own:
        if count >= limit:
            yield Passed(Pace.BLOCKED if count >= _BLOCK_AT * limit else Pace.STEP_UP, name)
    if use.organisation_hour >= limits.organisation_hour:
        yield Passed(Pace.BLOCKED, "organisation_hour", "organisation")
    if use.client_hour >= limits.client_hour:
        yield Passed(Pace.BLOCKED, "client_hour", "client")


def judge_reason(text: str | None, use: Use, limits: Limits) -> Stated:
    """Return what the words are worth: ten characters that are not one key held down, and not always the same."""
    words = normal_reason(text)
    if not words:
        return Stated.MISSING
    if len(words) < MIN_REASON_LENGTH or len(set(words)) < MIN_REASON_LENGTH // 2:
        return Stated.TOO_SHORT
    return Stated.REPEATED if use.same_words >= limits.same_words else Stated.GIVEN


def normal_reason(text: str | None) -> str:
    """Return the words as they are compared: without case, and with single spaces."""
    return " ".join((text or "").split()).casefold()
