"""Running one of the workers that link together, as a process."""

from __future__ import annotations

import signal
import threading

from matching.shared.worker import SharedWorker
from matching.stage.model_file import read_model
from matching.stage.settings import MatchingSettings


def run(settings: MatchingSettings) -> None:
    """Run one worker until SIGTERM or SIGINT. Raises ConfigurationError or FatalError when it cannot work."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    SharedWorker(settings, read_model(settings.model), stop).run()
