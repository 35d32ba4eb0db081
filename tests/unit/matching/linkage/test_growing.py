from __future__ import annotations

import resource
from pathlib import Path

import numpy as np

from matching.linkage.growing import grown


def test_a_small_array_grows_into_zeros() -> None:
    array = grown(np.array([[1, 2], [3, 4]], np.int32), 3)
    assert array.tolist() == [[1, 2], [3, 4], [0, 0], [0, 0]]
    assert grown(array, 4) is array


def test_a_large_array_grows_where_it_is() -> None:
    array = grown(np.ones((3, 2), np.int16), 1 << 20)
    longer = grown(array, 1 << 24)
    array[0] = 7
    assert len(longer) == 1 << 24
    assert longer[:4].tolist() == [[7, 7], [1, 1], [1, 1], [0, 0]]
    assert not longer[-1].any()


def test_without_address_space_to_spare_an_array_grows_into_a_copy() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    in_use = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + (1 << 35), hard))
    try:
        array = grown(np.ones(3, np.uint8), 1 << 20)
        assert grown(array, 1 << 21).sum() == 3
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
