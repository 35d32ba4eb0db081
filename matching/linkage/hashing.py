"""Stable 64-bit hashes of values and their combinations: equality, blocking keys and the index work on these.

Two different values collide with a chance of 2^-64 a pair; with 100 million distinct values that is once in 3,700
stores.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_64_digest, xxh3_64_intdigest

Hashes = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.int64]

_Number = TypeVar("_Number", bound=np.integer[Any])

MISSING: Final = 0
"""The hash of the missing value."""

_OF_EMPTY: Final = np.uint64(xxh3_64_intdigest(b""))

# splitmix64 (Steele, Lea, Flood 2014): three odd constants, every bit of the input reaches every bit of the output.
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_1: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2: Final = np.uint64(0x94D049BB133111EB)


def hash_bytes(value: bytes) -> int:
    """Return the hash of one value in UTF-8: the same in every process, MISSING for an empty one."""
    return (xxh3_64_intdigest(value) or 1) if value else MISSING


def hash_text(text: str) -> int:
    """Return the hash of one value."""
    return hash_bytes(text.encode())


def hash_all(values: Iterable[bytes]) -> Hashes:
    """Return the hash of each value in UTF-8: `hash_bytes` of many, without a Python call for each."""
    hashes = np.frombuffer(b"".join(map(xxh3_64_digest, values)), ">u8").astype(np.uint64)
    hashes[hashes == MISSING] = 1
    hashes[hashes == _OF_EMPTY] = MISSING
    return hashes


def hash_texts(texts: Iterable[str]) -> Hashes:
    """Return the hash of each value."""
    return hash_all(map(str.encode, texts))


def sorted_unique(values: npt.NDArray[_Number]) -> npt.NDArray[_Number]:
    """Return the different values in order: np.unique, which since numpy 2.3 takes ten times as long for few values."""
    ordered = np.sort(values)
    first = np.ones(len(ordered), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first]


def one_of_each(values: npt.NDArray[_Number]) -> tuple[Indices, Indices]:
    """Return a place of each different value, in order of value, and for each value which of those has it.

    np.unique's index and inverse in a third of the time, but for which place of several equal ones it is.
    """
    order = np.argsort(values)
    ordered = values[order]
    first = np.ones(len(ordered), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    which = np.empty(len(ordered), np.int64)
    which[order] = np.cumsum(first) - 1
    return order[first], which


def is_among(values: npt.NDArray[_Number], others: npt.NDArray[_Number]) -> npt.NDArray[np.bool_]:
    """Tell which values are among others: np.isin, which takes several times as long for some hundreds."""
    if not len(others):
        return np.zeros(len(values), dtype=bool)
    ordered = np.sort(others)
    among: npt.NDArray[np.bool_] = ordered[np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)] == values
    return among


def mix(values: Hashes) -> Hashes:
    """Scramble each hash (the splitmix64 finaliser, a bijection)."""
    mixed = values + _GOLDEN
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_1
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
    return mixed ^ (mixed >> np.uint64(31))


def combine(left: Hashes, right: Hashes) -> Hashes:
    """Return one hash of each ordered pair of hashes, MISSING if either is missing."""
    combined = mix((left * _MIX_2) ^ right)
    combined[(left == MISSING) | (right == MISSING)] = MISSING
    return combined


def combine_unordered(left: Hashes, right: Hashes) -> Hashes:
    """Return one hash of each unordered pair of hashes, MISSING if either is missing."""
    return combine(np.minimum(left, right), np.maximum(left, right))
