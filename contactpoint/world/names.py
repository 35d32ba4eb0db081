"""The name tables of `names.toml` as codes: sampling millions of names is one binary search over cumulated weights.

A name is an index into `NameTables.forenames` or `.surnames`. Within a community the weight falls with the rank as
1 / (rank + q)^s (Zipf-Mandelbrot), which puts the most frequent British surname at about 1.4 % of that community.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int32]
Strings = NDArray[np.object_]

FEMALE, MALE = 0, 1
_FORENAME_FLATTENING, _FORENAME_SLOPE = 12.0, 0.8
_SURNAME_FLATTENING, _SURNAME_SLOPE = 6.0, 0.7
_COMPOUND_SHARE = 0.06
_COMPOUNDS = (("Mae", "Rose", "Grace", "May", "Leigh", "Jane"), ("James", "Lee", "Jay", "John", "Ray"))
_WITH_COMPOUNDS = "british"


@dataclass(frozen=True, slots=True)
class Sampler:
    """Codes and their cumulated weights."""

    codes: Codes
    cumulated: NDArray[np.float64]

    def draw(self, uniform: NDArray[np.float64]) -> Codes:
        """Return one code for each uniform number in [0, 1)."""
        place = np.searchsorted(self.cumulated, uniform, side="right").clip(max=len(self.codes) - 1)
        return np.asarray(self.codes[place], np.int32)


@dataclass(frozen=True, slots=True)
class Community:
    """One community's samplers: forenames by sex (female, male) and surnames."""

    name: str
    share: float
    forenames: tuple[Sampler, Sampler]
    surnames: Sampler


@dataclass(frozen=True, slots=True)
class NameTables:
    """All names: strings by code, samplers by community, `alike` (the alphabetical neighbour of the same sex)."""

    forenames: Strings
    surnames: Strings
    communities: tuple[Community, ...]
    alike: Codes
    variants: dict[str, tuple[str, ...]]

    def draw_communities(self, rng: np.random.Generator, size: int) -> NDArray[np.int8]:
        """Return the community index of `size` households."""
        shares = np.cumsum([community.share for community in self.communities])
        drawn = np.searchsorted(shares, rng.random(size) * shares[-1], side="right")
        return np.asarray(drawn, np.int8)

    def draw_forenames(
        self, rng: np.random.Generator, community: NDArray[np.int8], sex: NDArray[np.int8]
    ) -> NDArray[np.int32]:
        """Return a forename code for each person of a community and sex."""
        uniform = rng.random(len(community))
        drawn = np.empty(len(community), np.int32)
        for index, one in enumerate(self.communities):
            for which in (FEMALE, MALE):
                chosen = np.flatnonzero((community == index) & (sex == which))
                drawn[chosen] = one.forenames[which].draw(uniform[chosen])
        return drawn

    def draw_surnames(self, rng: np.random.Generator, community: NDArray[np.int8]) -> NDArray[np.int32]:
        """Return a surname code for each household of a community."""
        uniform = rng.random(len(community))
        drawn = np.empty(len(community), np.int32)
        for index, one in enumerate(self.communities):
            chosen = np.flatnonzero(community == index)
            drawn[chosen] = one.surnames.draw(uniform[chosen])
        return drawn


class _Vocabulary:
    """Gives each distinct string one code."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}

    def codes(self, words: list[str]) -> Codes:
        """Return the code of each word; a new word gets the next one."""
        return np.array([self._codes.setdefault(word, len(self._codes)) for word in words], np.int32)

    def strings(self) -> Strings:
        """Return the words in the order of their codes."""
        return np.array(list(self._codes), dtype=object)


@cache
def load_names() -> NameTables:
    """Read `names.toml` (once a process)."""
    tables: dict[str, dict[str, Any]] = tomllib.loads((files(__package__) / "names.toml").read_text("utf-8"))
    variants = {name: tuple(others.split()) for name, others in tables.pop("variants").items()}
    forenames, surnames = _Vocabulary(), _Vocabulary()
    neighbour: dict[int, int] = {}
    communities = []
    for name, table in tables.items():
        by_sex = tuple(
            _forename_sampler(name, table[sex].split(), which, forenames) for which, sex in enumerate(_SEXES)
        )
        for sampler in by_sex:
            _note_neighbours(sampler.codes[: len(table["female"].split())], forenames.strings(), neighbour)
        family = _surname_sampler(table, surnames)
        communities.append(Community(name, table["share"], (by_sex[0], by_sex[1]), family))
    strings = forenames.strings()
    alike = np.array([neighbour.get(code, code) for code in range(len(strings))], np.int32)
    return NameTables(strings, surnames.strings(), tuple(communities), alike, variants)


_SEXES = ("female", "male")


def _forename_sampler(community: str, words: list[str], sex: int, vocabulary: _Vocabulary) -> Sampler:
    weights = _falling(len(words), _FORENAME_FLATTENING, _FORENAME_SLOPE)
    if community == _WITH_COMPOUNDS:
        pairs = product([word for word in words if "-" not in word], _COMPOUNDS[sex])
        compounds = ["-".join(pair) for pair in pairs if pair[0] != pair[1]]
        known = set(words)
        compounds = [word for word in compounds if word not in known]
        tail = _falling(len(compounds), _FORENAME_FLATTENING, _FORENAME_SLOPE)
        weights = np.concatenate((weights * (1 - _COMPOUND_SHARE), tail * _COMPOUND_SHARE))
        words = words + compounds
    return Sampler(vocabulary.codes(words), np.cumsum(weights))


def _surname_sampler(table: dict[str, Any], vocabulary: _Vocabulary) -> Sampler:
    words: list[str] = table["surnames"].split()
    weights = _falling(len(words), _SURNAME_FLATTENING, _SURNAME_SLOPE)
    known = set(words)
    rare = [stem + ending for stem, ending in product(table["stems"].split(), table["endings"].split())]
    rare = [word for word in dict.fromkeys(rare) if word not in known]
    if rare:
        share = table["tail"]
        weights = np.concatenate((weights * (1 - share), np.full(len(rare), share / len(rare))))
        words = words + rare
    return Sampler(vocabulary.codes(words), np.cumsum(weights))


def _falling(size: int, flattening: float, slope: float) -> NDArray[np.float64]:
    weights = (np.arange(size) + flattening) ** -slope
    return np.asarray(weights / weights.sum(), np.float64)


def _note_neighbours(codes: Codes, strings: Strings, neighbour: dict[int, int]) -> None:
    """Pair each name with the next in the alphabet, which mostly shares its first letters: what parents call twins."""
    ordered = sorted(codes.tolist(), key=lambda code: str(strings[code]))
    for left, right in zip(ordered, ordered[1:] + ordered[:1], strict=True):
        neighbour.setdefault(left, right)
