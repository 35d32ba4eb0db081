"""One server process that outlives its starter: found again by its pid file, stopped by its own pid."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from schemas.errors import FatalError

_POLL_SECONDS = 0.05
_LAST_LINES = 15


class Account(NamedTuple):
    """The system account that a server runs as."""

    uid: int
    gid: int


# Processes that this interpreter started: only their parent can reap them, and Popen warns when it is dropped earlier.
_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}


class StartError(FatalError):
    """A server did not come up; the message ends with the last lines of its own log."""


class Daemon:
    """A server with its pid file `run/<name>.pid` and its log `logs/<name>.log` under the stack's folder."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.pid_file = folder / "run" / f"{name}.pid"
        self.log_file = folder / "logs" / f"{name}.log"

    def start(
        self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str], account: Account | None = None
    ) -> None:
        """Start the process in a session of its own, as `account` where one is given."""
        self.pid_file.parent.mkdir(parents=True, exist_ok=True)
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **_identity(account),
            )
        _CHILDREN[process.pid] = process
        started = psutil.Process(process.pid).create_time()
        self.pid_file.write_text(json.dumps({"pid": process.pid, "started": started}), encoding="utf-8")

    def process(self) -> psutil.Process | None:
        """Return the running process, or None when it is gone or its pid now belongs to another program."""
        try:
            recorded = json.loads(self.pid_file.read_text(encoding="utf-8"))
            process = psutil.Process(recorded["pid"])
            same = abs(process.create_time() - recorded["started"]) < 1.0
            alive = process.status() != psutil.STATUS_ZOMBIE
        except (FileNotFoundError, ValueError, KeyError, psutil.NoSuchProcess):
            return None
        return process if same and alive else None

    def is_running(self) -> bool:
        """Tell whether the process that was started last still runs."""
        return self.process() is not None

    def stop(self, with_signal: signal.Signals, timeout: float) -> None:
        """Ask the process to stop; after `timeout` seconds kill it. Nothing happens when it does not run."""
        process = self.process()
        if process is not None:
            try:
                process.send_signal(with_signal)
                process.wait(timeout)
            except psutil.TimeoutExpired:
                self._kill(process)
            except psutil.NoSuchProcess:
                pass
        self._forget()

    def kill(self) -> None:
        """SIGKILL the process and its children at once, as a power failure would, and wait until they are gone."""
        process = self.process()
        if process is not None:
            self._kill(process)
        self._forget()

    def wait_until(self, ready: Callable[[], bool], timeout: float) -> None:
        """Return once `ready()`; raise StartError with the log's last lines when the process ends or time runs out."""
        deadline = time.monotonic() + timeout
        while not ready():
            if not self.is_running():
                raise StartError(self._failure("stopped while it was starting"))
            if time.monotonic() > deadline:
                raise StartError(self._failure(f"did not answer within {timeout:.0f} seconds"))
            time.sleep(_POLL_SECONDS)

    def last_lines(self) -> str:
        """Return the end of the log."""
        if not self.log_file.is_file():
            return "(no log)"
        lines = self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-_LAST_LINES:]) or "(the log is empty)"

    def _failure(self, what: str) -> str:
        return f"{self.name} {what}. The end of its log, {self.log_file}:\n{self.last_lines()}"

    @staticmethod
    def _kill(process: psutil.Process) -> None:
        family = [process]
        with contextlib.suppress(psutil.NoSuchProcess):
            family += process.children(recursive=True)
        for member in family:
            try:
                member.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(family, timeout=30)

    def _forget(self) -> None:
        self.pid_file.unlink(missing_ok=True)
        for pid, child in list(_CHILDREN.items()):
            if child.poll() is not None:
                del _CHILDREN[pid]


def _identity(account: Account | None) -> dict[str, Any]:
    return {} if account is None else {"user": account.uid, "group": account.gid, "extra_groups": []}


def run_to_end(command: Sequence[str], *, what: str, cwd: Path, account: Account | None = None) -> str:
    """Run a preparing command; return its output, or raise StartError with it."""
    result: subprocess.CompletedProcess[str] = subprocess.run(
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        **_identity(account),
        env={**os.environ, "LC_ALL": "C"},
        check=False,
        text=True,
    )
    if result.returncode != 0:
        message = f"{what} failed (exit {result.returncode}):\n{result.stdout.strip()[-2000:]}"
        raise StartError(message)
    return result.stdout
