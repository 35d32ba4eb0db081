"""What sources get wrong: one draw for each record, which stays wrong until the record is corrected.

The kinds follow `facts/source-formats.md` §6. A mistake is a function of the record's own number, so that a record is
wrong in the same way in every file.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from contactpoint.world.population import NEVER, Int8, generator
from contactpoint.world.settings import WorldSettings

RIGHT = 0
GIVEN_TYPO, GIVEN_VARIANT, GIVEN_INITIAL, GIVEN_SWAPPED, GIVEN_MIDDLE = 1, 2, 3, 4, 5
FAMILY_TYPO, FAMILY_HALF, FAMILY_SPACED = 1, 2, 3
BIRTH_SWAPPED, BIRTH_DAY, BIRTH_YEAR, BIRTH_FIRST_OF_JANUARY, BIRTH_IMPOSSIBLE, BIRTH_MISSING = 1, 2, 3, 4, 5, 6
SEX_WRONG, SEX_UNKNOWN = 1, 2
POSTCODE_TYPO, POSTCODE_MISSING, POSTCODE_NO_FIXED_ABODE, POSTCODE_UNSPACED = 1, 2, 3, 4
ADDRESS_TYPO, ADDRESS_NOT_KNOWN, ADDRESS_SHORT = 1, 2, 3
NUMBER_MISSING, NUMBER_TYPO, NUMBER_DEFAULT, NUMBER_OF_SIBLING = 1, 2, 3, 4

_SHARES = {
    "given": (0.40, 0.40, 0.05, 0.10, 0.05),
    "family": (0.65, 0.20, 0.15),
    "birth": (0.40, 0.25, 0.14, 0.14, 0.03, 0.04),
    "sex": (0.6, 0.4),
    "postcode": (0.40, 0.30, 0.10, 0.20),
    "address": (0.60, 0.15, 0.25),
    "number": (0.55, 0.30, 0.15),
}
_KEYBOARD = {"a": "sq", "b": "vn", "c": "xv", "d": "sf", "e": "wr", "f": "dg", "g": "fh", "h": "gj", "i": "uo",
             "j": "hk", "k": "jl", "l": "k", "m": "n", "n": "bm", "o": "ip", "p": "o", "q": "w", "r": "et", "s": "ad",
             "t": "ry", "u": "yi", "v": "cb", "w": "qe", "x": "zc", "y": "tu", "z": "x"}  # fmt: skip
_SOUNDS = (("ph", "f"), ("ck", "k"), ("ie", "ei"), ("ei", "ie"), ("ee", "ea"), ("ll", "l"), ("tt", "t"), ("nn", "n"),
           ("y", "i"), ("k", "c"), ("s", "z"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mistakes:
    """One column of kinds (0 = right) for each item, and the extract from which the record is corrected.

    `lag` is by how many extracts the source is behind what happens to the child (NEVER: it is not told), `number` the
    record's own random number, from which the details of its mistakes are taken.
    """

    given: Int8
    family: Int8
    birth: Int8
    sex: Int8
    postcode: Int8
    address: Int8
    number: Int8
    corrected_at: Int8
    lag: Int8
    chance: NDArray[np.uint32]

    def take(self, rows: NDArray[np.int64]) -> Self:
        """Return the mistakes of some records."""
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass(frozen=True, slots=True)
class Carelessness:
    """How much more (or less) than the world's rates one kind of source gets wrong."""

    names: float = 1.0
    birth: float = 1.0
    places: float = 1.0
    numbers: float = 1.0
    corrects: float = 1.0


