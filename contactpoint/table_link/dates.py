"""Dates as tables write them: in which order day, month and year stand is told from all dates of a source together.

Folding (`linkage.normalise.fold_date`) takes 05/06/2014 for the 5th of June. A table from the United States means the
6th of May, which only its other dates show: 05/23/2014 can be nothing else. Where those show both orders, a date that
fits both is not taken for either: it is read both ways, and the closer agreement counts.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from matching.linkage.normalise import ALTERNATE

_MONTHS: Final = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_PARTS: Final = re.compile(r"[0-9]+|[A-Za-z]{3,}")
_SIGN: Final = re.compile(r"[^0-9A-Za-z]+")
_COMPACT: Final = 8
_MOST_MONTH, _MOST_DAY = 12, 31
_FIRST_YEAR, _LAST_YEAR = 1850, 2100

Order = tuple[int, int, int]
"""Where year, month and day stand among three parts."""

Day = tuple[int, int, int]
"""Year, month and day, which need not be a day of the calendar."""

_YEAR_FIRST: Final[Order] = (0, 1, 2)
_DAY_FIRST: Final[Order] = (2, 1, 0)
_MONTH_FIRST: Final[Order] = (2, 0, 1)


_SLIPS: Final = 0.1
_SEVERAL: Final = 3
"""Dates that only the rarer order allows are typing errors up to this share, or below this number."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How many dates can be read in one order alone, and how many say one day and another in two."""

    year: int = 0
    day: int = 0
    month: int = 0
    both: int = 0

    def __add__(self, other: Self) -> Tally:
        return Tally(self.year + other.year, self.day + other.day, self.month + other.month, self.both + other.both)

    @property
    def tells(self) -> bool:
        """Whether any date shows if day or month is first."""
        return self.day + self.month > 0

    @property
    def mixed(self) -> bool:
        """Whether both orders are there, beyond what typing errors make."""
        rarer = min(self.day, self.month)
        return rarer >= _SEVERAL and rarer > _SLIPS * (self.day + self.month)

    @property
    def first(self) -> Order:
        """The order of day and month that most dates show."""
        return _DAY_FIRST if self.day >= self.month else _MONTH_FIRST


@dataclass(frozen=True, slots=True)
class Ground:
    """What was decided of a column's dates that are written with one sign between day, month and year, and why.

    `own`: what these dates show; `by`: what decided, that of all of the source where they show nothing.
    """

    sign: str
    own: Tally
    by: Tally

    @property
    def doubtful(self) -> bool:
        """Whether a person should look: the order is mixed, or nothing told it."""
        return self.own.both > 0 and (self.by.mixed or not self.by.tells)

    def words(self, column: str) -> str:
        """Say it in a sentence, without any value."""
        written = f"{column}: dates written with {self.sign!r}" if self.sign else f"{column}: dates in one number"
        shown = f"{self.by.day:,} can only have the day first, {self.by.month:,} only the month"
        if self.own.both and self.by.mixed:
            return (
                f"{written} stand in both orders ({shown}): {self.own.both:,} fit both and are unclear evidence, read "
                "both ways; give each of the systems they are from a source, or set format in LINK.toml"
            )
        if self.own.both and not self.by.tells:
            return (
                f"{written}: nothing shows whether day or month is first ({self.own.both:,} fit both), taken for day "
                'first; if not, set format = "%m/%d/%Y" or the like in LINK.toml'
            )
        first = "day" if self.by.first == _DAY_FIRST else "month"
        return f"{written} were read with the {first} first: {shown}"


def read_dates(
    values: Sequence[str], sources: Sequence[str], this_year: int, written: str | None = None
) -> tuple[list[str], list[Ground]]:
    """Return each date as YYYY-MM-DD, or as it is where it cannot be read so, and what was decided on which ground.

    Each source has its own order. A date that may be two days is both, with ALTERNATE between them. `written` is a
    `strptime` pattern that a person gave. A year of two digits is the last that is not after `this_year`.
    """
    if written is not None:
        return [_by_pattern(value, written) for value in values], []
    of_source: dict[str, Counter[str]] = defaultdict(Counter)
    for value, source in zip(values, sources, strict=True):
        of_source[source][value] += 1
    read: dict[str, dict[str, str]] = {}
    grounds: list[Ground] = []
    for source, counted in of_source.items():
        read[source], found = _read_source(counted, this_year)
        grounds += found
    return [read[source].get(value, value) for value, source in zip(values, sources, strict=True)], _summed(grounds)


def is_date(text: str) -> bool:
    """Tell whether a text can be read as a date in any order."""
    parts = _split(text)
    return parts is not None and bool(_readings(parts, _LAST_YEAR))


