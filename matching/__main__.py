"""`python -m matching [--shared]`: run one worker of the matching stage on the addresses in the environment."""

from __future__ import annotations

import os
import sys

from matching.shared import app as shared
from matching.stage.app import run
from matching.stage.settings import MatchingSettings
from schemas.errors import ContactPointError
from schemas.telemetry import configure_logging, fail


def main() -> int:
    """Run until told to stop; return the exit status."""
    configure_logging()
    try:
        start = shared.run if "--shared" in sys.argv[1:] else run
        start(MatchingSettings.from_env(os.environ))
    except ContactPointError as error:
        return fail(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
