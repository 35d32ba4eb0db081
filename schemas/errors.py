"""The error tree, grouped by what the caller does next.

ContactPointError
├── RetriableError        try the same call again later (broker or database away, lease held by another)
├── RejectedError         this one input cannot be accepted: send it to the dead letters and go on
├── ConfigurationError    a person has to change a setting or a file; the message says which and how
└── FatalError            the process must stop: its assumptions are broken
    └── FencedError       another process owns this work now: drop the state and step down
"""

from __future__ import annotations


class ContactPointError(Exception):
    """Root of all errors that this product raises on purpose."""


class RetriableError(ContactPointError):
    """The same call may succeed later; nothing was done, or what was done is safe to repeat."""


class RejectedError(ContactPointError):
    """One input cannot be accepted; `code` is a stable word for grouping, the message holds no personal data."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class ConfigurationError(ContactPointError):
    """A setting or a file is wrong; the message names it and says what to do."""


class FatalError(ContactPointError):
    """The process cannot go on; a supervisor has to start it again."""


class FencedError(FatalError):
    """A compare-and-set missed: another process has taken over this work."""


# sysexits.h: a script can tell "fix your settings" (78) and "bad input" (65) from "try again" (75) and "a person has to
# look before it can go on" (70).
BAD_INPUT = 65
_EXIT_STATUS = ((ConfigurationError, 78), (RejectedError, BAD_INPUT), (RetriableError, 75), (ContactPointError, 70))


def exit_status(error: ContactPointError) -> int:
    """Return the status with which a process ends that this error has ended."""
    return next(status for kind, status in _EXIT_STATUS if isinstance(error, kind))
