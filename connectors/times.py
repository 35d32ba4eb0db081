"""Source times: the many ways in which feeds write a moment, as microseconds since 1970.

A moment without an offset is local time in the feed's time zone. Where a source writes whole seconds, or minutes, the
position in the file is added below them (`ordered`), so that two statements of one moment keep the order of the file.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache

from schemas.moments import micros

_MOMENT = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)(?:[T ]?(\d\d)(?::?(\d\d)(?::?(\d\d)(?:\.(\d{1,6})\d*)?)?)?)?\s*(Z|[+-]\d\d:?\d\d)?$"
)
LARGEST_ORDINAL = 999_999


@lru_cache(maxsize=4096)
def parse_moment(text: str, zone: tzinfo) -> int | None:
    """Read ISO 8601 or HL7 time (`yyyymmdd[hhmm[ss[.ffff]]][+zzzz]`), with or without separators; else None."""
    found = _MOMENT.match(text.strip())
    if not found:
        return None
    *parts, fraction, offset = found.groups(default="0")
    year, month, day, hour, minute, second = map(int, parts)
    try:
        zone = _offset(offset) or zone
        moment = datetime(year, month, day, hour, minute, second, int(fraction.ljust(6, "0")), tzinfo=zone)
    except ValueError:
        return None
    return micros(moment)


def _offset(text: str) -> tzinfo | None:
    if text == "0":
        return None
    if text == "Z":
        return UTC
    sign = -1 if text[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(text[1:3]), minutes=int(text[-2:])))


@lru_cache(maxsize=4096)
def parse_local(text: str, form: str, zone: tzinfo) -> int | None:
    """Read a moment in a declared `strptime` form; None when it does not fit."""
    try:
        moment = datetime.strptime(text.strip(), form)  # noqa: DTZ007 - the zone is given on the next line
    except ValueError:
        return None
    return micros(moment if moment.tzinfo else moment.replace(tzinfo=zone))


@lru_cache(maxsize=65536)
def iso_date(text: str, form: str) -> str:
    """Return a date in a declared `strptime` form as ISO text; text that does not fit comes back as it is.

    A year of two digits is refused, although `%Y` would take it: 3/11/14 is not the year 14.
    """
    try:
        day = datetime.strptime(text.strip(), form).date()  # noqa: DTZ007 - a date has no zone
    except ValueError:
        return text
    return day.isoformat() if day.year >= 1000 else text


def two_digit_year_date(text: str, not_after: date) -> str:
    """Return `yymmdd` or `yyyymmdd` as ISO text, the century chosen so that the date is not after `not_after`."""
    if len(text) == 8 and text.isdecimal():
        return f"{text[:4]}-{text[4:6]}-{text[6:]}"
    if len(text) != 6 or not text.isdecimal():
        return text
    century = not_after.year // 100
    candidate = f"{century}{text[:2]}-{text[2:4]}-{text[4:]}"
    return candidate if candidate <= not_after.isoformat() else f"{century - 1}{candidate[2:]}"


def ordered(moment: int, ordinal: int) -> int:
    """Return the version of the item at this position of a file: the moment, and the position below one second."""
    return moment + min(ordinal, LARGEST_ORDINAL)
