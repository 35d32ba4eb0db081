"""The command line `contactpoint`: the only place, with each stage's `__main__`, that reads the environment."""

from __future__ import annotations

from contactpoint.cli.app import main

__all__ = ["main"]
