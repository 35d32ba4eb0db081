"""What every process has that runs until it is told to stop: how it hears of it, and when it looks for garbage."""

from __future__ import annotations

import gc
import signal
import threading


def told_to_stop() -> threading.Event:
    """Return an event that SIGTERM or SIGINT sets from now on, instead of ending the process where it stands."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def collect_garbage_rarely() -> None:
    """Let the garbage collector look at what a batch makes rarely: none of it has cycles, and looking costs a tenth."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
