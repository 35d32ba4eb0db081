"""What is seen of values at a glance: enough to tell that most pairs of them are simply different.

A sieve takes two arrays of value numbers and tells which pairs a kernel of `similarity` has to look at; all others are
DIFFERENT there. Each bound is on the letters that two values have in common, whatever their order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from matching.linkage.nicknames import NICKNAME_GROUPS
from matching.linkage.similarity import JARO_WINKLER_STEPS

Numbers = npt.NDArray[np.unsignedinteger[Any]]
Bools = npt.NDArray[np.bool_]

_CLASSES: Final = 32  # of letters: A to Z are in one each
_PART: Final = 1 << 15  # values that are worked out at a time
_HEAD: Final = 8
_BLANK, _NOT_ASCII, _ASCII = ord(" "), ord("?"), 128
_LEAST: Final = 3.0 * JARO_WINKLER_STEPS[0] - 1.0 - 1e-3
"""Of m/|a| + m/|b| for m letters in common: with none out of place Jaro's similarity is a third of it and 1."""


@dataclass(frozen=True, slots=True)
class Signs:
    """Signs of values, by number.

    `bags` has two bits for each class of letters (once, twice or more), `rest` how many letters these bits leave out,
    `sizes` how many letters there are and `shares` what each is of all, `heads` the first eight signs as bytes,
    `spaced` whether there are several words, `shortened` whether it has short forms or is one.
    """

    bags: npt.NDArray[np.uint64]
    rest: npt.NDArray[np.int32]
    sizes: npt.NDArray[np.int32]
    shares: npt.NDArray[np.float32]
    heads: npt.NDArray[np.uint64]
    spaced: Bools
    shortened: Bools

    def common(self, first: Numbers, second: Numbers) -> npt.NDArray[np.int32]:
        """Return how many letters two values have in common at most."""
        seen = np.bitwise_count(self.bags.take(first) & self.bags.take(second))
        most: npt.NDArray[np.int32] = np.minimum(self.rest.take(first), self.rest.take(second)) + seen
        return most


Sieve = Callable[[Signs, Numbers, Numbers], Bools]


def signs_of(texts: Sequence[str]) -> Signs:
    """Return the signs of values."""
    parts = [_signs(texts[start : start + _PART]) for start in range(0, max(1, len(texts)), _PART)]
    return Signs(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def may_be_alike(signs: Signs, first: Numbers, second: Numbers) -> Bools:
    """Tell which texts may reach the lowest of JARO_WINKLER_STEPS (Winkler's bonus is for those that Jaro's do)."""
    alike: Bools = signs.common(first, second) * (signs.shares.take(first) + signs.shares.take(second)) >= _LEAST
    return alike


def names_may_be_alike(signs: Signs, first: Numbers, second: Numbers) -> Bools:
    """Tell the same of names, which may also share a word or be short forms."""
    words = signs.spaced.take(first) | signs.spaced.take(second)
    return may_be_alike(signs, first, second) | words | (signs.shortened.take(first) & signs.shortened.take(second))


def may_be_one_edit_apart(signs: Signs, first: Numbers, second: Numbers) -> Bools:
    """Tell which texts may be one edit apart: it leaves all letters but one."""
    near: Bools = signs.common(first, second) >= np.maximum(signs.sizes.take(first), signs.sizes.take(second)) - 1
    return near


def postcodes_may_be_near(signs: Signs, first: Numbers, second: Numbers) -> Bools:
    """Tell which postcodes may be one edit apart, or of one area."""
    area: Bools = (signs.heads.take(first) ^ signs.heads.take(second)) & np.uint64(0xFF) == 0
    return area | may_be_one_edit_apart(signs, first, second)


def dates_may_be_near(signs: Signs, first: Numbers, second: Numbers) -> Bools:
    """Tell which dates share the year, or month and day, or all digits but two."""
    apart = signs.heads.take(first) ^ signs.heads.take(second)
    year, rest = apart & np.uint64(0xFFFFFFFF) == 0, apart >> np.uint64(32) == 0
    low = np.uint64(0x7F7F7F7F7F7F7F7F)  # the high bit of each byte that is not 0 ...
    digits = np.bitwise_count((((apart & low) + low) | apart) & ~low)
    near: Bools = year | rest | (digits <= 2)
    return near


def _signs(texts: Sequence[str]) -> tuple[npt.NDArray[np.generic], ...]:
    sizes = np.fromiter(map(len, texts), np.int32, len(texts))
    letters = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), "<u4")
    owners = np.repeat(np.arange(len(texts)), sizes)
    counts = np.bincount(owners * _CLASSES + letters % _CLASSES, minlength=len(texts) * _CLASSES)
    counts = np.minimum(counts.reshape(len(texts), _CLASSES), 2)
    powers = np.uint64(1) << np.arange(0, 2 * _CLASSES, 2, dtype=np.uint64)
    bags = np.array([0, 1, 3], np.uint64)[counts] @ powers
    heads = np.full((len(texts), _HEAD), _BLANK, np.uint8)
    place = np.arange(len(letters)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    early = place < _HEAD
    heads[owners[early], place[early]] = np.where(letters < _ASCII, letters, _NOT_ASCII)[early]
    spaced = np.zeros(len(texts), dtype=bool)
    spaced[owners[letters == _BLANK]] = True
    shortened = np.fromiter((text in NICKNAME_GROUPS for text in texts), bool, len(texts))
    rest = sizes - counts.sum(axis=1, dtype=np.int32)
    shares = np.float32(1.0) / np.maximum(sizes, 1).astype(np.float32)
    return bags, rest, sizes, shares, heads.view("<u8")[:, 0].astype(np.uint64), spaced, shortened
