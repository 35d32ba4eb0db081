"""Texts of several words (a company, an affiliation, a title): what each word tells, and how alike two texts are.

A rare word tells more than a common one (inverse document frequency, Sparck Jones 1972). How rare the words of a table
are is written into its values, so that comparing two of them needs nothing else: one small letter before each word, `a`
for 0 bits to `z` for 25 ("kALMADEN dRESEARCH aCENTER").
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.linkage.similarity import Levels

STEPS: Final = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97)
"""Shares of what two texts tell that they have in common, from which on a level is the next higher."""

LEVELS: Final = (
    ("different", 0.020, 0.9600),
    ("little in common", 0.060, 0.0300),
    ("half of what they tell in common", 0.070, 0.0060),
    ("six tenths in common", 0.090, 0.0020),
    ("seven tenths in common", 0.120, 0.0009),
    ("eight tenths in common", 0.170, 0.0005),
    ("nine tenths in common", 0.210, 0.0003),
    ("the same words", 0.100, 0.0002),
    ("the same", 0.160, 0.0001),
)
"""Levels with the m and u that training starts from; m is the mean of twelve labelled tables of names and titles."""

_FIRST, _MOST_BITS, _USUAL_BITS = ord("a"), 25, 8
_STEM: Final = 4  # letters by which forms of a word, and words that end in an error, are still known
_KEYS: Final = 6  # stems that a text is found by
_PAIRED: Final = 4  # stems that it is found by two at a time, where each is common
_OTHER_NUMBER: Final = 0.7  # two editions, seasons or parts of one name are told by nothing but a number
_CACHE: Final = 1 << 16
_AT_ONCE: Final = 1 << 15

Floats = npt.NDArray[np.float64]


def weighed(values: Sequence[str]) -> list[str]:
    """Return folded texts with the rarity of each word among them: log2(1 + texts / texts that have the word)."""
    seen = Counter(word for value in values for word in set(value.split()))
    there = sum(map(bool, values))
    sign = {word: chr(_FIRST + min(_MOST_BITS, round(math.log2(1 + there / n)))) for word, n in seen.items()}
    return [" ".join(sign[word] + word for word in value.split()) for value in values]


def word_keys(text: str) -> list[str]:
    """Return what a weighed text is found by: the stems of its rarest words, one by one and two at a time."""
    by_rarity = sorted((-bits, word) for word, bits in _words(text))
    stems = list(dict.fromkeys(word[:_STEM] for _, word in by_rarity))
    return [*stems[:_KEYS], *(" ".join(sorted(two)) for two in combinations(stems[:_PAIRED], 2))]


def text_levels(left: Sequence[str], right: Sequence[str]) -> Levels:
    """Weighed texts: how much of what they tell they have in common, in STEPS."""
    return (1 + np.searchsorted(STEPS, in_common(left, right), side="right")).astype(np.int8)


def in_common(left: Sequence[str], right: Sequence[str]) -> Floats:
    """Return the share of their bits that the i-th texts of both lists have in common, 0 to 1 (weighted Dice).

    Half a word's bits are its stem's. Two texts with different numbers have less in common.
    """
    place: dict[str, int] = {}
    codes = [np.array([place.setdefault(text, len(place)) for text in side], np.int64) for side in (left, right)]
    bags = _Bags(list(place))
    parts = [np.empty(0)]
    for start in range(0, len(left), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        parts.append(bags.in_common(codes[0][part], codes[1][part]))
    return np.concatenate(parts)


class _Bags:
    """Words and stems of different texts as numbers, in order within each text, with the root of the bits of each."""

    def __init__(self, texts: Sequence[str]) -> None:
        known: dict[str, int] = {}
        parts: list[tuple[int, float]] = []
        sizes, numbers = [0], list[bool]()
        for text in texts:
            own = sorted((known.setdefault(part, len(known)), math.sqrt(bits)) for part, bits in _parts(text))
            parts += own
            sizes.append(len(own))
        numbers = [any(map(str.isdigit, part)) for part in known]
        self._ends = np.cumsum(sizes)
        self._codes = np.array([code for code, _ in parts], np.int64)
        self._roots = np.array([root for _, root in parts])
        self._number = np.array(numbers, dtype=bool)[self._codes] if parts else np.empty(0, dtype=bool)
        self._known = len(known) + 1
        owners = np.repeat(np.arange(len(texts)), np.diff(self._ends))
        self._bits = np.bincount(owners, self._roots**2, len(texts))
        self._numbers = np.bincount(owners, self._number, len(texts))

    def in_common(self, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> Floats:
        """Return the share in common of pairs of texts."""
        (a, one), (b, other) = self._spread(left), self._spread(right)
        at = np.minimum(np.searchsorted(b, a), max(0, len(b) - 1))
        both = np.flatnonzero(b[at] == a) if len(b) else np.empty(0, np.int64)
        pair, first, second = a[both] // self._known, one[both], other[at[both]]
        shared = np.bincount(pair, self._roots[first] * self._roots[second], len(left))
        total = self._bits[left] + self._bits[right]
        share: Floats = np.divide(2.0 * shared, total, out=np.zeros(len(left)), where=total > 0.0)
        same = np.bincount(pair, self._number[first], len(left))
        differ = (self._numbers[left] > same) & (self._numbers[right] > same)
        share[differ] *= _OTHER_NUMBER
        return share

    def _spread(self, texts: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return a number for each pair and part of one side, ascending, and the place of each part."""
        starts, counts = self._ends[texts], self._ends[texts + 1] - self._ends[texts]
        pair = np.repeat(np.arange(len(texts)), counts)
        places = np.arange(len(pair)) - np.repeat(np.cumsum(counts) - counts, counts) + starts[pair]
        return pair * self._known + self._codes[places], places


@lru_cache(maxsize=_CACHE)
def _parts(text: str) -> tuple[tuple[str, float], ...]:
    """Return words and stems, with the bits of each."""
    bits: dict[str, float] = {}
    for word, own in _words(text):
        if len(word) <= _STEM or word.isdigit():
            bits[word] = float(own)
        else:
            bits[word] = own / 2
            bits[f"{word[:_STEM]}-"] = max(own / 2, bits.get(f"{word[:_STEM]}-", 0.0))
    return tuple(bits.items())


def _words(text: str) -> list[tuple[str, int]]:
    """Return the words of a weighed text with their bits; a word without its letter has the usual ones."""
    return [(word[1:], ord(word[0]) - _FIRST) if word[0].islower() else (word, _USUAL_BITS) for word in text.split()]
