"""How a process that runs until it is told to stop hears of it."""

from __future__ import annotations

import signal
import threading


def told_to_stop() -> threading.Event:
    """Return an event that SIGTERM or SIGINT sets from now on, instead of ending the process where it stands."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
