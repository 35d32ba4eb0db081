"""Logs: an action and ids, never a person's data; and the last words of a process."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from schemas.errors import ContactPointError, exit_status

# A log entry may carry these keys only: ids, counts, places and codes. Anything else is replaced before it is written,
# so that a careless call cannot put a name or a date of birth into a log.
ALLOWED_KEYS = frozenset(
    """event level timestamp exception stage feed file place code topic batch epoch holder records events clusters
    accepted rejected unchanged withdrawn lag seconds reason model projection count event_id child_number port pid error
    error_type erased status name conflicts""".split()
)
HIDDEN = "[not allowed in logs]"


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace the value of every key that is not on the list of allowed keys (a structlog processor)."""
    for key in event:
        if key not in ALLOWED_KEYS:
            event[key] = HIDDEN
    return event


def configure_logging(*, json: bool = False, level: int = logging.INFO) -> None:
    """Send structured logs to standard error, as JSON lines or for people."""
    renderer: Any = structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            redact,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # as it is when a line is written
        cache_logger_on_first_use=False,
    )


def fail(error: ContactPointError) -> int:
    """Say what ended this process, in one sentence and without a traceback; return its exit status.

    Every program of ours ends by this: what the sentence says, and the status, are the error's.
    """
    sys.stderr.write(f"error: {error}\n")
    return exit_status(error)
