"""The review side: decisions by people, and whether they may make them."""

from __future__ import annotations
