"""The register of requests and complaints of children and parents: what is open, by when, and how it ended."""

from __future__ import annotations
