"""Runs the stages as processes of their own: starts them, starts a crashed one again, and stops them in order."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

import structlog

log = structlog.get_logger(__name__)

FIRST_DELAY = 0.5  # seconds before a crashed stage starts again, doubled each time
LONGEST_DELAY = 15.0
STEADY_AFTER = 30.0  # a stage that ran this long has recovered: its next delay is the first again
PATIENCE = 30.0  # seconds a stage may take to drain after SIGTERM, before SIGKILL


@dataclass(frozen=True, slots=True)
class StageCommand:
    """One stage: its name, and the `contactpoint` arguments that run it."""

    name: str
    arguments: tuple[str, ...]


MATCHING = StageCommand("matching", ("matching", "run"))
DIRECTORY = StageCommand("directory", ("projections", "run", "directory"))
AUDIT_TRAIL = StageCommand("audit_trail", ("projections", "run", "audit_trail"))
REVIEW = StageCommand("review", ("projections", "run", "review"))
RETENTION = StageCommand("retention", ("retention", "run"))
TELLING = StageCommand("telling", ("users", "tell"))
STAGES: tuple[StageCommand, ...] = (MATCHING, DIRECTORY, AUDIT_TRAIL, REVIEW)


@dataclass(slots=True)
class _Running:
    command: StageCommand
    process: subprocess.Popen[bytes]
    log_file: IO[bytes] | None
    started: float
    delay: float = FIRST_DELAY
    restarts: int = 0


@dataclass(slots=True)
class Supervisor:
    """Keeps a set of stages running until it is stopped.

    `env` holds the addresses; `logs` is a folder for one log file a stage, or None to share standard error.
    """

    commands: Sequence[StageCommand]
    env: Mapping[str, str]
    logs: Path | None = None
    _running: dict[str, _Running] = field(default_factory=dict)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _watcher: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start every stage, and a thread that watches them."""
        for command in self.commands:
            self._running[command.name] = self._spawn(command)
        self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._watcher.start()

    def stop(self) -> None:
        """Ask every stage to drain, wait, and kill what does not end in time."""
        self._stopping.set()
        if self._watcher:
            self._watcher.join()
        for running in self._running.values():
            if running.process.poll() is None:
                running.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE
        for running in self._running.values():
            self._end(running, deadline)

    def pid(self, name: str) -> int:
        """Return the process id of a stage."""
        return self._running[name].process.pid

    def restarts(self, name: str) -> int:
        """Return how often a stage has been started again."""
        return self._running[name].restarts

    def log_tail(self, name: str, lines: int = 20) -> str:
        """Return the last lines of a stage's log file (empty without a log folder)."""
        if self.logs is None:
            return ""
        text = (self.logs / f"{name}.log").read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def _spawn(self, command: StageCommand) -> _Running:
        log_file = None
        if self.logs is not None:
            self.logs.mkdir(parents=True, exist_ok=True)
            log_file = (self.logs / f"{command.name}.log").open("ab")
        process = subprocess.Popen(
            [sys.executable, "-m", "contactpoint", *command.arguments],
            env=dict(self.env),
            stdin=subprocess.DEVNULL,
            stdout=log_file,
            stderr=subprocess.STDOUT if log_file else None,
            start_new_session=True,  # Ctrl-C reaches the supervisor only, which then stops the stages in order
        )
        log.info("stage_started", stage=command.name, pid=process.pid)
        return _Running(command, process, log_file, time.monotonic())

    def _watch(self) -> None:
        while not self._stopping.wait(0.2):
            for name, running in list(self._running.items()):
                if running.process.poll() is not None:
                    self._restart(name, running)

    def _restart(self, name: str, running: _Running) -> None:
        steady = time.monotonic() - running.started > STEADY_AFTER
        delay = FIRST_DELAY if steady else running.delay
        log.warning("stage_ended", stage=name, status=running.process.returncode, seconds=delay)
        if self._stopping.wait(delay):
            return
        if running.log_file:
            running.log_file.close()
        again = self._spawn(running.command)
        again.delay = min(delay * 2, LONGEST_DELAY)
        again.restarts = running.restarts + 1
        self._running[name] = again

    def _end(self, running: _Running, deadline: float) -> None:
        try:
            running.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            log.warning("stage_killed", stage=running.command.name, pid=running.process.pid)
            running.process.kill()
            running.process.wait()
        if running.log_file:
            running.log_file.close()
