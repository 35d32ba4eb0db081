"""Mutants of the decision function that no test can tell from it, with the reason."""

from __future__ import annotations

EQUIVALENT: dict[tuple[str, str], str] = {}
