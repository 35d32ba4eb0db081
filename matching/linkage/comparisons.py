"""How well two records agree, comparison by comparison: arrays of pairs in, arrays of level codes out.

Equality is decided on 64-bit hashes; only values that differ go to a kernel of `similarity`, each different pair of
values once. A field with alternates (a former name) takes the closest agreement over all its alternates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.linkage import signs, words
from matching.linkage import similarity as sim
from matching.linkage.candidates import encode_pairs
from matching.linkage.columns import RecordColumns, vague, with_alternates
from matching.linkage.hashing import MISSING, Indices, combine_unordered, one_of_each
from matching.linkage.model import NULL_LEVEL, Comparison, ComparisonLevel, LinkageModel
from matching.linkage.normalise import ALTERNATE
from matching.linkage.row_pairs import RowPairs
from matching.linkage.signs import Numbers, Sieve
from matching.linkage.similarity import DIFFERENT, Kernel, Levels
from schemas.errors import ConfigurationError

_FEW: Final = 256  # so few pairs are compared one by one: finding the unique ones would take longer


@dataclass(frozen=True, slots=True)
class ComparisonKind:
    """One way to compare an attribute: its levels from "anything else" up to the closest, and the kernel between them.

    `levels` are (words for a reviewer, m to start from, u to start from). `equal` is the code of equal values,
    `vague` of equal dates that are the 1st of January, `swapped` of two names that changed places (the kind's second
    field is the other name). In a spread table a `sieve` spares the kernel most pairs.
    """

    explanation: str
    levels: tuple[tuple[str, float, float], ...]
    kernel: Kernel | None = None
    sieve: Sieve | None = None
    vague: int | None = None
    swapped: int | None = None

    @property
    def equal(self) -> int:
        """The code of the closest level."""
        return len(self.levels)


_NAME_STEPS: Final = (
    ("different", 0.040, 0.855),
    ("slightly alike (Jaro-Winkler from .70)", 0.015, 0.070),
    ("alike (Jaro-Winkler from .85)", 0.025, 0.020),
)
_TEXT_LEVELS: Final = (
    ("different", 0.200, 0.875),
    ("slightly alike (Jaro-Winkler from .70)", 0.050, 0.080),
    ("alike (Jaro-Winkler from .85)", 0.070, 0.020),
    ("nearly the same (Jaro-Winkler from .92)", 0.080, 0.005),
    ("the same", 0.600, 0.020),
)

KINDS: Final[dict[str, ComparisonKind]] = {
    "given_name": ComparisonKind(
        "Forenames, folded. Short forms and one of several names are variants. Its second field is the surname, "
        "to see the two exchanged.",
        (
            *_NAME_STEPS,
            ("a short form, or one of several names", 0.030, 0.010),
            ("nearly the same (Jaro-Winkler from .92)", 0.050, 0.010),
            ("forename and surname exchanged", 0.010, 0.0005),
            ("the same", 0.830, 0.0345),
        ),
        sim.given_name_levels,
        signs.names_may_be_alike,
        swapped=sim.NAME_SWAPPED,
    ),
    "surname": ComparisonKind(
        "Surnames, folded. One part of a double name is a variant. Its second field is the forename.",
        (
            *_NAME_STEPS,
            ("one part of a double name", 0.030, 0.005),
            ("nearly the same (Jaro-Winkler from .92)", 0.050, 0.010),
            ("forename and surname exchanged", 0.010, 0.0005),
            ("the same", 0.830, 0.0395),
        ),
        sim.surname_levels,
        signs.names_may_be_alike,
        swapped=sim.NAME_SWAPPED,
    ),
    "date": ComparisonKind(
        "Dates. The same 1st of January is a level of its own: it often stands for a year alone.",
        (
            ("different", 0.015, 0.840),
            ("the same year", 0.010, 0.060),
            ("two of day, month and year the same", 0.025, 0.070),
            ("the same 1st of January", 0.010, 0.005),
            ("one digit wrong, or two neighbours exchanged", 0.030, 0.015),
            ("day and month exchanged", 0.010, 0.001),
            ("the same", 0.900, 0.009),
        ),
        sim.date_levels,
        signs.dates_may_be_near,
        vague=sim.DATE_VAGUE,
    ),
    "years": ComparisonKind(
        "A year of birth, or an age in years.",
        (("different", 0.030, 0.880), ("up to two apart", 0.070, 0.090), ("the same", 0.900, 0.030)),
        sim.years_levels,
    ),
    "sex": ComparisonKind("Sex as recorded.", (("different", 0.010, 0.500), ("the same", 0.990, 0.500))),
    "postcode": ComparisonKind(
        "Postcodes without space.",
        (
            ("another area", 0.080, 0.700),
            ("the same area", 0.080, 0.180),
            ("the same sector", 0.030, 0.030),
            ("one edit apart", 0.030, 0.010),
            ("the same", 0.780, 0.080),
        ),
        sim.postcode_levels,
        signs.postcodes_may_be_near,
    ),
    "address": ComparisonKind(
        "Addresses and places as one folded text.", _TEXT_LEVELS, sim.text_levels, signs.may_be_alike
    ),
    "identifier": ComparisonKind(
        "Numbers that one body gives to one person; they are sometimes mistyped or taken from a sibling.",
        (
            ("different", 0.010, 0.9979),
            ("one edit apart", 0.010, 0.0020),
            ("the same", 0.980, 0.0001),
        ),
        sim.identifier_levels,
        signs.may_be_one_edit_apart,
    ),
    "short_string": ComparisonKind("Any other short text.", _TEXT_LEVELS, sim.text_levels, signs.may_be_alike),
    "text": ComparisonKind("Texts of words, by what these tell together (`words`).", words.LEVELS, words.text_levels),
    "exact": ComparisonKind(
        "Codes that are either the same or not.", (("different", 0.100, 0.900), ("the same", 0.900, 0.100))
    ),
}
"""The comparison kinds by name; the reviewer's explanation of each stands in it."""


