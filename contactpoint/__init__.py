"""The application: command line, local stack, simulated world and demonstration."""

from __future__ import annotations
