"""Looking for thousands of values in gigabytes at once: what the proof of a round of erasures is made of. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import accumulate, chain
from typing import Final

import numpy as np
import numpy.typing as npt

from schemas.errors import ConfigurationError

SHORTEST: Final = 4  # characters: shorter values are found everywhere
_SURE: Final = 12  # bytes: shorter texts are parts of somebody's id by chance, so they count as whole words alone
_WIDTH: Final = 8  # bytes that are compared in one go
_SLICE: Final = 1 << 20  # bytes looked at in one go, so that their windows take 8 MB
_SEPARATOR: Final = b"\xff"  # in no UTF-8, so in no value
_NONE: Final[Mapping[bytes, Collection[int]]] = {}
_MIX, _SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(64 - 20)  # Fibonacci hashing (Knuth, TAOCP 3, 6.4) to 20 bits


class Needles:
    """Values to look for: as text, in capitals or not, with spaces or without, and as PostgreSQL writes bytes.

    A short one counts as a whole word only: the ids of a nation hold every word of seven letters somewhere.
    """

    def __init__(self, values: Sequence[str]) -> None:
        short = [number for number, value in enumerate(values) if len(value) < SHORTEST]
        if short or not values:
            message = f"give values of {SHORTEST} characters or more; too short: {short or 'there is none'}"
            raise ConfigurationError(message)
        texts: dict[bytes, set[int]] = {}
        for number, value in enumerate(values):
            for form in _forms(value):
                texts.setdefault(form.encode().lower(), set()).add(number)
        self._texts = _Index(texts)
        self._dumped = _Index(texts, {text.hex().encode(): numbers for text, numbers in texts.items()})

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
    """Texts by their first bytes, with a table that tells of most places that none of them begins there."""

    def __init__(self, texts: Mapping[bytes, Collection[int]], digits: Mapping[bytes, Collection[int]] = _NONE) -> None:
        """Take the texts, and `digits` that need not stand for themselves: of them a part of a word will do."""
        width = min(_WIDTH, *map(len, texts))
        self._mask = np.uint64((1 << 8 * width) - 1)
        self._by_start: dict[int, list[tuple[bytes, bool, Collection[int]]]] = {}
        for text, numbers in chain(texts.items(), digits.items()):
            whole = len(text) < _SURE and text not in digits
            self._by_start.setdefault(int.from_bytes(text[:width], "little"), []).append((text, whole, numbers))
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
                for text, whole, numbers in self._by_start[start]:
                    if content.startswith(text, place) and not (whole and _in_a_word(content, place, len(text))):
                        yield place, numbers


def _in_a_word(content: bytes, place: int, length: int) -> bool:
    """Tell whether a letter or a digit of ASCII stands just before or after."""
    end = place + length
    return content[max(0, place - 1) : place].isalnum() or content[end : end + 1].isalnum()


def _hashed(windows: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    return (windows * _MIX) >> _SHIFT


def _forms(value: str) -> set[str]:
    """Return the spellings in which stages keep a value: linkage folds case and closes up postcodes and numbers."""
    closed = value.replace(" ", "")
    kept = {value, closed} if len(closed) >= SHORTEST and any(map(str.isalpha, closed)) else {value}
    return {form for each in kept for form in (each, each.lower(), each.upper(), each.casefold())}
