"""Ages in sources of different years: a census and the next have everybody ten years apart.

Records of two sources that agree in forename, surname and sex, and have no namesake in either, are mostly one person.
If one difference of their ages stands out, it is the time between the sources, and is taken off.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_OLDEST: Final = 125
_AROUND: Final = 1  # ages are off by one, by the month in which somebody was born
_FEWEST: Final = 20
_STANDS_OUT: Final = 0.25  # of strangers' ages three neighbouring differences have some 5 %


@dataclass(frozen=True, slots=True)
class Apart:
    """How many years the ages of a source are above those of the first, told by so many of so many records."""

    source: str
    years: int
    shown: int
    of: int
    doubtful: bool = False

    def words(self, column: str) -> str:
        """Say it in a sentence."""
        how = f"{abs(self.years)} years {'above' if self.years > 0 else 'below'}"
        shown = f"as {self.shown:,} of {self.of:,} show"
        return f"{column}: ages in {self.source!r} are {how} those of the first source, {shown}"


def with_one_time(
    years: Sequence[str], persons: Sequence[Sequence[str]], sources: Sequence[str]
) -> tuple[list[str], list[Apart]]:
    """Return ages as they would be at the time of the first source, and what was taken off of which source.

    `years` are folded ages of each row ("" for none), `persons` what else tells a person, all "" where nothing does.
    Years of birth, and ages that stand no time apart, come back as they are.
    """
    if max((int(each) for each in years if each), default=_OLDEST + 1) > _OLDEST:
        return list(years), []
    of_source: dict[str, dict[tuple[str, ...], int]] = {source: {} for source in dict.fromkeys(sources)}
    for said, person, source in zip(years, persons, sources, strict=True):
        known = of_source[source]
        if said and any(person):
            known[tuple(person)] = -1 if tuple(person) in known else int(said)
    first, *others = of_source
    found = [each for source in others if (each := _apart(of_source[first], of_source[source], source))]
    by = {each.source: each.years for each in found}
    return [
        str(int(said) - by.get(source, 0)) if said else "" for said, source in zip(years, sources, strict=True)
    ], found


def _apart(first: dict[tuple[str, ...], int], other: dict[tuple[str, ...], int], source: str) -> Apart | None:
    """Return how far the ages of two sources are apart, None if not or if nothing shows it."""
    differences = Counter(
        age - first[person] for person, age in other.items() if age >= 0 and first.get(person, -1) >= 0
    )
    if differences.total() < _FEWEST:
        return None
    near = {years: sum(differences[years + off] for off in range(-_AROUND, _AROUND + 1)) for years in differences}
    most = max(near, key=lambda years: (near[years], differences[years], -abs(years)))
    if abs(most) <= _AROUND or near[most] < _STANDS_OUT * differences.total():
        return None
    return Apart(source, most, near[most], differences.total())