def untrained_comparison(name: str, kind: str, fields: tuple[str, ...]) -> Comparison:
    """Return a comparison of this kind with the m and u that training starts from."""
    if kind not in KINDS:
        msg = f"unknown comparison kind {kind!r}; known: {', '.join(KINDS)}"
        raise ConfigurationError(msg)
    levels = (ComparisonLevel("missing", 1.0, 1.0), *(ComparisonLevel(*level) for level in KINDS[kind].levels))
    return Comparison(name, kind, fields, levels)


def check_kinds(model: LinkageModel) -> None:
    """Raise ConfigurationError if a comparison is of no known kind or has not that kind's levels and fields."""
    for c in model.comparisons:
        kind = KINDS.get(c.kind)
        if kind is None:
            msg = f"comparison {c.name!r} is of unknown kind {c.kind!r}; known: {', '.join(KINDS)}"
            raise ConfigurationError(msg)
        possible = {1} if kind.swapped is None else {1, 2}
        if len(c.levels) != kind.equal + 1 or len(c.fields) not in possible:
            msg = f"comparison {c.name!r} of kind {c.kind!r} needs {kind.equal + 1} levels and {max(possible)} field(s)"
            raise ConfigurationError(msg)


def compare(columns: RecordColumns, left: Indices, right: Indices, model: LinkageModel) -> Levels:
    """Return the level codes of pairs of rows, shape (pairs, comparisons); left and right may change places."""
    pairs = RowPairs(columns, left, right)
    levels = np.empty((len(model.comparisons), len(left)), np.int8)
    for i, comparison in enumerate(model.comparisons):
        levels[i] = levels_of(pairs, comparison, model)
    return levels.T


def levels_of(pairs: RowPairs, comparison: Comparison, model: LinkageModel) -> Levels:
    """Return the level codes of one comparison."""
    kind, fields = KINDS[comparison.kind], tuple(model.field_index[field] for field in comparison.fields)
    left, right = pairs.hashes(fields[0])
    missing = np.minimum(left, right) == MISSING
    equal = left == right
    levels = np.where(equal, np.int8(kind.equal), np.int8(DIFFERENT))
    if kind.vague is not None:
        at = np.flatnonzero(equal)
        levels[at[vague(pairs.flags[pairs.left[at]], fields[0])]] = kind.vague
    levels[missing] = NULL_LEVEL
    unequal = np.flatnonzero(~(equal | missing))
    if len(unequal):
        levels[unequal] = _closest(pairs, kind, fields[0], unequal, (left[unequal], right[unequal]))
    if kind.swapped is not None and len(fields) == 2:
        exchanged = _exchanged(pairs, fields, (left, right)) & ~missing
        exchanged[unequal] |= _exchanged_alternates(pairs, fields, unequal)
        levels[exchanged] = np.maximum(levels[exchanged], np.int8(kind.swapped))
    return levels


def _exchanged_alternates(pairs: RowPairs, fields: tuple[int, ...], which: Indices) -> npt.NDArray[np.bool_]:
    """Tell which of these pairs, having alternates, have two names of one side exchanged on the other."""
    left, right = pairs.left[which], pairs.right[which]
    flags = pairs.flags[left] | pairs.flags[right]
    exchanged = with_alternates(flags, fields[0]) | with_alternates(flags, fields[1])
    at = np.flatnonzero(exchanged)
    if len(at):
        texts = (pairs.texts(rows[at], field) for rows in (left, right) for field in fields)
        names = zip(*([{*text.split(ALTERNATE)} - {""} for text in column] for column in texts), strict=True)
        exchanged[at] = [bool(a & d and b & c) for a, b, c, d in names]
    return exchanged


