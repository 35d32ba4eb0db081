"""Running one of the workers that link together, as a process."""

from __future__ import annotations

from connectors.process import told_to_stop
from matching.shared.worker import SharedWorker
from matching.stage.model_file import read_model
from matching.stage.settings import MatchingSettings


def run(settings: MatchingSettings) -> None:
    """Run one worker until SIGTERM or SIGINT. Raises ConfigurationError or FatalError when it cannot work."""
    stop = told_to_stop()
    SharedWorker(settings, read_model(settings.model), stop).run()
