"""Runs one projection until SIGTERM or SIGINT: `python -m projections directory`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from connectors.process import collect_garbage_rarely, told_to_stop
from projections.registry import projection
from projections.runner import Pace, Runner
from schemas.errors import ContactPointError
from schemas.settings import KafkaSettings, PostgresSettings
from schemas.telemetry import configure_logging, fail


def run(name: str, kafka: KafkaSettings, postgres: PostgresSettings, pace: Pace | None = None) -> None:
    """Fold the projection of this name until the process is told to stop; the batch at hand is finished first."""
    collect_garbage_rarely()
    stop = told_to_stop()
    Runner(projection(name), kafka, postgres, pace=pace).run(stop)


def main(arguments: Sequence[str], env: Mapping[str, str]) -> int:
    """Run the named projection with the settings of this environment; return the exit status."""
    configure_logging()
    try:
        name = arguments[0] if arguments else ""
        run(name, KafkaSettings.from_env(env), PostgresSettings.from_env(env))
    except ContactPointError as error:
        return fail(error)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
