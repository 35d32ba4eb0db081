"""Erasure of a child: the order and the destruction of its keys, and the proof that nothing is left."""

from __future__ import annotations
