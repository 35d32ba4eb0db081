"""Python's collector in the owner's process: the state lives as long as the process, and a batch makes no cycles."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress
from typing import Final

_RARELY: Final = (1_000_000, 20, 100)
"""Allocations before a collection: with Python's own 700 the collector takes a third of each batch (measured)."""


def settle() -> None:
    """Collect once, set what is alive aside for ever, and collect rarely from now on."""
    give_back()
    gc.freeze()
    gc.set_threshold(*_RARELY)


def give_back() -> None:
    """Collect, and let the system have the memory that is free: a load leaves a third of what the state takes."""
    gc.collect()
    with suppress(OSError, AttributeError):  # glibc's; elsewhere the allocator does as it likes
        ctypes.CDLL(None).malloc_trim(0)
