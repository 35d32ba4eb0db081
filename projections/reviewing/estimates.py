"""What a reviewed sample says of all pairs: precision by weight band with Wilson's interval, agreement, kappa. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

Z: Final = 1.959963984540054
"""The normal quantile of a two-sided 95 % interval."""

EDGES: Final = (-400, 0, 400, 800, 1600)
"""Where the weight bands part, in centibits from the link threshold."""


class Interval(NamedTuple):
    """A share and its bounds."""

    share: float
    low: float
    high: float


class Stratum(NamedTuple):
    """What is sampled by itself: pairs that are (or are not) one child, with a weight in this band of `EDGES`."""

    linked: bool
    band: int

    @property
    def bounds(self) -> str:
        """The band in bits from the link threshold."""
        edges = ["", *(f"{edge / 100:+g}" for edge in EDGES), ""]
        low, high = edges[self.band], edges[self.band + 1]
        return f"{low} to {high}" if low and high else f"under {high}" if high else f"{low} and over"


@dataclass(frozen=True, slots=True)
class StratumResult:
    """One stratum: its share of the linked (or unlinked) pairs drawn from, the settled answers, the share that is same.

    Of linked pairs `same` is the precision, of unlinked ones the share that was missed; None while nothing is settled.
    """

    stratum: Stratum
    share: float
    sampled: int
    settled: int
    cannot_tell: int
    same: Interval | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often two blind answers agree, over so many items, and Cohen's kappa (None where chance alone would do)."""

    items: int
    agreed: float
    kappa: float | None


def band_of(weight: int, threshold: int) -> int:
    """Return the band of a weight, both in centibits."""
    return sum(weight - threshold >= edge for edge in EDGES)


def wilson(successes: int, trials: int) -> Interval:
    """Return a share with its score interval (Wilson 1927, JASA 22:209), which holds at 0 and 1 too; trials > 0."""
    share, z2 = successes / trials, Z * Z
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = Z / (1 + z2 / trials) * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials * trials))
    return Interval(share, min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half)))


def result(stratum: Stratum, share: float, sampled: int, answers: Iterable[str]) -> StratumResult:
    """Return what the settled answers of one stratum come to; `cannot_tell` counts neither way."""
    given = list(answers)
    same, different = given.count("same"), given.count("different")
    interval = wilson(same, same + different) if same + different else None
    return StratumResult(stratum, share, sampled, len(given), given.count("cannot_tell"), interval)


def overall(results: Sequence[StratumResult], *, linked: bool) -> Interval | None:
    """Return the share of same over all strata of a kind, each by its share; None while one of them has no answer.

    Its bounds are the strata's own bounds weighted alike, which is wider than 95 %: nothing is claimed too much.
    """
    found = [(each.share, each.same) for each in results if each.stratum.linked is linked and each.share > 0]
    if not found or any(same is None for _, same in found):
        return None
    sums = [sum(share * same[place] for share, same in found if same is not None) for place in range(3)]
    return Interval(*sums)


def agreement(pairs: Sequence[tuple[str, str]]) -> Agreement | None:
    """Return how the first two answers of each item agree (Cohen 1960); None without any."""
    if not pairs:
        return None
    n, kinds = len(pairs), {answer for pair in pairs for answer in pair}
    agreed = sum(one == other for one, other in pairs) / n
    firsts, seconds = [one for one, _ in pairs], [other for _, other in pairs]
    chance = sum(firsts.count(kind) * seconds.count(kind) for kind in kinds) / (n * n)
    return Agreement(n, agreed, None if chance == 1 else (agreed - chance) / (1 - chance))
