"""SQL of the review desk."""

from __future__ import annotations
