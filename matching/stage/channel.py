"""A process beside the owner's, and the channel to it.

The helper is started afresh (never forked: a fork would share the state's memory page by page and slow the core down)
and inherits one end of a socket pair. It lives as long as the channel: when the owner's process dies, it reads the end
of the channel and ends. Signals are the owner's business; the helper ignores those that a terminal or a service
manager sends to the whole group.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import NoReturn

from connectors.process import collect_garbage_rarely
from schemas.errors import RetriableError
from schemas.telemetry import configure_logging

_EXIT_SECONDS = 10.0


class Helper:
    """The owner's end: a child process that runs `python -m <module>`, and frames to and from it."""

    def __init__(self, module: str, first_message: bytes) -> None:
        self._module = module
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=_plain_environment(os.environ),
                stdin=subprocess.DEVNULL,
            )
        self._connection = Connection(ours.detach())
        self.send(first_message)

    @property
    def pid(self) -> int:
        """The process id of the child."""
        return self._process.pid

    def alive(self) -> bool:
        """Tell whether the child still runs."""
        return self._process.poll() is None

    def send(self, frame: bytes) -> None:
        """Send one frame; raise RetriableError when the child is gone."""
        try:
            self._connection.send_bytes(frame)
        except OSError as error:
            raise self._gone() from error

    def receive(self) -> bytes:
        """Wait for one frame; raise RetriableError when the child is gone."""
        try:
            return self._connection.recv_bytes()
        except (EOFError, OSError) as error:
            raise self._gone() from error

    def has_frame(self, seconds: float = 0.0) -> bool:
        """Tell whether `receive` would answer at once (also when it would raise)."""
        try:
            return self._connection.poll(seconds)
        except OSError:
            return True

    def end(self) -> None:
        """Close the channel and wait for the child to end; kill it when it does not."""
        self._connection.close()
        try:
            self._process.wait(_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def kill(self) -> None:
        """End the child at once, whatever it does."""
        self._connection.close()
        self._process.kill()
        self._process.wait()

    def _gone(self) -> RetriableError:
        return RetriableError(f"{self._module} ended")


def _plain_environment(env: Mapping[str, str]) -> dict[str, str]:
    """Return what a Python process needs and nothing else: settings reach a helper through the channel."""
    return {name: value for name, value in env.items() if not name.startswith("CONTACTPOINT_")}


def serve(arguments: list[str], work: Callable[[Connection, SimpleQueue[bytes | None]], None]) -> NoReturn:
    """Run a helper's side: `work(connection, inbox)`, where the inbox yields frames and then None at the end.

    A thread reads the frames, so that the owner never waits for room in the socket while the helper is busy.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    configure_logging()
    collect_garbage_rarely()
    connection = Connection(int(arguments[1]))
    inbox: SimpleQueue[bytes | None] = SimpleQueue()
    threading.Thread(target=_read, args=(connection, inbox), daemon=True).start()
    try:
        work(connection, inbox)
    except BrokenPipeError:  # the owner is gone: nobody to tell
        sys.exit(0)
    sys.exit(0)


def _read(connection: Connection, inbox: SimpleQueue[bytes | None]) -> None:
    try:
        while True:
            inbox.put(connection.recv_bytes())
    except (EOFError, OSError):
        inbox.put(None)
