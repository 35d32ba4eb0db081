"""The processes beside the owner's: the reader before it, the committer and the relay after it."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from matching.stage.committer import Committer
from matching.stage.reading import ReadAhead
from matching.stage.relay import Relay

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Helpers:
    """The processes beside the owner, as far as they have been started."""

    ahead: ReadAhead | None = None
    committer: Committer | None = None
    relay: Relay | None = None
    drained: bool = False

    def drain(self, seconds: float) -> None:
        """Wait until all batches are committed and, for some seconds at most, published."""
        if self.committer and self.relay:
            self.committer.settle()
            self.drained = True
            if not self.relay.drain(seconds):
                log.warning("outbox_left", seconds=seconds)

    def end(self) -> None:
        """End all; the outbox keeps what is not published."""
        if self.ahead:
            self.ahead.end()
        if self.committer:
            (self.committer.end if self.drained else self.committer.kill)()
        if self.relay:
            self.relay.end()
