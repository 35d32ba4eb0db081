"""From scored pairs to clusters, for many components at once: for a whole table and for the resident owner alike.

Most components are plain: every pair of members reaches the threshold and nothing forbids it, so the whole component
is one cluster whatever the order of joining. Those are recognised on flat arrays; only the others are clustered one
by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.linkage.clustering import cluster_component
from matching.linkage.components import Labels, linked_components
from matching.linkage.constraints import Constraints, SourceRules
from matching.linkage.hashing import Indices
from matching.linkage.model import LinkageModel
from matching.linkage.scoring import Weights
from matching.linkage.twins import TwinsAmong

CHUNK: Final = 1_000_000
"""Pairs of members that are in memory at a time, about."""

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ScoredPairs:
    """Pairs of nodes (left < right, each once, in order of `key`) with their total weights."""

    left: Indices
    right: Indices
    weights: Weights


@dataclass(frozen=True, slots=True)
class Nodes:
    """The records to cluster, numbered 0..n-1.

    `sources` are their source codes, `in_key_order` sorts node numbers by record key, `score` gives the weights of
    pairs of nodes that no blocking rule brought together, `twins` tells which pairs the twins rule keeps apart.
    """

    sources: npt.NDArray[np.int32]
    in_key_order: Callable[[Indices], Indices]
    score: Callable[[Indices, Indices], Weights]
    twins: TwinsAmong


@dataclass(frozen=True, slots=True)
class Resolution:
    """A cluster label for each node (equal labels, one child).

    `oversize` are the nodes of each component above the model's cap, which was clustered in pieces.
    """

    labels: Labels
    oversize: tuple[Indices, ...] = ()


def resolve(
    nodes: Nodes, pairs: ScoredPairs, model: LinkageModel, rules: SourceRules, constraints: Constraints
) -> Resolution:
    """Return the clusters of the nodes. `pairs` are all scored pairs among them, also those below the threshold."""
    n = len(nodes.sources)
    order = np.argsort(_code(pairs.left, pairs.right, n), kind="stable")
    known = ScoredPairs(pairs.left[order], pairs.right[order], pairs.weights[order])
    weights, barred = rules.apply(known.weights, nodes.sources[known.left], nodes.sources[known.right])
    apart = nodes.twins.apart(known.left, known.right)
    barred |= apart
    links = (known.left[~barred], known.right[~barred], weights[~barred])
    components, oversize = linked_components(n, links, constraints.must_link, model.link_threshold, model.component_cap)
    resolver = _Resolver(nodes, (known, apart), model.mean_threshold, rules, constraints)
    labels = components + n
    for members, starts in _components_to_check(components, constraints):
        resolver.settle(labels, members, starts)
    return Resolution(labels, tuple(oversize))


class _Resolver:
    """Settles components; holds what all of them share."""

    def __init__(
        self,
        nodes: Nodes,
        known: tuple[ScoredPairs, Bools],
        threshold: int,
        rules: SourceRules,
        constraints: Constraints,
    ) -> None:
        self._nodes, self._threshold, self._rules = nodes, threshold, rules
        self._constraints = constraints
        self._known, self._known_apart = known
        self._known_codes = _code(self._known.left, self._known.right, len(nodes.sources))

    def settle(self, labels: Labels, members: Indices, starts: Indices) -> None:
        """Set the labels of some components' members.

        `members` holds the components one after another, each in order of node number; `starts` says where each begins.
        """
        sizes = np.diff(starts, append=len(members))
        left, right, pair_starts = _all_pairs(members, starts, sizes)
        raw, apart = self._compared(left, right)
        sources = self._nodes.sources
        weights, barred = self._rules.apply(raw, sources[left], sources[right])
        pairs_each = np.diff(pair_starts, append=len(left))
        component = np.repeat(np.arange(len(starts)), pairs_each)
        barred |= apart | self._nodes.twins.spread(left, right, apart, component)
        plain = np.logical_and.reduceat((weights >= self._threshold) & ~barred, pair_starts)
        if self._constraints:
            plain &= ~np.logical_or.reduceat(self._constrained(len(labels))[members], starts)
        for i in np.flatnonzero(~plain).tolist():
            own = slice(pair_starts[i], pair_starts[i] + sizes[i] * (sizes[i] - 1) // 2)
            own_members = members[starts[i] : starts[i] + sizes[i]]
            labels[own_members] = self._cluster(own_members, weights[own], barred[own])

    def _compared(self, left: Indices, right: Indices) -> tuple[Weights, Bools]:
        """Return the weights of pairs of nodes, and which the twins rule keeps apart.

        Some are known; the others are compared now and never kept.
        """
        codes = _code(left, right, len(self._nodes.sources))
        weights = np.zeros(len(codes), np.int64)
        found, apart = np.zeros(len(codes), dtype=bool), np.zeros(len(codes), dtype=bool)
        if len(self._known_codes):
            at = np.minimum(np.searchsorted(self._known_codes, codes), len(self._known_codes) - 1)
            found = self._known_codes[at] == codes
            weights[found], apart[found] = self._known.weights[at[found]], self._known_apart[at[found]]
        missing = np.flatnonzero(~found)
        if len(missing):
            weights[missing] = self._nodes.score(left[missing], right[missing])
            apart[missing] = self._nodes.twins.apart(left[missing], right[missing])
        return weights, apart

    def _constrained(self, n: int) -> Bools:
        """Tell which nodes a must-link or cannot-link speaks of."""
        constrained = np.zeros(n, dtype=bool)
        constrained[self._constraints.must_link.ravel()] = True
        constrained[self._constraints.cannot_link.ravel()] = True
        return constrained

    def _cluster(self, members: Indices, weights: Weights, barred: Bools) -> Labels:
        """Cluster one component; return a label for each member: a node number."""
        n = len(members)
        ordered = np.searchsorted(members, self._nodes.in_key_order(members))
        rank = np.empty(n, np.int64)
        rank[ordered] = np.arange(n)
        matrix, cannot = np.zeros((n, n), np.int64), np.zeros((n, n), dtype=bool)
        first, second = (rank[places] for places in _upper(n))
        matrix[first, second] = matrix[second, first] = weights
        cannot[first, second] = cannot[second, first] = barred
        first, second = rank[_inside(self._constraints.cannot_link, members)].T
        cannot[first, second] = cannot[second, first] = True
        must = _inside(self._constraints.must_link, members)
        clusters = cluster_component(matrix, cannot, rank[must], self._threshold)
        labels: Labels = members[ordered[clusters[rank]]]
        return labels


@lru_cache(maxsize=64)
def _upper(n: int) -> tuple[Indices, Indices]:
    """Return the places of a matrix above its diagonal, row by row."""
    return np.triu_indices(n, 1)


def _components_to_check(components: Labels, constraints: Constraints) -> Iterator[tuple[Indices, Indices]]:
    """Yield (members, starts) of components that may not be plain: three or more members, or two and a cannot-link.

    Two records that are connected are simply one child; one record needs no thought. Components come in groups of about
    CHUNK pairs of members.
    """
    sizes = np.bincount(components, minlength=1)
    wanted = sizes >= 3
    wanted[components[constraints.cannot_link.ravel()]] |= sizes[components[constraints.cannot_link.ravel()]] == 2
    members = np.flatnonzero(wanted[components])
    if not len(members):
        return
    members = members[np.argsort(components[members], kind="stable")]
    starts = np.flatnonzero(np.diff(components[members], prepend=-1))
    spans = np.diff(starts, append=len(members))
    group = np.cumsum(spans * (spans - 1) // 2) // CHUNK
    for first, last in zip(*_runs(group), strict=True):
        begin, end = starts[first], starts[last - 1] + spans[last - 1]
        yield members[begin:end], starts[first:last] - begin


def _runs(values: Indices) -> tuple[list[int], list[int]]:
    """Return where each run of equal values begins and ends."""
    begins = np.flatnonzero(np.diff(values, prepend=-1))
    return begins.tolist(), np.append(begins[1:], len(values)).tolist()


def _all_pairs(members: Indices, starts: Indices, sizes: Indices) -> tuple[Indices, Indices, Indices]:
    """Return all pairs of members of each component, component by component, and where each component's pairs begin."""
    ends = np.repeat(starts + sizes, sizes)
    following = ends - np.arange(len(members)) - 1
    before = np.cumsum(following) - following
    firsts = np.repeat(np.arange(len(members)), following)
    seconds = firsts + 1 + np.arange(len(firsts)) - np.repeat(before, following)
    return members[firsts], members[seconds], before[starts]


def _inside(pairs: Indices, members: Indices) -> Indices:
    """Return the pairs of which both nodes are members, as positions among the (sorted) members."""
    if not len(pairs):
        return pairs
    inside = pairs[np.isin(pairs, members).all(axis=1)]
    positions: Indices = np.searchsorted(members, inside)
    return positions


def _code(left: Indices, right: Indices, n: int) -> Indices:
    return left * n + right
