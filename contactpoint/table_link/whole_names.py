"""Whole names in one column, "Ann M. Smith", "Smith, Ann", "Dr Ann van der Berg": their forenames and their surname."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from contactpoint.world.names import load_names
from matching.linkage.nicknames import NICKNAME_GROUPS
from matching.linkage.normalise import fold_given_name
from matching.linkage.similarity import PARTICLES

_TITLES: Final = frozenset(
    "MR MRS MS MISS MX MASTER DR PROF SIR DAME LORD LADY REV FR HERR FRAU MME MLLE SRA SENOR SENORA".split()
)
_SUFFIXES: Final = frozenset("JR SR JNR SNR II III IV ESQ MD PHD DDS RN MBE OBE CBE".split())
_MOST_WORDS: Final = 5  # more name a thing
_WORD: Final = re.compile(r"[^\s,;]+")


def split_whole_name(text: str) -> tuple[str, str]:
    """Return the forenames and the surname of a whole name, "" for what is not there.

    What stands before a comma is the surname; without one it is the last word, with the particles (van der) before it.
    Titles and suffixes (Dr, Jr) are dropped. A single word is a surname.
    """
    before, comma, after = text.partition(",")
    words = _without(before, _TITLES, at=0)
    later = [word for word in _WORD.findall(after) if _bare(word) not in _SUFFIXES]
    if comma and later:
        return " ".join(_without(" ".join(later), _TITLES, at=0)), " ".join(words)
    words = _without(" ".join(words), _SUFFIXES, at=-1)
    first = max(0, len(words) - 1)
    while first > 1 and _bare(words[first - 1]) in PARTICLES:
        first -= 1
    return " ".join(words[:first]), " ".join(words[first:])


def names_of_persons(values: list[str]) -> float:
    """Return the share of values that hold two to five words, one of them a forename that is known, and no digit."""
    known = _forenames()
    split = [fold_given_name(value).split() for value in values if not any(map(str.isdigit, value))]
    named = (1 < len(words) <= _MOST_WORDS and any(word in known for word in words) for words in split)
    return sum(named) / max(1, len(values))


@cache
def _forenames() -> frozenset[str]:
    """Return forenames of many peoples, and their short forms."""
    return frozenset(NICKNAME_GROUPS) | {fold_given_name(str(name)) for name in load_names().forenames}


def _without(text: str, dropped: frozenset[str], *, at: int) -> list[str]:
    """Return the words of a text without those that begin (or end) it and are `dropped`, at least one."""
    words = _WORD.findall(text)
    while len(words) > 1 and _bare(words[at]) in dropped:
        del words[at]
    return words


def _bare(word: str) -> str:
    return word.replace(".", "").upper()
