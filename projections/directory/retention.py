"""How long a record stays: each period as data, with the law that it rests on and from when, and what they add up to.

Nothing here reads a machine's clock: `today` is the newest day that a `clock.advanced` event has named, so a replay of
the log archives and purges the same records on the same days.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, NamedTuple

from projections.directory.rulings import CONSENT, Standing

Law = Literal["draft memo", "2007 regulations", "2010 amendment", "later law", "own choice"]
Stage = Literal["live", "archive", "closed", "purge_due"]
Cause = Literal["age", "death", "left_england", "withdrawn"]


@dataclass(frozen=True, slots=True)
class Period:
    """One retention rule: a number of years (or an age), what it rests on and the day from which that is law."""

    name: str
    years: int
    law: Law
    effective: date
    why: str


_MADE = date(2007, 8, 1)  # SI 2007/2182: made on 24 July 2007, in force from about this day

PERIODS: tuple[Period, ...] = (
    Period("age", 18, "2007 regulations", _MADE, "a child is a person up to the 18th birthday; then the archive"),
    Period(
        "participation",
        25,
        "2007 regulations",
        _MADE,
        "reg. 4(2): a care leaver or somebody with learning difficulties stays with consent, at most until 25",
    ),
    Period("death", 1, "2007 regulations", _MADE, "a record stays a year; counted here from the day of death"),
    Period(
        "left_england.yes", 3, "2007 regulations", _MADE, "Schedule 1 para. 2(d): known to intend to return in 3 years"
    ),
    Period("left_england.unknown", 3, "own choice", _MADE, "as if a return were intended, since nobody knows"),
    Period("left_england.no", 3, "own choice", _MADE, "the same three years, since such statements can be wrong"),
    Period(
        "withdrawn",
        0,
        "own choice",
        _MADE,
        "reg. 11(2): suppliers send what supersedes; when all have taken back what they said, nothing is left to show: "
        "archived that day as if at 18, and erased when nobody can claim on it any more",
    ),
    Period("archive_window", 1, "2007 regulations", _MADE, "data managers may read an archived record for a year"),
    Period(
        "purge",
        6,
        "2007 regulations",
        _MADE,
        "six years in the archive (Limitation Act 1980), then erased; an end told late counts from the day it was told",
    ),
    Period("ended_involvement", 1, "own choice", _MADE, "an involvement that ended is shown for a year more"),
)
_BY_NAME = {period.name: period for period in PERIODS}


class Facts(NamedTuple):
    """What retention depends on, as the directory shows it: dates, and what is said about a return to England.

    `withdrawn`: the day on which the last of all records was withdrawn, None while any is live. The `..._told` are the
    days on which the source said the date before it, None where it does not say when.
    """

    birth: date | None = None
    death: date | None = None
    left: date | None = None
    intends_return: str | None = None
    withdrawn: date | None = None
    birth_told: date | None = None
    death_told: date | None = None
    left_told: date | None = None


class Life(NamedTuple):
    """Where a record is in its life, since when and why, and the day on which that changes next (None: never)."""

    stage: Stage = "live"
    cause: Cause | None = None
    since: date | None = None
    due: date | None = None


def years(name: str) -> int:
    """Return the length of a retention period."""
    return _BY_NAME[name].years


def add_years(day: date, count: int) -> date:
    """Return the anniversary; that of 29 February is 1 March in a year without one."""
    if day.year + count > date.max.year:
        return date.max
    try:
        return day.replace(year=day.year + count)
    except ValueError:
        return date(day.year + count, 3, 1)


def life(facts: Facts, consents: Iterable[Standing], today: date | None) -> Life:
    """Return where a record with these facts is in its life on this day; before any day has begun it is live.

    The years in the archive begin when the end is both past and told: a mistyped year erases nobody at once.
    """
    ends = _ends(facts, consents)
    if not ends:
        return Life()
    archived, cause, told = min(ends)
    if today is None or archived > today:
        return Life(due=archived)
    begun = max(archived, told)
    closed, purged = add_years(begun, years("archive_window")), add_years(begun, years("purge"))
    if closed > today:
        return Life("archive", cause, archived, closed)
    if purged > today:
        return Life("closed", cause, archived, purged)
    return Life("purge_due", cause, archived)


def _ends(facts: Facts, consents: Iterable[Standing]) -> list[tuple[date, Cause, date]]:
    """Return each day that ends a record, why, and the day on which the source told of it."""
    ends: list[tuple[date, Cause, date]] = []
    if facts.birth is not None:
        ends.append((_last_birthday(facts.birth, consents), "age", facts.birth_told or date.min))
    if facts.death is not None:
        ends.append((add_years(facts.death, years("death")), "death", facts.death_told or date.min))
    if facts.left is not None:
        period = f"left_england.{facts.intends_return or 'unknown'}"
        ends.append((add_years(facts.left, years(period)), "left_england", facts.left_told or date.min))
    if facts.withdrawn is not None:
        ends.append((add_years(facts.withdrawn, years("withdrawn")), "withdrawn", facts.withdrawn))
    return ends


def _last_birthday(birth: date, consents: Iterable[Standing]) -> date:
    """Return the day on which age ends a record: the 18th birthday, or as long after it as consent held.

    Consent to a time that was over when it was given says nothing.
    """
    last = add_years(birth, years("age"))
    for consent in consents:
        ruling = consent.ruling
        if ruling.kind != CONSENT or ruling.scope != "participation" or ruling.until_age is None:
            continue
        agreed = agreed_until(birth, ruling.until_age)
        if ruling.decided_at.date() < agreed:
            last = max(last, agreed if consent.ended is None else min(agreed, consent.ended.date()))
    return last


def agreed_until(birth: date, age: int) -> date:
    """Return the day until which consent to stay until an age lets a record stay; the law lets none stay after 25."""
    return add_years(birth, min(age, years("participation")))


def shown_until(end: str | None) -> date | None:
    """Return the day on which an involvement that ended then is not shown any more (None: it has not ended)."""
    return None if end is None else add_years(date.fromisoformat(end[:10]), years("ended_involvement"))


def next_of(days: Sequence[date | None], today: date | None) -> date | None:
    """Return the first of these days after today, of all where no day has begun yet."""
    return min((day for day in days if day is not None and (today is None or day > today)), default=None)
