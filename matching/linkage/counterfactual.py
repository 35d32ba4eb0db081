"""What would have to be otherwise: the smallest set of pieces whose removal splits a child, or that would join two.

Sets are tried in order of size, so the first that works is a smallest one. Their number doubles with every piece, so
the search stops being exact at a stated bound; then one piece is taken after the other, each the one that brings the
goal nearest, and pieces that turn out not to be needed are put back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb
from typing import Final, Literal

import numpy as np

from matching.linkage.comparisons import KINDS
from matching.linkage.evidence import RULES, Bools, Evidence, group
from matching.linkage.merge_tree import merge_tree

MOST_EDGES: Final = 120
"""Edges of one child up to which each step of the piece-by-piece search looks at all of them (some 16 records)."""

MOST_TRIES: Final = 4_000
"""Sets that are tried before the search goes on piece by piece; each is one clustering of the records (~0.1 ms)."""

Kind = Literal["edge", "decision", "agreement", "rule"]


@dataclass(frozen=True, slots=True)
class Piece:
    """One thing that can be otherwise.

    edge: what brought `pair` together and what its comparison found for it, taken away (the pair then weighs no more
    than the prior says, and connects nothing). decision: the must-link or cannot-link `name`, taken back. agreement:
    the comparison `name` agrees in full between all records of the two sides. rule: the rule `name` (`evidence.RULES`)
    that keeps `pair` apart, lifted for it.
    """

    kind: Kind
    name: str
    pair: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """The pieces that suffice together, the groups that follow, and how it was found.

    `exact`: no smaller set suffices. `pieces` is empty when nothing that may be changed is enough, or when nothing has
    to be. `holds`: the goal is reached with these pieces.
    """

    pieces: tuple[Piece, ...]
    groups: tuple[tuple[int, ...], ...]
    holds: bool
    exact: bool
    tried: int


def what_would_split(evidence: Evidence, most_tries: int = MOST_TRIES) -> Counterfactual:
    """Return the smallest set of edges and decisions without which these records are no longer one child."""
    order = np.lexsort((evidence.right, evidence.left, evidence.weights))  # of equal sets, the least evidence
    links = evidence.found & (evidence.weights >= evidence.model.link_threshold)
    held = links | (evidence.weights > evidence.neutral)
    edges = [Piece("edge", "", (int(evidence.left[i]), int(evidence.right[i]))) for i in order.tolist() if held[i]]
    decisions = [Piece("decision", name) for name in sorted({each.decision for each in evidence.must})]
    search = _Search(lambda pieces: without(evidence, pieces), _is_split, most_tries)
    if len(edges) <= MOST_EDGES:
        return search.run([*decisions, *edges], _towards_a_split)
    loosest = _loosest(evidence)
    around = [each for each in edges if each.pair is not None and loosest in each.pair]
    return search.run([*decisions, *around], lambda _, piece: _weight(evidence, piece), among_all=False)


def what_would_join(
    evidence: Evidence, left: Sequence[int], right: Sequence[int], most_tries: int = MOST_TRIES
) -> Counterfactual:
    """Return the smallest set of agreements, and of decisions to take back, with which both sides are one child.

    All other records of the evidence are left as they are. The pairs between the sides count as compared, whether or
    not a blocking rule brings them together now.
    """
    between = _between(evidence, left, right)
    compared = replace(evidence, found=evidence.found | between)
    pieces = [*_barriers(compared, between), *_agreements(compared, between)]
    search = _Search(
        lambda chosen: with_agreements(without(compared, chosen), between, chosen),
        lambda found: _together(found, left, right),
        most_tries,
    )
    return search.run(pieces, lambda found, _: -_mean(found, between))


def without(evidence: Evidence, pieces: Sequence[Piece]) -> Evidence:
    """Return the evidence without these edges, decisions and rules."""
    weights, found = evidence.weights.copy(), evidence.found.copy()
    for piece in pieces:
        if piece.kind == "edge" and piece.pair is not None:
            place = evidence.pair(*piece.pair)
            weights[place], found[place] = min(int(weights[place]), evidence.neutral), False
    gone = {piece.name for piece in pieces if piece.kind == "decision"}
    lifted = {(piece.name, piece.pair) for piece in pieces if piece.kind == "rule"}
    return replace(
        evidence,
        weights=weights,
        found=found,
        must=tuple(each for each in evidence.must if each.decision not in gone),
        cannot=tuple(
            each
            for each in evidence.cannot
            if each.decision not in gone and (each.decision, (each.left, each.right)) not in lifted
        ),
    )


def with_agreements(evidence: Evidence, between: Bools, pieces: Sequence[Piece]) -> Evidence:
    """Return the evidence as it were if the named comparisons agreed in full in the pairs `between`."""
    names = {piece.name for piece in pieces if piece.kind == "agreement"}
    if not names:
        return evidence
    levels = evidence.levels.copy()
    for column, comparison in enumerate(evidence.model.comparisons):
        if comparison.name in names:
            levels[between, column] = KINDS[comparison.kind].equal
    return evidence.with_levels(levels)


class _Search:
    """Looks for the fewest pieces that reach a goal."""

    def __init__(
        self, change: Callable[[Sequence[Piece]], Evidence], goal: Callable[[Evidence], bool], most_tries: int
    ) -> None:
        self._change, self._goal, self._most, self._tried = change, goal, most_tries, 0

    def run(
        self, pieces: Sequence[Piece], distance: Callable[[Evidence, Piece], float], *, among_all: bool = True
    ) -> Counterfactual:
        """Try all sets by size while the bound allows, then piece by piece, always the one of least `distance`.

        Where the pieces are not all that there are, only sets of one are tried, and what is found is not called exact.
        """
        for size in range(len(pieces) + 1):
            if self._tried + comb(len(pieces), size) > self._most or (size > 1 and not among_all):
                return self._greedy(pieces, distance)
            for chosen in combinations(pieces, size):
                if self._reaches(chosen):
                    return self._found(chosen, exact=True)
        return self._found((), exact=among_all)

    def _greedy(self, pieces: Sequence[Piece], distance: Callable[[Evidence, Piece], float]) -> Counterfactual:
        chosen: list[Piece] = []
        left = list(pieces)
        while left and not self._reaches(chosen):
            best = min(range(len(left)), key=lambda i: (distance(self._change([*chosen, left[i]]), left[i]), i))
            chosen.append(left.pop(best))
        if not self._reaches(chosen):
            return self._found((), exact=False)
        for piece in list(chosen):
            fewer = [each for each in chosen if each != piece]
            if self._reaches(fewer):
                chosen = fewer
        return self._found(chosen, exact=False)

    def _reaches(self, pieces: Sequence[Piece]) -> bool:
        self._tried += 1
        return self._goal(self._change(pieces))

    def _found(self, pieces: Sequence[Piece], *, exact: bool) -> Counterfactual:
        outcome = self._change(pieces)
        return Counterfactual(tuple(pieces), merge_tree(outcome).groups, self._goal(outcome), exact, self._tried)


def _is_split(evidence: Evidence) -> bool:
    return len(set(group(evidence).tolist())) > 1


def _together(evidence: Evidence, left: Sequence[int], right: Sequence[int]) -> bool:
    labels = group(evidence)
    return len({int(labels[i]) for i in (*left, *right)}) == 1


def _towards_a_split(evidence: Evidence, piece: Piece) -> float:
    """Return the lowest mean at which these records are still joined: the lower, the nearer to a split.

    A must-link holds whatever the mean: taking one back comes first.
    """
    if piece.kind == "decision":
        return -np.inf
    tree = merge_tree(evidence)
    return min((each.mean for each in tree.joins), default=-np.inf) if len(tree.groups) == 1 else -np.inf


def _loosest(evidence: Evidence) -> int:
    """Return the record that is held by the least evidence."""
    sums = np.zeros(len(evidence.keys), np.int64)
    for side in (evidence.left, evidence.right):
        np.add.at(sums, side, evidence.weights)
    return int(np.argmin(sums))


def _weight(evidence: Evidence, piece: Piece) -> float:
    """Return how little an edge weighs, the strongest first; a decision comes before all edges."""
    return -np.inf if piece.pair is None else -float(evidence.weights[evidence.pair(*piece.pair)])


def _between(evidence: Evidence, left: Sequence[int], right: Sequence[int]) -> Bools:
    one, other = np.array(left, np.int64), np.array(right, np.int64)
    across: Bools = (np.isin(evidence.left, one) & np.isin(evidence.right, other)) | (
        np.isin(evidence.left, other) & np.isin(evidence.right, one)
    )
    return across


def _barriers(evidence: Evidence, between: Bools) -> list[Piece]:
    across = {(int(a), int(b)) for a, b in zip(evidence.left[between], evidence.right[between], strict=True)}
    barriers = [each for each in evidence.cannot if (each.left, each.right) in across]
    named = sorted({each.decision for each in barriers if each.decision not in RULES})
    rules = [Piece("rule", each.decision, (each.left, each.right)) for each in barriers if each.decision in RULES]
    return [Piece("decision", name) for name in named] + rules


def _agreements(evidence: Evidence, between: Bools) -> list[Piece]:
    """Return the comparisons that could agree better than they do, those that add most first."""
    gains = []
    for column, comparison in enumerate(evidence.model.comparisons):
        piece = Piece("agreement", comparison.name)
        gain = _mean(with_agreements(evidence, between, [piece]), between) - _mean(evidence, between)
        if gain > 0:
            gains.append((-gain, column, piece))
    return [piece for _, _, piece in sorted(gains)]


def _mean(evidence: Evidence, between: Bools) -> float:
    return float(evidence.weights[between].mean())