def draw_mistakes(settings: WorldSettings, source: str, size: int, care: Carelessness) -> Mistakes:
    """Draw the mistakes of `size` records of one kind of source."""
    rates = settings.mistakes
    rng = generator(settings, f"{source} mistakes")
    wrong_number = _kinds(rng, "number", size, rates.identifier_wrong * care.numbers) + 1
    missing = rng.random(size) < rates.identifier_missing * care.numbers
    number = np.where(missing, NUMBER_MISSING, np.where(wrong_number > 1, wrong_number, RIGHT)).astype(np.int8)
    corrected = rng.random(size) < rates.corrected * care.corrects
    at = rng.integers(1, max(2, settings.extracts), size)
    late = rng.random(size) < rates.late_to_learn
    never = rng.random(size) < 0.4
    return Mistakes(
        given=_kinds(rng, "given", size, rates.given_name * care.names),
        family=_kinds(rng, "family", size, rates.family_name * care.names),
        birth=_kinds(rng, "birth", size, rates.birth_date * care.birth),
        sex=_kinds(rng, "sex", size, rates.sex),
        postcode=_kinds(rng, "postcode", size, rates.postcode * care.places),
        address=_kinds(rng, "address", size, rates.address * care.places),
        number=number,
        corrected_at=np.where(corrected, at, NEVER).astype(np.int8),
        lag=np.where(late, np.where(never, NEVER, 1), 0).astype(np.int8),
        chance=rng.integers(0, 1 << 32, size, np.uint32),
    )


def _kinds(rng: np.random.Generator, item: str, size: int, rate: float) -> Int8:
    """Return 0 for what is right, else which of the item's mistakes it is."""
    shares = np.cumsum(_SHARES[item])
    kind = np.searchsorted(shares, rng.random(size) * shares[-1], side="right") + 1
    return np.where(rng.random(size) < rate, kind, RIGHT).astype(np.int8)


def misspell(word: str, chance: int) -> str:
    """Return the word with one slip: a neighbouring key, two letters swapped, one doubled, one lost, or its sound."""
    if len(word) < 3:
        return word + word[-1:]
    slip, rest = chance % 5, chance // 5
    place = 1 + rest % (len(word) - 1)
    doubled = word[:place] + word[place] + word[place:]
    if slip == 0:
        near = _KEYBOARD.get(word[place].lower(), word[place])
        return word[:place] + near[rest // 64 % len(near)] + word[place + 1 :]
    if slip == 1 and place + 1 < len(word) and word[place] != word[place + 1]:
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    if slip == 3:
        return word[:place] + word[place + 1 :]
    sounds = ((written, heard) for written, heard in _SOUNDS if slip == 4 and written in word[1:])
    for written, heard in sounds:
        return word[0] + word[1:].replace(written, heard, 1)
    return doubled


def misdial(number: str, chance: int) -> str:
    """Return a number with one digit changed, or two neighbours swapped."""
    place = chance // 2 % (len(number) - 1)
    if chance % 2 and number[place] != number[place + 1]:
        return number[:place] + number[place + 1] + number[place] + number[place + 2 :]
    digit = number[place]
    wrong = str((int(digit) + 1 + chance // 64 % 8) % 10) if digit.isdecimal() else digit
    return number[:place] + wrong + number[place + 1 :]


def misdate(year: int, month: int, day: int, kind: int, chance: int) -> tuple[int, int, int] | None:
    """Return a wrong date of birth, None where it is left out; only BIRTH_IMPOSSIBLE gives one that does not exist."""
    if kind == BIRTH_SWAPPED:
        return (year, day, month) if day <= 12 else (year, month, max(1, day - 1))
    if kind == BIRTH_DAY:
        return year, month, 1 + (day + chance % 26) % 28
    if kind == BIRTH_YEAR:
        return year - 1 if chance % 2 else year, month if chance % 2 else 1 + month % 12, min(day, 28)
    if kind == BIRTH_IMPOSSIBLE:
        return year, month + 12, day
    return (year, 1, 1) if kind == BIRTH_FIRST_OF_JANUARY else None


def mispost(postcode: str, chance: int) -> str:
    """Return a postcode with a wrong unit or sector that still has a valid form."""
    letters = "ABDEFGHJLNPQRSTUWXYZ"
    slip = chance % 3
    if slip == 0:
        return postcode[:-1] + letters[(letters.index(postcode[-1]) + 1 + chance // 3 % 18) % 20]
    if slip == 1:
        return postcode[:-3] + str((int(postcode[-3]) + 1 + chance // 3 % 8) % 10) + postcode[-2:]
    return postcode[:-2] + postcode[-1] + postcode[-2]


def spaced(postcode: str) -> str:
    """Return a postcode in capitals with its one space."""
    letters = postcode.replace(" ", "").upper()
    return f"{letters[:-3]} {letters[-3:]}" if letters else ""
