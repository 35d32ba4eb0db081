"""All newest records and decisions judged at once, in the plainest way: what every incremental state has to equal.

It keeps no index, no regions and no history. The resident owner and the workers over a database are tested against it,
and a what-if run can use it as it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import NamedTuple

import numpy as np

from matching.changes import ConflictState, EvidencePair
from matching.linkage.batch import cluster_pairs, score_pairs
from matching.linkage.blocking import Blocker
from matching.linkage.columns import RecordColumns, columns_of
from matching.linkage.comparisons import compare
from matching.linkage.conflicts import Crossing, Question, authority_of, contradicts, cut_apart, questions, worth_asking
from matching.linkage.constraints import SourceRules, constrain
from matching.linkage.decisions import DecisionBook, connected
from matching.linkage.hashing import Indices
from matching.linkage.lives import new_identities, severed_from
from matching.linkage.marks import Marks, VerifiedNumbers
from matching.linkage.model import LinkageModel
from matching.linkage.scoring import leave_doubt, score, total_weights
from matching.linkage.twins import Twins
from schemas.events import event_id
from schemas.identity import child_number, number_basis


class LiveRecord(NamedTuple):
    """The newest version of a record that its source still holds; `ingested_at` is its first, in µs."""

    key: str
    source: str
    values: tuple[str, ...]
    ingested_at: int
    authority: str = ""
    verified: int = 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """Who is one child (record keys by child number), which numbers are held, and the open conflicts by id."""

    memberships: dict[str, tuple[str, ...]]
    held: frozenset[str]
    conflicts: dict[str, ConflictState]


def judge(
    records: Iterable[LiveRecord], merges: Mapping[str, str], decisions: DecisionBook, model: LinkageModel
) -> Judgement:
    """Return what follows from live records, the newest merge of each record (loser to survivor), and decisions."""
    live = sorted(records)
    unbound = _unbound_shields(decisions, {record.key for record in live}, _both_ways(merges))
    if not live:
        return Judgement({}, frozenset(), _clashes(decisions, {}, {}, set()) | unbound)
    judgement = _Judge(live, merges, decisions, model).judgement()
    return replace(judgement, conflicts=judgement.conflicts | unbound)


class _Judge:
    """One judgement; rows are records in order of key."""

    def __init__(
        self, live: Sequence[LiveRecord], merges: Mapping[str, str], book: DecisionBook, model: LinkageModel
    ) -> None:
        self.live, self.book, self.model = live, book, model
        self.keys = [record.key for record in live]
        self.row = {key: row for row, key in enumerate(self.keys)}
        self.columns: RecordColumns = columns_of(model, [r.values for r in live], [r.source for r in live])
        self.marks: Marks = np.array([r.verified for r in live], np.uint8)
        self.pairs, _ = score_pairs(self.columns, model, verified=self.marks)
        self.merged = _both_ways(merges)
        constraints, self.overruled, shielded, lives = constrain(self.row, lambda key: self.merged.get(key, ()), book)
        resolution = cluster_pairs(self.columns, self.pairs, model, constraints, self.keys, self.marks)
        self.oversize = resolution.oversize
        self.members: dict[int, list[int]] = {}
        for row, label in enumerate(resolution.labels.tolist()):
            self.members.setdefault(label, []).append(row)
        founders = [min(rows, key=lambda row: (live[row].ingested_at, row)) for rows in self.members.values()]
        self.members = dict(zip(founders, self.members.values(), strict=True))
        self.cluster = np.empty(len(live), np.int64)
        for founder, rows in self.members.items():
            self.cluster[rows] = founder
        new = new_identities((int(self.cluster[row]), own) for row, own in lives.items())
        self.number = {each: child_number(number_basis(self.keys[each], new.get(each, ()))) for each in self.members}
        self.shielded = np.zeros(len(live), dtype=bool)
        self.shielded[self.cluster[shielded]] = True

    def judgement(self) -> Judgement:
        """Return the identities and conflicts that follow from the clusters."""
        number, states = self.number, {}
        for each in [*self._questions(), *self._contradicted()]:
            state = self._state(each, number)
            states[event_id("conflict", each.kind, *state.records)] = state
        for rows in self.oversize:
            first = self.keys[int(rows.min())]
            clusters = sorted({int(each) for each in self.cluster[rows]})
            children = tuple(sorted(number[each] for each in clusters))
            shielded = bool(self.shielded[clusters].any())
            state = ConflictState("oversize", (first,), children, (), (), self._authority(clusters), shielded, "")
            states[event_id("conflict", "oversize", first)] = state
        cluster_of = {key: int(self.cluster[row]) for key, row in self.row.items()}
        for name, state in _clashes(self.book, cluster_of, number, set(np.flatnonzero(self.shielded).tolist())).items():
            clusters = sorted({cluster_of[key] for key in state.records if key in cluster_of})
            states[name] = state._replace(authority=self._authority(clusters))
        memberships = {
            number[founder]: tuple(sorted(self.keys[row] for row in rows)) for founder, rows in self.members.items()
        }
        return Judgement(memberships, frozenset(state.held for state in states.values() if state.held), states)

    def _questions(self) -> list[Question]:
        left, right = np.concatenate([[self.pairs.left, self.pairs.right], self._loose()], axis=1)
        doubt = self.shielded[self.cluster[left]] != self.shielded[self.cluster[right]]
        apart = (self.cluster[left] != self.cluster[right]) & (doubt | ~cut_apart(left, right, self.oversize))
        left, right = left[apart], right[apart]
        weights = score(self.columns, left, right, self.model)
        sources = self.columns.sources
        penalised, barred = SourceRules(self.model, self.columns.source_names).apply(
            weights, sources[left], sources[right]
        )
        barred |= Twins(self.model).apart(self.columns, self.marks, left, right)
        shared = VerifiedNumbers(self.model).shared(self.columns, self.marks, left, right)
        crossing = Crossing(left, right, self.cluster[left], self.cluster[right], penalised, barred, shared)
        wanted = worth_asking(crossing, self.shielded, self.model)
        crossing = Crossing(*(getattr(crossing, name)[wanted] for name in Crossing.__slots__))
        answered = {
            (int(min(pair)), int(max(pair)))
            for a in self.row
            for b in {*self.book.cannot.others(a), *severed_from(a, self._group, self.book.severed.others)}
            if b in self.row and (pair := (self.cluster[self.row[a]], self.cluster[self.row[b]]))
        }
        return questions(crossing, self.shielded, answered, self.model, self.keys.__getitem__)

    def _group(self, key: str) -> set[str]:
        return connected(key, lambda each: (*self.merged.get(each, ()), *self.book.must.others(each)))

    def _loose(self) -> Indices:
        """Return the pairs that only the looser blocking of shielded children finds, shape (2, pairs)."""
        blocker = Blocker(self.model, self.model.shield_rules)
        rows = np.arange(len(self.live), dtype=np.int64)
        owners, keys = blocker.keys(self.columns, rows)
        found = set()
        for key in np.unique(keys).tolist():
            block = np.unique(owners[keys == key]).tolist()
            found |= {(a, b) for a, b in combinations(block, 2) if self._doubt(a, b)}
        pairs = np.array(sorted(found), np.int64).reshape(-1, 2).T
        levels = compare(self.columns, pairs[0], pairs[1], self.model)
        loose: Indices = pairs[:, leave_doubt(levels, total_weights(levels, self.model), self.model)]
        return loose

    def _doubt(self, a: int, b: int) -> bool:
        return bool(self.shielded[self.cluster[a]] != self.shielded[self.cluster[b]])

    def _contradicted(self) -> list[Question]:
        found = []
        for must, pairs in ((True, self.book.must), (False, self.book.cannot)):
            for a in self.keys:
                for b, ids in pairs.others(a).items():
                    if a > b or b not in self.row or self.book.is_beyond_evidence(a, b):
                        continue
                    left, right = self.row[a], self.row[b]
                    weight = int(score(self.columns, np.array([left]), np.array([right]), self.model)[0])
                    against = [
                        each
                        for each in sorted(ids)
                        if contradicts(weight, must=must, seen=self.book.made[each].seen, model=self.model)
                        or (not must and (a, b) in self.overruled)
                    ]
                    if against:
                        clusters = (int(self.cluster[left]), int(self.cluster[right]))
                        question = Question("decision_contradicted", left, right, *clusters, ((left, right),))
                        found.append(question._replace(decisions=tuple(against)))
        return found

    def _state(self, asked: Question, number: Mapping[int, str]) -> ConflictState:
        clusters = sorted({asked.left_cluster, asked.right_cluster})
        evidence = []
        for pair in asked.evidence:
            low, high = min(pair), max(pair)
            levels = compare(self.columns, np.array([low]), np.array([high]), self.model)
            weight = int(total_weights(levels, self.model)[0])
            evidence.append(EvidencePair(self.keys[low], self.keys[high], weight, tuple(levels[0].tolist())))
        return ConflictState(
            asked.kind,
            tuple(sorted((self.keys[asked.left], self.keys[asked.right]))),
            tuple(sorted(number[each] for each in clusters)),
            tuple(evidence),
            asked.decisions,
            self._authority(clusters),
            bool(self.shielded[clusters].any()),
            number.get(asked.held, ""),
        )

    def _authority(self, clusters: Iterable[int]) -> str:
        rows = [row for founder in clusters for row in self.members[founder]]
        return authority_of(self.live[row].authority for row in rows)


def _clashes(
    book: DecisionBook, cluster_of: Mapping[str, int], number: Mapping[int, str], shielded: set[int]
) -> dict[str, ConflictState]:
    """Return the conflicts of decisions that contradict each other, their authority left open."""
    states = {}
    for clash in book.clashes:
        clusters = {cluster_of[key] for key in clash.records if key in cluster_of}
        children = () if clash.severed else tuple(sorted(number[each] for each in clusters))
        hidden = clash.severed or bool(clusters & shielded)
        state = ConflictState("decisions_clash", clash.records, children, (), clash.decisions, "", hidden, "")
        states[event_id("conflict", "decisions_clash", *clash.decisions)] = state
    return states


def _unbound_shields(book: DecisionBook, live: set[str], merged: Mapping[str, set[str]]) -> dict[str, ConflictState]:
    """Return the conflicts of shields that protect no live record, named or connected with a named one."""
    states = {}
    for shield in {each for ids in book.shields.values() for each in ids}:
        named = book.made[shield].left
        keys = {k for key in named for k in connected(key, lambda k: (*merged.get(k, ()), *book.must.others(k)))}
        if not keys & live:
            states[event_id("conflict", "shield_in_doubt", shield)] = ConflictState(
                "shield_in_doubt", tuple(sorted(named)), (), (), (shield,), "", shielded=True, held=""
            )
    return states


def _both_ways(merges: Mapping[str, str]) -> dict[str, set[str]]:
    """Return the records that merges connect with each, in both directions."""
    others: dict[str, set[str]] = defaultdict(set)
    for loser, survivor in merges.items():
        if loser != survivor:
            others[loser].add(survivor)
            others[survivor].add(loser)
    return others
