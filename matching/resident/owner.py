"""The resident owner: the incremental form of linkage, as a pure state machine. Changes in, one delta a batch out.

What it holds is a function of the newest version of each record and the model, never of the order or the batches in
which they came: clustering looks at whole connected components and starts from the records each time, so every batch
ends where `matching.linkage.batch.link_all` over the same records would. The durable form is the rows that deltas
carry; `load` takes them back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.changes import ConflictState, Delta, IdentityChange, RecordRow, SourceChange
from matching.linkage.blocking import Blocker
from matching.linkage.candidates import decode_pairs, encode_pairs
from matching.linkage.comparisons import check_kinds, compare
from matching.linkage.constraints import SourceRules
from matching.linkage.decisions import Decision, DecisionBook
from matching.linkage.edges import model_tag
from matching.linkage.hashing import Indices, sorted_unique
from matching.linkage.model import LinkageModel
from matching.linkage.reaching import ANYTHING, compare_down_to
from matching.linkage.resolution import Nodes, Resolution, ScoredPairs, resolve
from matching.linkage.scoring import Weights, score, total_weights
from matching.linkage.similarity import Levels
from matching.resident.asking import Touched
from matching.resident.child_numbers import ChildNumbers
from matching.resident.edges import EdgeTable
from matching.resident.flags import Flags
from matching.resident.identities import Regrouping, Severed, identity_changes, numbers_of
from matching.resident.index import BlockIndex
from matching.resident.keys import KeyIndex
from matching.resident.prepared import Preparer, RowsAtHand
from matching.resident.questions import QuestionBook, Renewed
from matching.resident.records import NO_CLUSTER, RecordTable
from matching.resident.regroup import Clusters, Region, collect_evidence
from matching.resident.rows import (
    edge_bytes,
    load_clusters,
    load_edges,
    load_index,
    load_names,
    load_records,
    row_labels,
    whole_rows,
    without_gaps,
)
from matching.resident.statements import Stated, Statements
from matching.resident.versions import Fold
from schemas.identity import child_number


@dataclass(frozen=True, slots=True)
class _Found:
    """The edges that a batch found: pairs (left < right) at or above the review floor, in order of `codes`."""

    codes: npt.NDArray[np.uint64]
    left: Indices
    right: Indices
    weights: Weights
    levels: Levels


class ResidentOwner:
    """All records, their index, edges and clusters in memory. It does no I/O and reads no clock."""

    def __init__(self, model: LinkageModel) -> None:
        check_kinds(model)
        self.model: Final = model
        self.records = RecordTable(model)
        self.clusters = Clusters(self.records)
        self._edges = EdgeTable()
        self._statements = Statements(self.records)
        self._questions = QuestionBook(self.records, self.clusters, model)
        self._preparer: Final = Preparer(model)
        self._keys = KeyIndex(BlockIndex())
        self._tag: Final = model_tag(model)
        self._rules = SourceRules(model, [])

    def __len__(self) -> int:
        """The number of records ever seen, live or not."""
        return len(self.records)

    def memberships(self) -> dict[str, tuple[str, ...]]:
        """Return the sorted record keys of every child in use, by child number."""
        return self.clusters.memberships()

    @property
    def decisions(self) -> DecisionBook:
        """All decisions, and those in force."""
        return self._statements.decisions

    def holds(self) -> dict[str, tuple[str, ...]]:
        """Return the ids of the conflicts that hold each child that is held, by child number."""
        basis = self.records.basis
        return {child_number(basis(founder)): tuple(sorted(ids)) for founder, ids in self._questions.holds.items()}

    def conflicts(self) -> dict[str, ConflictState]:
        """Return all open conflicts by id."""
        return dict(self._questions.states)

    def load(
        self,
        rows: Iterable[RecordRow],
        decisions: Iterable[Decision] = (),
        conflicts: Iterable[tuple[str, ConflictState]] = (),
    ) -> None:
        """Take back the state that deltas described, from all rows in any order. The owner must be empty.

        Raises ConfigurationError if the rows were linked by another model, FatalError if edges lead to lost ones.
        """
        ordered = without_gaps(sorted(rows, key=attrgetter("rid")))
        load_records(ordered, self.records)
        self._keys = KeyIndex(load_index(self.records, Blocker(self.model)))
        self._edges = load_edges(ordered, self.records, self._tag)
        load_clusters(ordered, self.clusters)
        self._statements.restore(decisions)
        load_names(ordered, self.records, self._statements.lives())
        self._questions.restore(conflicts, self._statements)

    def apply(self, changes: Sequence[SourceChange], batch: int, decisions: Sequence[Decision] = ()) -> Delta:
        """Apply one batch of changes and return all that it changed. `batch` is the version of its identity changes."""
        records = self.records
        judged = self._statements.decisions.add(decisions)
        fold = records.fold(self._statements.refuse_erased(changes, judged))
        seeds = self._old_neighbours(np.array(fold.replaced + fold.ended, np.int64))
        seeds += self._statements.take_up(fold, judged)
        found = self._compare(*self._reindex(fold))
        region = self._region(np.array(seeds + fold.compared + fold.refounded, np.int64))
        records.keys.recall(region.nodes)
        stated = self._statements.about(region.nodes)
        resolution = self._resolve(region, stated)
        former = records.founders[np.concatenate([region.nodes, np.array(fold.ended, np.int64)])]
        change = Regrouping(events=fold.events)
        ended = np.array(fold.ended, np.int64)
        self.clusters.regroup(region.nodes, resolution.labels, ended, stated.lives, change)
        numbers = numbers_of(change, records)
        renamed = self.clusters.adopt(change)
        collect_evidence(change, region, former, records, lambda a, b: self._levels(found, a, b))
        numbers.work_out(set(records.founders[fold.compared].tolist()))
        touched = Touched(region, stated, resolution, former[former != NO_CLUSTER], np.array(fold.compared, np.int64))
        renewed = self._questions.renew(
            touched, self._statements, self._rules, lambda a, b: self._levels(found, a, b), numbers, batch
        )
        if self.decisions.lives:
            fresh = frozenset(each.event_id for each in judged.new)
            change.sever(Severed(stated.lives, self._statements.lives_of, fresh), records.adopted)
        edges = self._edge_bytes(found, fold)
        written = {*fold.inserted, *fold.rewritten}
        labels = [rid for rid in dict.fromkeys(fold.relabelled + renamed) if rid not in written]
        delta = Delta(
            batch,
            self.model.model_id,
            whole_rows(fold.inserted, records, edges, numbers),
            whole_rows(fold.rewritten, records, edges, numbers),
            row_labels(labels, records, numbers),
            self._identities(change, renewed, region.nodes, numbers, batch),
            judged.new,
            renewed.changes,
        )
        self._edges.compact(records.content_versions)
        return delta

    def _old_neighbours(self, rids: Indices) -> list[int]:
        """Return the records that records which change or end were linked to: their components may fall apart."""
        _, others, weights = self._edges.of(rids, self.records.content_versions)
        linked = others[weights >= self.model.link_threshold]
        neighbours: list[int] = np.concatenate([linked, self._statements.connected_with(rids)]).tolist()
        return neighbours

    def _reindex(self, fold: Fold) -> tuple[Indices, Indices]:
        """Store new values, bring index and edges up to date; return the pairs of records to compare, some twice."""
        records, columns = self.records, self.records.columns
        gone, ended = np.array(fold.replaced + fold.ended, np.int64), np.array(fold.ended, np.int64)
        compared, rewritten = np.array(fold.compared, np.int64), np.array(fold.rewritten, np.int64)
        inserted = np.array(fold.inserted, np.int64)
        self._questions.asker.shields.forget(gone)
        before = RowsAtHand(columns.hashes(rewritten), columns.flags(rewritten), fold.former_rows)
        rows, blank = dict(zip(fold.compared, fold.rows, strict=True)), (records.blank, b"")
        again = self._preparer.read([rows.get(rid, blank) for rid in fold.rewritten])
        fresh = self._preparer.read([rows.get(rid, blank) for rid in fold.inserted])
        columns.overwrite(rewritten, again.filled)
        columns.append_filled(fresh.filled, fold.sources)
        self._edges.reserve(len(records))
        self._edges.drop(gone, records.content_versions)
        records.content_versions[compared] += 1
        records.content_versions[ended] += 1
        owners, former = self._preparer.keys(before)
        return self._keys.exchange(
            (rewritten[owners], former), (rewritten[again.owners], again.keys), (inserted[fresh.owners], fresh.keys)
        )

    def _compare(self, firsts: Indices, others: Indices) -> _Found:
        """Compare pairs of records; add edges for what reaches the review floor."""
        records, model = self.records, self.model
        different = firsts != others
        codes = sorted_unique(encode_pairs(firsts[different], others[different]))
        left, right = decode_pairs(codes)
        shared = self._questions.asker.verified.shared(records.columns, records.verified, left, right)
        lowest = np.where(shared, ANYTHING, model.review_floor)
        at, levels = compare_down_to(records.columns, left, right, [model], lowest)
        weights = total_weights(levels, model)
        kept = weights >= lowest[at]
        at, levels, weights = at[kept], levels[kept], weights[kept]
        found = _Found(codes[at], left[at], right[at], weights, levels)
        self._edges.add(found.left, found.right, found.weights, records.content_versions)
        return found

    def _region(self, seeds: Indices) -> Region:
        """Return the components (and perhaps more) that the live ones of these records are in, with their edges.

        Steps along every edge at or above the threshold, also those that a source rule forbids: more than the
        components does no harm, and what is reached is always whole.
        """
        records, threshold = self.records, self.model.link_threshold
        reached = np.zeros(len(records), dtype=bool)
        frontier = sorted_unique(seeds[records.live[seeds]])
        reached[frontier] = True
        nodes, edges = [frontier], []
        while len(frontier):
            owners, others, weights = self._edges.of(frontier, records.content_versions)
            edges.append((owners, others, weights))
            stated = self._statements.connected_with(frontier)
            near = np.concatenate([others[weights >= threshold], stated[records.live[stated]]])
            frontier = sorted_unique(near[~reached[near]])
            reached[frontier] = True
            nodes.append(frontier)
        rids = np.sort(np.concatenate(nodes))
        if not edges:
            return Region(rids, rids, rids, rids, rids, rids, rids)
        owners, others, weights = (np.concatenate(column) for column in zip(*edges, strict=True))
        inner = reached[others]
        once = (owners < others) | ~inner
        inside = (owners < others) & inner
        left, right = np.searchsorted(rids, owners[inside]), np.searchsorted(rids, others[inside])
        return Region(rids, left, right, weights[inside], owners[once], others[once], weights[once])

    def _resolve(self, region: Region, stated: Stated) -> Resolution:
        """Cluster the region."""
        records, nodes, twins = self.records, region.nodes, self._questions.asker.twins
        names = records.columns.source_names
        if self._rules.count != len(names):
            self._rules = SourceRules(self.model, names)
        return resolve(
            Nodes(
                records.columns.sources[nodes],
                lambda members: np.searchsorted(nodes, records.in_key_order(nodes[members])),
                lambda left, right: score(records.columns, nodes[left], nodes[right], self.model),
                twins.among(records.columns, records.verified, nodes),
            ),
            ScoredPairs(region.left, region.right, region.weights),
            self.model,
            self._rules,
            stated.constraints,
        )

    def _identities(
        self, change: Regrouping, renewed: Renewed, nodes: Indices, numbers: ChildNumbers, batch: int
    ) -> list[IdentityChange]:
        """Return the identity changes: of memberships, and of who is held."""
        changes = identity_changes(change, self.records.keys, numbers, batch)
        flags, decided = Flags(self.clusters, self.records, numbers, change), self._statements.decided(nodes)
        return flags.apply(changes, self._questions.holds, decided, renewed.flipped, batch)

    def _levels(self, found: _Found, left: Indices, right: Indices) -> Levels:
        """Return the level codes of pairs: those found in this batch, the others compared once more."""
        codes = encode_pairs(left, right)
        levels = np.zeros((len(codes), len(self.model.comparisons)), np.int8)
        known = np.zeros(len(codes), dtype=bool)
        if len(found.codes):
            at = np.minimum(np.searchsorted(found.codes, codes), len(found.codes) - 1)
            known = found.codes[at] == codes
            levels[known] = found.levels[at[known]]
        if not known.all():
            levels[~known] = compare(self.records.columns, left[~known], right[~known], self.model)
        return levels

    def _edge_bytes(self, found: _Found, fold: Fold) -> dict[int, bytes]:
        """Return the durable form of the edges found: each in the row of the later of its compared records."""
        compared = np.zeros(len(self.records), dtype=bool)
        compared[fold.compared] = True
        later = compared[found.right]
        owners, others = np.where(later, found.right, found.left), np.where(later, found.left, found.right)
        return edge_bytes(owners, others, found.weights, self.records, self._tag)
