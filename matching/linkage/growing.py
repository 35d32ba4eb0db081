"""Arrays that grow where they are, so that no batch waits while the rows of millions of records are copied.

A large array gets address space for more than it will ever hold. Rows that nobody has written yet take neither memory
nor the time to clear it, however many; the system gives memory page by page as they are written.
"""

from __future__ import annotations

import mmap
import sys
from contextlib import suppress
from math import prod
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

_Item = TypeVar("_Item", bound=np.generic)

_LARGE: Final = 1 << 20  # bytes from which an array gets address space of its own
_RESERVED: Final = 1 << 36  # bytes of it: a process has room for two thousand such arrays
_NO_RESERVE: Final = 0x4000  # MAP_NORESERVE of Linux, nameless in `mmap`: no claim on memory before it is written


def grown(array: npt.NDArray[_Item], n: int) -> npt.NDArray[_Item]:
    """Return the array if it has room for `n` rows, else a longer one that begins with it; the new rows are zero.

    The array must be as `grown` returned it or begin where its memory begins.
    """
    if n <= len(array):
        return array
    shape = max(n, 2 * len(array)), *array.shape[1:]
    size = prod(shape) * array.itemsize
    if isinstance(array.base, np.ndarray) and array.base.nbytes == _RESERVED and size <= _RESERVED:
        longer: npt.NDArray[_Item] = array.base[:size].view(array.dtype).reshape(shape)
        return longer
    longer = _zeros(size).view(array.dtype).reshape(shape)
    longer[: len(array)] = array
    return longer


def _zeros(size: int) -> npt.NDArray[np.uint8]:
    """Return so many bytes, with address space after them if they are many and the system gives it."""
    if sys.platform == "linux" and _LARGE <= size <= _RESERVED:
        with suppress(OSError):
            space = mmap.mmap(-1, _RESERVED, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NO_RESERVE)
            with suppress(OSError):  # a system without huge pages
                space.madvise(mmap.MADV_HUGEPAGE)
            return np.frombuffer(space, np.uint8)[:size]
    return np.zeros(size, np.uint8)
