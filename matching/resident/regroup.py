"""The clusters of the resident owner, and how a batch regroups them.

A cluster is known by its founder's record number; `RecordTable.founders` holds it for each record. The members of a
cluster are a ring: `RecordTable.following` leads from each member to the next and from the last to the first, 4 bytes a
record where lists took 90.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from matching.changes import EvidencePair
from matching.linkage.components import Labels
from matching.linkage.hashing import Indices, sorted_unique
from matching.linkage.lives import Lives, new_identities
from matching.linkage.scoring import Weights
from matching.linkage.similarity import Levels
from matching.resident.identities import Regrouping
from matching.resident.records import NO_CLUSTER, RecordTable
from schemas.identity import child_number


@dataclass(frozen=True, slots=True)
class Region:
    """Whole components of live records: their numbers (sorted), and the edges among them by position in `nodes`.

    `owners`, `others` and `outer_weights` are all edges of the nodes, each once, by record number: also those that lead
    out of the region, which are below the link threshold.
    """

    nodes: Indices
    left: Indices
    right: Indices
    weights: Weights
    owners: Indices
    others: Indices
    outer_weights: Weights


@dataclass(frozen=True, slots=True)
class Groups:
    """New clusters of a region's nodes: `members` cluster by cluster, where each starts, and each one's founder."""

    members: Indices
    starts: Indices
    founders: Indices


class Clusters:
    """Which records are one child now."""

    def __init__(self, records: RecordTable) -> None:
        self._records = records

    def members_of(self, founder: int) -> list[int]:
        """Return the record numbers of a cluster, the founder first."""
        members, following = [founder], self._records.following
        rid = int(following[founder])
        while rid != founder:
            members.append(rid)
            rid = int(following[rid])
        return members

    def members(self, founders: Indices) -> dict[int, list[int]]:
        """Return the same of many (different) clusters by founder: all rings are gone round together."""
        members = {founder: [founder] for founder in founders.tolist()}
        current, following = founders, self._records.following
        while len(founders):
            current = following[current].astype(np.int64)
            going = current != founders
            founders, current = founders[going], current[going]
            for founder, rid in zip(founders.tolist(), current.tolist(), strict=True):
                members[founder].append(rid)
        return members

    def memberships(self) -> dict[str, tuple[str, ...]]:
        """Return the sorted record keys of every cluster by child number."""
        keys, basis = self._records.keys, self._records.basis
        founders = self._records.founders[: len(self._records)]
        clusters = self.members(np.unique(founders[founders != NO_CLUSTER]).astype(np.int64))
        return {
            child_number(basis(founder)): tuple(sorted(map(keys.__getitem__, rids)))
            for founder, rids in clusters.items()
        }

    def regroup(
        self, nodes: Indices, labels: Labels, ended: Indices, lives: Mapping[int, Lives], change: Regrouping
    ) -> None:
        """Say how clusters change when a region's records are grouped by label and `ended` ones are gone.

        `lives` are the former and new identities among the records.
        """
        groups = self._groups(nodes, labels)
        former = self._records.founders[groups.members]
        former_of_ended = self._records.founders[ended]
        renamed = self._rename(groups, lives, np.concatenate([former, former_of_ended]))
        founders, starts = groups.founders.tolist(), groups.starts.tolist()
        ends = [*starts[1:], len(groups.members)]
        members, former_list = groups.members.tolist(), former.tolist()
        unchanged = _unchanged(groups, former, former_of_ended)
        if renamed:
            unchanged &= ~np.isin(groups.founders, list(renamed))
        touched = former[np.repeat(~unchanged, np.diff(groups.starts, append=len(former)))]
        before = self.members(sorted_unique(touched[touched != NO_CLUSTER].astype(np.int64)))
        for i in np.flatnonzero(~unchanged).tolist():
            founder, span = founders[i], slice(starts[i], ends[i])
            change.after[founder] = members[span]
            came_from = set(former_list[span])
            came_from.discard(NO_CLUSTER)
            origins = change.origins[founder] = sorted(came_from)
            for origin in origins:
                if origin not in change.before:
                    change.before[origin] = before[origin]
                if origin != founder:
                    change.moved.setdefault(origin, set()).add(founder)
        for origin in set(former_of_ended.tolist()) - change.before.keys():
            change.before[origin] = self.members_of(origin)
        for origin in renamed.keys() & change.before.keys():
            change.rename(origin, renamed[origin])

    def _rename(
        self, groups: Groups, lives: Mapping[int, Lives], before: npt.NDArray[np.int32]
    ) -> dict[int, tuple[str, ...]]:
        """Give the new clusters their severances; return what founders had `before` of which that changes."""
        adopted = self._records.adopted
        if not lives and not adopted:
            return {}
        sizes = np.diff(groups.starts, append=len(groups.members))
        of_members = np.repeat(groups.founders, sizes).tolist() if lives else []
        founder_of = dict(zip(groups.members.tolist(), of_members, strict=False))
        now = new_identities((founder_of[rid], own) for rid, own in lives.items())
        was = {founder: adopted.pop(founder) for founder in set(before.tolist()) & adopted.keys()}
        adopted.update(now)
        return {each: was.get(each, ()) for each in {*was, *now} if was.get(each) != now.get(each)}

    def adopt(self, change: Regrouping) -> list[int]:
        """Make the new clusters the current ones; return the records that have another child number than before."""
        records = self._records
        gone = np.array([rid for members in change.before.values() for rid in members], np.int64)
        came = np.array([rid for members in change.after.values() for rid in members], np.int64)
        sizes = [len(members) for members in change.after.values()]
        founders = np.repeat(np.fromiter(change.after, np.int32, len(change.after)), sizes)
        other = records.founders[came] != founders
        if change.renamed:
            other |= np.isin(~founders, list(change.renamed))
        renamed: list[int] = came[other].tolist()
        records.founders[gone] = NO_CLUSTER
        records.following[gone] = gone
        records.founders[came] = founders
        self._close_rings(came, np.array(sizes, np.int64))
        return renamed

    def restore(self, members_by_number: dict[str, list[int]]) -> None:
        """Take clusters from the durable form: the members of each child number."""
        records = self._records
        for members in members_by_number.values():
            ingested = records.ingested[members]
            earliest = np.flatnonzero(ingested == ingested.min()).tolist()
            tied = [members[at] for at in earliest]
            first = tied[0] if len(tied) == 1 else min(tied, key=records.keys.__getitem__)
            records.founders[members] = first
            self._close_rings(np.array(members, np.int64), np.array([len(members)]))

    def _close_rings(self, members: Indices, sizes: Indices) -> None:
        """Let each member lead to the next of its cluster; clusters stand one after another, so many members each."""
        ends = np.cumsum(sizes)
        following = np.empty(len(members), np.int64)
        following[:-1] = members[1:]
        following[ends - 1] = members[ends - sizes]
        self._records.following[members] = following

    def _groups(self, nodes: Indices, labels: Labels) -> Groups:
        """Sort nodes into clusters, the founder of each first."""
        ingested = self._records.ingested[nodes]
        order = np.lexsort((ingested, labels))
        members, labels, ingested = nodes[order], labels[order], ingested[order]
        starts = np.flatnonzero(np.diff(labels, prepend=-1))
        founders = members[starts].copy()
        tied = np.flatnonzero((labels[1:] == labels[:-1]) & (ingested[1:] == ingested[:-1]))
        for group in np.unique(np.searchsorted(starts, tied, side="right") - 1).tolist():
            start = starts[group]
            end = starts[group + 1] if group + 1 < len(starts) else len(members)
            earliest = members[start:end][ingested[start:end] == ingested[start]]
            founders[group] = min(earliest.tolist(), key=self._records.keys.__getitem__)
        return Groups(members, starts, founders)


def collect_evidence(
    change: Regrouping,
    region: Region,
    former: npt.NDArray[np.int32],
    records: RecordTable,
    levels_of: Callable[[Indices, Indices], Levels],
) -> None:
    """Add to an adopted regrouping the edges between records that are one child now and were not before.

    `former` are the founders that the region's nodes had.
    """
    left, right = region.nodes[region.left], region.nodes[region.right]
    apart = (former[region.left] != former[region.right]) | (former[region.left] == NO_CLUSTER)
    chosen = np.flatnonzero(apart & (records.founders[left] == records.founders[right]))
    left, right = left[chosen], right[chosen]
    keys, evidence = records.keys, change.evidence
    pairs = zip(
        records.founders[left].tolist(),
        map(keys.__getitem__, left.tolist()),
        map(keys.__getitem__, right.tolist()),
        region.weights[chosen].tolist(),
        zip(*levels_of(left, right).T.tolist(), strict=True),
        strict=True,
    )
    for founder, one, other, weight, levels in pairs:
        pair = EvidencePair(one, other, weight, levels) if one < other else EvidencePair(other, one, weight, levels)
        evidence.setdefault(founder, []).append(pair)
    for found in evidence.values():
        if len(found) > 1:
            found.sort(key=_strongest_first)


def _strongest_first(pair: EvidencePair) -> tuple[int, str, str]:
    return -pair.weight, pair.left, pair.right


def _unchanged(
    groups: Groups, former: npt.NDArray[np.int32], former_of_ended: npt.NDArray[np.int32]
) -> npt.NDArray[np.bool_]:
    """Tell which new clusters are a former cluster with the same founder and the same members."""
    if not len(groups.starts):
        return np.zeros(0, dtype=bool)
    sizes = np.diff(groups.starts, append=len(groups.members))
    same = np.logical_and.reduceat(former == np.repeat(groups.founders, sizes), groups.starts)
    # All members that a former cluster of the region had are in the region or ended, so counting them gives its size.
    known, counts = np.unique(np.concatenate([former, former_of_ended]), return_counts=True)
    at = np.minimum(np.searchsorted(known, groups.founders), len(known) - 1)
    unchanged: npt.NDArray[np.bool_] = same & (counts[at] == sizes)
    return unchanged
