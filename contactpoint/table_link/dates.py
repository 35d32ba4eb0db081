"""Dates as tables write them: in which order day, month and year stand is told from all dates of a source together.

Folding (`linkage.normalise.fold_date`) takes 05/06/2014 for the 5th of June. A table from the United States means the
6th of May, which only its other dates show: 05/23/2014 can be nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final

_MONTHS: Final = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_PARTS: Final = re.compile(r"[0-9]+|[A-Za-z]{3,}")
_COMPACT: Final = 8
_MOST_MONTH, _MOST_DAY = 12, 31
_FIRST_YEAR, _LAST_YEAR = 1850, 2100

Order = tuple[int, int, int]
"""Where year, month and day stand among three parts."""

_YEAR_FIRST: Final[Order] = (0, 1, 2)
_DAY_FIRST: Final[Order] = (2, 1, 0)
_MONTH_FIRST: Final[Order] = (2, 0, 1)


def read_dates(values: Sequence[str], sources: Sequence[str], this_year: int, written: str | None = None) -> list[str]:
    """Return each date as YYYY-MM-DD, or as it is where it cannot be read so; each source has its own order.

    `written` is a `strptime` pattern that a person gave. A year of two digits is the
    last that is not after `this_year`.
    """
    if written is not None:
        return [_by_pattern(value, written) for value in values]
    of_source: dict[str, list[int]] = {}
    for row, source in enumerate(sources):
        of_source.setdefault(source, []).append(row)
    read = list(values)
    for rows in of_source.values():
        said = [_split(values[row]) for row in rows]
        order = _order([parts for parts in said if parts is not None], this_year)
        for row, parts in zip(rows, said, strict=True):
            day = None if parts is None else _arranged(parts, order(parts), this_year)
            if day is not None:  # a typing error such as the 81st stays, in the order of the others
                read[row] = f"{day[0]:04}-{day[1]:02}-{day[2]:02}"
    return read


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


def _order(dates: Iterable[tuple[str, ...]], this_year: int) -> Callable[[tuple[str, ...]], Order]:
    """Return the order that most of a source's dates fit: one for those in parts, one for compact ones."""
    fits: dict[tuple[int, Order], int] = {}
    for parts in dates:
        for order in (_YEAR_FIRST, _DAY_FIRST, _MONTH_FIRST):
            fits[len(parts), order] = fits.get((len(parts), order), 0) + _possible(_arranged(parts, order, this_year))

    def order_of(parts: tuple[str, ...]) -> Order:
        if len(parts) > 1 and len(parts[0]) == len("YYYY"):
            return _YEAR_FIRST
        possible = (_YEAR_FIRST, _DAY_FIRST, _MONTH_FIRST) if len(parts) == 1 else (_DAY_FIRST, _MONTH_FIRST)
        return max(possible, key=lambda order: fits[len(parts), order])  # the first of equals

    return order_of


def _arranged(parts: tuple[str, ...], order: Order, this_year: int) -> tuple[int, int, int] | None:
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


def _possible(day: tuple[int, int, int] | None) -> bool:
    return (
        day is not None
        and _FIRST_YEAR <= day[0] <= _LAST_YEAR
        and 1 <= day[1] <= _MOST_MONTH
        and 1 <= day[2] <= _MOST_DAY
    )


def _cut(digits: str, order: Order) -> tuple[str, str, str]:
    """Cut eight digits into parts, four of them the year's."""
    return (digits[:4], digits[4:6], digits[6:]) if order == _YEAR_FIRST else (digits[:2], digits[2:4], digits[4:])


def _whole_year(year: str, this_year: int) -> int:
    if len(year) != 2:
        return int(year)
    within = this_year - this_year % 100 + int(year)
    return within if within <= this_year else within - 100
