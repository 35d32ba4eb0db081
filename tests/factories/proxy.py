"""A network that can be bad: a TCP proxy that delays, holds everything back, and cuts."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_RESET = struct.pack("ii", 1, 0)  # close with a reset, as a firewall does that has forgotten the connection


@dataclass(slots=True)
class Proxy:
    """A port that leads to another port of this machine.

    `delay` is added to every chunk in either direction (seconds). While `held`, connections stay open and new ones are
    taken, and not a byte passes: what a half-open connection looks like from both ends.
    """

    listener: socket.socket
    target: int
    delay: float = 0.0
    passing: threading.Event = field(default_factory=threading.Event)
    pairs: list[tuple[socket.socket, socket.socket]] = field(default_factory=list)
    passed: int = 0

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.listener.getsockname()[1])

    def hold(self) -> None:
        """Let nothing pass from now on."""
        self.passing.clear()

    def release(self) -> None:
        """Let everything pass again, what was held back first."""
        self.passing.set()

    def cut(self) -> None:
        """Reset every connection."""
        pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for end in pair:
                with suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    end.shutdown(socket.SHUT_RDWR)
                with suppress(OSError):
                    end.close()

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            self.pairs.append((near, far))
            for one, other in ((near, far), (far, near)):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while chunk := one.recv(65_536):
                time.sleep(self.delay)
                self.passing.wait()
                other.sendall(chunk)
                self.passed += len(chunk)
            other.shutdown(socket.SHUT_WR)


@contextmanager
def proxy_to(target: int) -> Iterator[Proxy]:
    """Run a proxy to a port of this machine while the block runs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Proxy(listener, target)
        proxy.release()
        serving = threading.Thread(target=proxy.serve, daemon=True)
        serving.start()
        try:
            yield proxy
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            serving.join()
            proxy.release()
            proxy.cut()
