"""Waiting for something that other processes do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE = 120.0  # seconds: a machine under load, not a measure of anything

Found = TypeVar("Found")


def wait_until(
    look: Callable[[], Found | None],
    what: str,
    *,
    seconds: float = PATIENCE,
    pause: float = 0.02,
    logs: Callable[[], str] = str,
) -> Found:
    """Look again and again until something true is found, and return it; fail with `logs()` when it takes too long."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}\n{logs()}"
        time.sleep(pause)
    return found
