"""Waiting for something that another process does."""

from __future__ import annotations

import time
from collections.abc import Callable

_PAUSE = 0.1  # seconds between two looks


def comes_true(done: Callable[[], bool], seconds: float) -> bool:
    """Look again and again until `done()`, at least once; return whether it came within so many seconds."""
    until = time.monotonic() + seconds
    while not done():
        if time.monotonic() > until:
            return False
        time.sleep(_PAUSE)
    return True