def _read_source(counted: Mapping[str, int], this_year: int) -> tuple[dict[str, str], list[Ground]]:
    """Return the different dates of one source as they are read, and the ground for each sign."""
    by_sign: dict[str, dict[str, tuple[str, ...]]] = defaultdict(dict)
    for value in counted:
        parts = _split(value)
        if parts is not None:
            by_sign[_sign(value)][value] = parts
    tallies = {
        sign: sum((_tally(parts, this_year, counted[value]) for value, parts in dates.items()), Tally())
        for sign, dates in by_sign.items()
    }
    whole = sum(tallies.values(), Tally())
    read: dict[str, str] = {}
    grounds = []
    for sign, dates in by_sign.items():
        own = tallies[sign]
        ground = Ground(sign, own, own if own.tells else whole)
        grounds.append(ground)
        for value, parts in dates.items():
            days = _decided(parts, ground, this_year)
            if days:
                read[value] = ALTERNATE.join(f"{year:04}-{month:02}-{day:02}" for year, month, day in days)
    return read, grounds


def _decided(parts: tuple[str, ...], ground: Ground, this_year: int) -> list[Day]:
    """Return the day that a date says in the order of the others, or its two days where that order is mixed."""
    possible, allowed = _readings(parts, this_year), _orders(parts)
    if _YEAR_FIRST in possible:
        return [possible[_YEAR_FIRST]]
    if possible and ground.by.mixed:
        return list(dict.fromkeys(possible.values()))
    # A typing error such as the 81st stays, in the order of the others.
    compact = not possible and len(allowed) > 2 and ground.own.year >= ground.own.day + ground.own.month
    day = _arranged(parts, _YEAR_FIRST if compact or allowed == (_YEAR_FIRST,) else ground.by.first, this_year)
    return [] if day is None else [day]


def _tally(parts: tuple[str, ...], this_year: int, count: int) -> Tally:
    possible = _readings(parts, this_year)
    if _YEAR_FIRST in possible:
        return Tally(year=count)
    if len(possible) == 1:
        return Tally(day=count) if _DAY_FIRST in possible else Tally(month=count)
    return Tally(both=count) if len(set(possible.values())) > 1 else Tally()


def _summed(grounds: Sequence[Ground]) -> list[Ground]:
    """Return the grounds of several sources together, where the same was decided of the same sign."""
    found: dict[tuple[str, bool, bool, Order], Ground] = {}
    for each in grounds:
        if not each.own.tells and not each.own.both:
            continue  # of these nothing had to be decided
        key = each.sign, each.by.mixed, each.by.tells, each.by.first
        known = found.get(key, Ground(each.sign, Tally(), Tally()))
        found[key] = Ground(each.sign, known.own + each.own, known.by + each.by)
    return list(found.values())


def _by_pattern(value: str, written: str) -> str:
    try:
        return datetime.strptime(value.strip(), written).date().isoformat() if value else ""  # noqa: DTZ007  a day
    except ValueError:
        return value


def _split(value: str) -> tuple[str, ...] | None:
    """Return the three parts of a date, the one part of a compact one, or None for anything else."""
    day = re.split(r"[T ]\d{1,2}:", value.strip(), maxsplit=1)[0]
    parts = tuple(_PARTS.findall(day))
    compact = len(parts) == 1 and len(day) == _COMPACT and day.isdecimal()
    return parts if compact or len(parts) == len(_YEAR_FIRST) else None


def _sign(value: str) -> str:
    """Return the sign after the first part of a date, "" of a compact one."""
    found = _SIGN.search(value.strip())
    return (found[0].strip() or " ") if found else ""


def _orders(parts: tuple[str, ...]) -> tuple[Order, ...]:
    """Return the orders in which a date may be written, the likelier first."""
    if len(parts) == 1:
        return _YEAR_FIRST, _DAY_FIRST, _MONTH_FIRST
    return (_YEAR_FIRST,) if len(parts[0]) == len("YYYY") and parts[0].isdecimal() else (_DAY_FIRST, _MONTH_FIRST)


def _readings(parts: tuple[str, ...], this_year: int) -> dict[Order, Day]:
    """Return the possible days that a date says, by order."""
    days = {order: _arranged(parts, order, this_year) for order in _orders(parts)}
    return {order: day for order, day in days.items() if day is not None and _possible(day)}


def _arranged(parts: tuple[str, ...], order: Order, this_year: int) -> Day | None:
    """Return year, month and day of a date in this order, whether or not there is such a day; None if no numbers."""
    if len(parts) == 1:
        parts = _cut(parts[0], order)
    year, month, day = (parts[place] for place in order)
    if day.isalpha():  # March 1 1970: a word is the month wherever it stands
        month, day = day, month
    month = str(_MONTHS.index(month[:3].lower()) + 1) if month[:3].lower() in _MONTHS else month
    if not (year.isdecimal() and month.isdecimal() and day.isdecimal()):
        return None
    return _whole_year(year, this_year), int(month), int(day)


def _possible(day: Day) -> bool:
    return _FIRST_YEAR <= day[0] <= _LAST_YEAR and 1 <= day[1] <= _MOST_MONTH and 1 <= day[2] <= _MOST_DAY


def _cut(digits: str, order: Order) -> tuple[str, str, str]:
    """Cut eight digits into parts, four of them the year's."""
    return (digits[:4], digits[4:6], digits[6:]) if order == _YEAR_FIRST else (digits[:2], digits[2:4], digits[4:])


def _whole_year(year: str, this_year: int) -> int:
    if len(year) != 2:
        return int(year)
    within = this_year - this_year % 100 + int(year)
    return within if within <= this_year else within - 100
