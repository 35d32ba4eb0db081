"""Waiting for something that other processes do, and ending them as an operator does."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

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


def end(process: subprocess.Popen[Any]) -> None:
    """End a process as an operator does, once it listens to SIGTERM; it must end well."""
    wait_until(lambda: process.poll() is not None or _listens(process.pid), "a process to listen to SIGTERM")
    process.terminate()
    assert process.wait(PATIENCE) == 0


def _listens(pid: int) -> bool:
    """Tell whether a process has a handler for SIGTERM."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(status["SigCgt"], 16) >> (signal.SIGTERM - 1) & 1)
