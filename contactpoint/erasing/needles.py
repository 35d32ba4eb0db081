"""Looking for thousands of values in gigabytes at once: what the proof of a round of erasures is made of. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import accumulate
from string import ascii_letters, digits
from typing import Final

import numpy as np
import numpy.typing as npt

_SURE: Final = 12  # bytes: shorter texts are parts of somebody's id by chance, so they count as whole words alone
_WIDTH: Final = 8  # bytes that are compared in one go
_SLICE: Final = 1 << 20  # bytes looked at in one go, so that their windows take 8 MB
_SEPARATOR: Final = b"\xff"  # in no UTF-8, so in no value
_IN_WORDS: Final = frozenset(
    form for sign in (ascii_letters + digits).encode() for form in (b"%c" % sign, b"%02x" % sign)
)
_NONE: Final[Mapping[bytes, Collection[int]]] = {}
_MIX, _SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(64 - 20)  # Fibonacci hashing (Knuth, TAOCP 3, 6.4) to 20 bits


class Needles:
    """Values to look for, each in several forms: as text whatever its letters' case, and as PostgreSQL writes bytes.

    A short form counts as a whole word only: the ids of a nation hold every word of seven letters somewhere.
    """

    def __init__(self, values: Sequence[frozenset[str]]) -> None:
        texts: dict[bytes, set[int]] = {}
        dumped: dict[bytes, set[int]] = {}
        for number, forms in enumerate(values):
            for form in map(str.encode, forms):
                texts.setdefault(form.lower(), set()).add(number)
                dumped.setdefault(form.hex().encode(), set()).add(number)
        self._texts = _Index(texts)
        self._dumped = _Index(texts, dumped)

    def found_in(self, contents: Sequence[bytes], *, dumped: bool = False) -> set[tuple[int, int]]:
        """Return which of the contents hold which values, by their places in the two lists.

        `dumped`: bytes may stand there in hexadecimal.
        """
        begins = list(accumulate((len(content) + 1 for content in contents), initial=0))
        index = self._dumped if dumped else self._texts
        return {
            (bisect_right(begins, at) - 1, number)
            for at, numbers in index.found_in(_SEPARATOR.join(contents).lower())
            for number in numbers
        }


class _Index:
    """Texts by their first bytes and length, with a table that tells of most places that none of them begins there."""

    def __init__(self, texts: Mapping[bytes, Collection[int]], dumped: Mapping[bytes, Collection[int]] = _NONE) -> None:
        """Take the texts, and those that stand there in hexadecimal as `dumped`."""
        width = min(_WIDTH, *map(len, texts))
        self._mask = np.uint64((1 << 8 * width) - 1)
        self._by_start: dict[int, dict[int, dict[bytes, list[tuple[int, Collection[int]]]]]] = {}
        for size, each in ((1, texts), (2, dumped)):
            for text, numbers in each.items():
                of_start = self._by_start.setdefault(int.from_bytes(text[:width], "little"), {})
                of_start.setdefault(len(text), {}).setdefault(text, []).append((size, numbers))
        self._starts = np.sort(np.array([*self._by_start], dtype=np.uint64))
        self._table = np.zeros(1 << 20, dtype=np.bool_)
        self._table[_hashed(self._starts)] = True

    def found_in(self, content: bytes) -> Iterator[tuple[int, Collection[int]]]:
        """Yield the place of each text that the content holds, and the numbers of its values."""
        padded = content + bytes(_WIDTH)
        for begin in range(0, len(content), _SLICE):
            size = min(_SLICE, len(content) - begin)
            windows = np.ndarray((size,), dtype="<u8", buffer=padded, offset=begin, strides=(1,)) & self._mask
            maybe = np.flatnonzero(self._table[_hashed(windows)])
            maybe = maybe[np.isin(windows[maybe], self._starts)]
            for place, start in zip((maybe + begin).tolist(), windows[maybe].tolist(), strict=True):
                for length, texts in self._by_start[start].items():  # telephone numbers begin alike by the thousand
                    end = place + length
                    for size, numbers in texts.get(content[place:end], ()):
                        if _counts(content, place, end, size):
                            yield place, numbers


def _counts(content: bytes, begin: int, end: int, size: int) -> bool:
    """Tell whether a text is long, or no letter or digit of ASCII stands just before or after; each takes `size`."""
    if end - begin >= _SURE * size:
        return True
    return _IN_WORDS.isdisjoint((content[max(0, begin - size) : begin], content[end : end + size]))


def _hashed(windows: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    return (windows * _MIX) >> _SHIFT
