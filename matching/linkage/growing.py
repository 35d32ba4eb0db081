"""Arrays that grow: twofold at least, so that growing costs little a record however many come."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

_Item = TypeVar("_Item", bound=np.generic)


def grown(array: npt.NDArray[_Item], n: int) -> npt.NDArray[_Item]:
    """Return the array if it has room for `n` rows, else a larger copy in which the new rows are zero.

    Not np.concatenate: rows that nobody has written yet take neither memory nor the time to clear it, however many.
    """
    if n <= len(array):
        return array
    room = np.zeros((max(n, 2 * len(array)), *array.shape[1:]), array.dtype)
    room[: len(array)] = array
    return room
