"""Moments as numbers, as records and tables keep them: microseconds since 1970, UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_DAY, _DAY = _EPOCH.toordinal(), 86_400_000_000  # the latter in microseconds


def micros(moment: datetime) -> int:
    """Return an aware moment as microseconds since 1970."""
    return (moment - _EPOCH) // datetime.resolution


def from_micros(value: int) -> datetime:
    """Return the moment, in UTC, of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=value)


def day_of(microseconds: int | None) -> date | None:
    """Return the day (UTC) of a time in microseconds since 1970."""
    return None if microseconds is None else date.fromordinal(_FIRST_DAY + microseconds // _DAY)
