"""Reviewing by people: who works on what, answers that do not see each other, and samples that measure linkage."""

from __future__ import annotations
