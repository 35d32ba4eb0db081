"""What outranks weights: decisions of people, merges that a source announced, sources that hold each person once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.linkage.decisions import DecisionBook, connected
from matching.linkage.hashing import Indices
from matching.linkage.lives import NO_LIVES, Lives, lives_among, severed_pairs
from matching.linkage.model import LinkageModel
from matching.linkage.scoring import Weights

Pair = tuple[str, str]


def _no_pairs() -> Indices:
    return np.empty((0, 2), np.int64)


@dataclass(frozen=True, slots=True)
class Constraints:
    """Pairs of row numbers, shape (pairs, 2): `must_link` are one child whatever they weigh, `cannot_link` never are.

    Where a must-link joins two records of a source that holds each person once, or of twins, the must-link wins: it was
    said about these very records. No must-link group contains a cannot-link (`constrain`).
    """

    must_link: Indices = field(default_factory=_no_pairs)
    cannot_link: Indices = field(default_factory=_no_pairs)

    def __bool__(self) -> bool:
        return bool(len(self.must_link) or len(self.cannot_link))


class SourceRules:
    """The source policies of a model as arrays by source code."""

    def __init__(self, model: LinkageModel, source_names: list[str]) -> None:
        policies = [model.uniqueness(name) for name in source_names]
        self.count: Final = len(policies)
        self._hard = np.array([p.unique == "hard" for p in policies], dtype=bool)
        self._once = np.array([p.unique != "none" for p in policies], dtype=bool)
        self._penalty = np.array([p.penalty if p.unique == "soft" else 0 for p in policies], np.int64)

    def holds_once(self, sources: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        """Tell which source codes are of sources that mean to hold each person once."""
        once: npt.NDArray[np.bool_] = self._once[sources]
        return once

    def apply(
        self, weights: Weights, left: npt.NDArray[np.int32], right: npt.NDArray[np.int32]
    ) -> tuple[Weights, npt.NDArray[np.bool_]]:
        """Return the weights less the penalty of a softly unique source, and which pairs a unique source bars.

        `left` and `right` are the source codes of each pair.
        """
        same = left == right
        return weights - np.where(same, self._penalty[left], 0), same & self._hard[left]


def constrain(
    position: Mapping[str, int], merged_with: Callable[[str], Iterable[str]], decisions: DecisionBook
) -> tuple[Constraints, list[Pair], list[int], dict[int, Lives]]:
    """Return what merges and decisions ask of some live records.

    That is the constraints, the cannot-links that overrule merges, the rows that a shield protects: those that it
    names, and those that merges and must-links say are the same child; and likewise the rows whose identity is severed
    from another. What a severance keeps apart stays apart when a source merges a named record into another one.

    `position` is the row number of each record that either speaks of; `merged_with` gives the keys that merges connect
    a key with directly. Records that merges and must-links connect, directly or over records that are not live or were
    never seen, are one group. Where a cannot-link stands inside a group, its merges count for nothing: a person
    outranks a source. Must-links that clash with cannot-links count for nothing either (`DecisionBook.clash_of`), so
    what people disagree on stays apart unless its weights say otherwise.
    """
    must: list[list[int]] = []
    overruled: list[Pair] = []
    shielded: list[int] = []
    lives: dict[int, Lives] = {}
    seen: set[str] = set()
    for key in position:
        if key in seen:
            continue
        group = connected(key, lambda each: (*merged_with(each), *decisions.must_with(each)))
        seen |= group
        apart = [(a, b) for a in group for b in decisions.cannot.others(a) if b in group and a < b]
        overruled += apart
        parts = _parts(group, decisions) if apart else [group]
        for part in parts:
            rows = [position[each] for each in part if each in position]
            must.append(rows)
            if any(each in decisions.shields for each in part):
                shielded += rows
            if (own := lives_among(part, decisions.lives)) != NO_LIVES:
                lives.update(dict.fromkeys(rows, own))
    named = {
        (position[a], position[b])
        for a in (position if decisions.cannot else ())
        for b in decisions.cannot.others(a)
        if b in position
    }
    named.update((row, other) for row, other, _ in severed_pairs(lives))
    cannot = sorted({(min(pair), max(pair)) for pair in named})
    return Constraints(chain_pairs(must), np.array(cannot, np.int64).reshape(-1, 2)), overruled, shielded, lives


def _parts(group: Iterable[str], decisions: DecisionBook) -> list[set[str]]:
    """Return the parts of a group that people's must-links alone connect."""
    parts: list[set[str]] = []
    seen: set[str] = set()
    for key in group:
        if key not in seen:
            parts.append(connected(key, decisions.must_with))
            seen |= parts[-1]
    return parts


def chain_pairs(groups: Iterable[Iterable[int]]) -> Indices:
    """Return pairs, shape (pairs, 2), that connect the members of each group one to the next."""
    pairs = [pair for group in groups for pair in pairwise(sorted(group))]
    return np.array(pairs, np.int64).reshape(-1, 2)