def _exchanged(pairs: RowPairs, fields: tuple[int, ...], hashes: tuple[Numbers, Numbers]) -> npt.NDArray[np.bool_]:
    """Tell which pairs have two names that changed places: one is the same, and the other alike or not there."""
    one, other = hashes
    other_one, other_other = pairs.hashes(fields[1])
    forth, back = one == other_other, other == other_one
    exchanged: npt.NDArray[np.bool_] = forth & back
    half = np.flatnonzero((forth ^ back) & (np.minimum(one, other) != MISSING))
    if len(half):
        first, second = pairs.left[half], pairs.right[half]
        turned = forth[half]  # then what remains to be compared is the second's own value and the first's other one
        rows = np.where(turned, second, first), np.where(turned, first, second)
        exchanged[half] = sim.names_alike(pairs.texts(rows[0], fields[0]), pairs.texts(rows[1], fields[1]))
    return exchanged


def _closest(
    pairs: RowPairs, kind: ComparisonKind, field: int, which: Indices, hashes: tuple[Numbers, Numbers]
) -> Levels:
    """Return the levels of the pairs `which`, whose values are present and unequal as a whole."""
    left, right = pairs.left[which], pairs.right[which]
    several = with_alternates(pairs.flags[left] | pairs.flags[right], field)
    at: slice | Indices = slice(None)
    if kind.sieve is not None and pairs.whole is not None:
        at = np.flatnonzero(several | kind.sieve(pairs.whole.signs, *hashes))
        left, right, several, hashes = left[at], right[at], several[at], (hashes[0][at], hashes[1][at])
    # A fixed order of the two values makes the level independent of which record came first.
    forward = hashes[0] <= hashes[1]
    rows = np.where(forward, left, right), np.where(forward, right, left)
    levels = np.full(len(which), DIFFERENT, np.int8)
    levels[at] = _of_values(kind, pairs, field, rows, hashes, several)
    return levels


def _of_values(
    kind: ComparisonKind,
    pairs: RowPairs,
    field: int,
    rows: tuple[Indices, Indices],
    hashes: tuple[Numbers, Numbers],
    several: npt.NDArray[np.bool_],
) -> Levels:
    """Return the levels of pairs of rows in a fixed order; `several` have alternates on either side."""
    many = np.flatnonzero(several)
    if kind.kernel is not None and not len(many):
        return _by_unique_values(kind.kernel, pairs, field, rows, hashes)
    levels = np.full(len(several), DIFFERENT, np.int8)
    single = np.flatnonzero(~several)
    if kind.kernel is not None and len(single):
        own, codes = (rows[0][single], rows[1][single]), (hashes[0][single], hashes[1][single])
        levels[single] = _by_unique_values(kind.kernel, pairs, field, own, codes)
    if len(many):
        levels[many] = _over_alternates(kind, pairs.texts(rows[0][many], field), pairs.texts(rows[1][many], field))
    return levels


def _by_unique_values(
    kernel: Kernel, pairs: RowPairs, field: int, rows: tuple[Indices, Indices], hashes: tuple[Numbers, Numbers]
) -> Levels:
    """Run the kernel once for each different pair of values."""
    if len(rows[0]) < _FEW:
        return kernel(pairs.texts(rows[0], field), pairs.texts(rows[1], field))
    one, other = (side.astype(np.uint64, copy=False) for side in hashes)
    places, which = one_of_each(combine_unordered(one, other) if pairs.whole is None else encode_pairs(one, other))
    return kernel(pairs.texts(rows[0][places], field), pairs.texts(rows[1][places], field))[which]


def _over_alternates(kind: ComparisonKind, left: list[str], right: list[str]) -> Levels:
    """Return the closest level over all alternates of both values of each pair."""
    owners: list[int] = []
    firsts: list[str] = []
    seconds: list[str] = []
    same: list[int] = []
    for i, (a, b) in enumerate(zip(left, right, strict=True)):
        some, others = a.split(ALTERNATE), b.split(ALTERNATE)
        for x in some:
            if x in others:
                same.append(i)
                break
        else:
            owners += [i] * (len(some) * len(others))
            for x in some:  # the built-in min and max take three times as long
                firsts += [x if x < y else y for y in others]  # noqa: FURB136
                seconds += [y if x < y else x for y in others]  # noqa: FURB136
    codes = np.full(len(owners), DIFFERENT, np.int8) if kind.kernel is None else kind.kernel(firsts, seconds)
    levels = np.full(len(left), DIFFERENT, np.int8)
    np.maximum.at(levels, np.array(owners, np.int64), codes)
    levels[same] = kind.equal
    return levels
