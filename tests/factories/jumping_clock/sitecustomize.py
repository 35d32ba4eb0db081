"""A wall clock that jumps, for every Python process that has this folder on its PYTHONPATH.

It starts two seconds before British Summer Time ends and jumps an hour on, two back, over a second and over a day, for
ever. Clocks that only count (monotonic) are left alone, as a step of the system's clock leaves them.
"""

from __future__ import annotations

import itertools
import threading
import time

import time_machine

START = "2026-10-25T00:59:58+00:00"
STEPS = (3600, -7200, 3600, 1, -1, 86_400, -86_400, -3600, 3600)  # seconds

_clock = time_machine.travel(START, tick=True).start()


def _jump() -> None:
    for step in itertools.cycle(STEPS):
        time.sleep(0.15)
        _clock.shift(step)


threading.Thread(target=_jump, daemon=True).start()
