"""The open conflicts of the resident owner, and which children they hold.

Each batch asks again about the clusters that it touched (`matching.linkage.conflicts`); the difference to what was open
about them is what opened, changed or closed. A conflict stands under the clusters (by founder) of its records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

import numpy as np

from matching.changes import ConflictChange, ConflictState, EvidencePair
from matching.linkage.conflicts import (
    NOBODY,
    Question,
    authority_of,
)
from matching.linkage.constraints import SourceRules
from matching.linkage.decisions import Clash, Decision
from matching.linkage.hashing import Indices, sorted_unique
from matching.linkage.model import LinkageModel
from matching.linkage.scoring import total_weights
from matching.linkage.similarity import Levels
from matching.resident.asking import Asker, Touched
from matching.resident.child_numbers import ChildNumbers
from matching.resident.records import NO_CLUSTER, RecordTable
from matching.resident.regroup import Clusters
from matching.resident.statements import Statements
from schemas.events import event_id
from schemas.identity import child_number

Sides = tuple[int, ...]
"""The clusters, by founder, of a conflict's live records, sorted."""
Records = tuple[int, int]
LevelsOf = Callable[[Indices, Indices], Levels]


@dataclass(slots=True)
class Renewed:
    """What became of conflicts in a batch.

    `flipped` are the founders of clusters that are held now and were not, or the reverse, with the records in question.
    """

    changes: list[ConflictChange] = field(default_factory=list)
    flipped: dict[int, list[str]] = field(default_factory=dict)


def unbound_shield(shield: Decision) -> ConflictState:
    """Return the conflict of a shield that protects no record: whom it was for may be visible under another one."""
    records = tuple(sorted(shield.left))
    return ConflictState("shield_in_doubt", records, (), (), (shield.event_id,), "", shielded=True, held="")


def conflict_id(kind: str, about: Iterable[str]) -> str:
    """Return the id of a conflict: a function of its kind and of the records or decisions that it is about."""
    return event_id("conflict", kind, *about)


class QuestionBook:
    """All open conflicts, by id and by cluster."""

    def __init__(self, records: RecordTable, clusters: Clusters, model: LinkageModel) -> None:
        self._records, self._clusters = records, clusters
        self._model: Final = model
        self.asker: Final = Asker(records, model)
        self.states: dict[str, ConflictState] = {}
        self.holds: dict[int, set[str]] = {}
        self._sides: dict[str, Sides] = {}
        self._by_cluster: dict[int, set[str]] = {}
        self._clashes: dict[Clash, str] = {}

    def renew(
        self,
        touched: Touched,
        statements: Statements,
        rules: SourceRules,
        levels_of: LevelsOf,
        numbers: ChildNumbers,
        batch: int,
    ) -> Renewed:
        """Bring the conflicts up to date; the clusters must be the new ones already."""
        records, region = self._records, touched.region
        after = records.founders[region.nodes].astype(np.int64)
        self._mark_shields(touched, after)
        stale = self._stale(touched.former, after)
        asked = self.asker.between(touched, statements, rules)
        asked += self.asker.about_decisions(touched, statements)
        fresh, sides = self._states(asked, touched.compared, levels_of, numbers)
        others = self._oversize(touched, numbers)
        others |= self._of_clashes(statements, numbers, stale)
        others |= self._of_unbound_shields(statements, stale)
        sides |= {name: self._clusters_of(state) for name, state in others.items()}
        return self._replace(stale, fresh | others, sides, batch)

    def restore(self, conflicts: Iterable[tuple[str, ConflictState]], statements: Statements) -> None:
        """Take open conflicts from their durable form; records, clusters and statements must be there already."""
        records = self._records
        nodes = np.flatnonzero(records.live[: len(records)] & records.concerned[: len(records)])
        shielded = np.unique(records.founders[nodes[statements.about(nodes).shielded]])
        records.shielded[shielded] = True
        for name, state in conflicts:
            self._put(name, state, self._clusters_of(state))
        self._clashes = {
            clash: conflict_id("decisions_clash", clash.decisions) for clash in statements.decisions.clashes
        }
        members = [rid for founder in shielded.tolist() for rid in self._clusters.members_of(founder)]
        self.asker.shields.watch(np.empty(0, np.int64), np.array(members, np.int64))

    def _mark_shields(self, touched: Touched, after: Indices) -> None:
        """Mark which clusters are shielded now, and watch their records."""
        records = self._records
        records.shielded[touched.former] = False
        shielded = sorted_unique(after[touched.stated.shielded])
        records.shielded[shielded] = True
        members = touched.region.nodes[np.isin(after, shielded)] if len(shielded) else shielded
        self.asker.shields.watch(touched.compared, members)

    def _stale(self, former: Indices, after: Indices) -> set[str]:
        """Return the conflicts about clusters that were touched."""
        clusters = sorted_unique(np.concatenate([former, after]).astype(np.int64))
        questioned = clusters[self._records.questioned[clusters]].tolist()
        return {name for founder in questioned for name in self._by_cluster.get(founder, ())}

    def _states(
        self, asked: list[Question], compared: Indices, levels_of: LevelsOf, numbers: ChildNumbers
    ) -> tuple[dict[str, ConflictState], dict[str, Sides]]:
        """Return questions as states of conflicts, by id, and the clusters of each."""
        records, keys = self._records, self._records.keys
        states: dict[str, ConflictState] = {}
        sides: dict[str, Sides] = {}
        abouts = [tuple(sorted((keys[each.left], keys[each.right]))) for each in asked]
        names = [conflict_id(each.kind, about) for each, about in zip(asked, abouts, strict=True)]
        evidence_of = self._evidence(asked, names, compared, levels_of)
        involved = {cluster for each in asked for cluster in (each.left_cluster, each.right_cluster)}
        numbers.work_out(involved)
        named = self._authorities(involved)
        for each, about, name in zip(asked, abouts, names, strict=True):
            clusters = sides[name] = tuple(sorted({each.left_cluster, each.right_cluster}))
            states[name] = ConflictState(
                each.kind,
                about,
                tuple(sorted(map(numbers, clusters))),
                tuple(map(evidence_of.__getitem__, each.evidence)),
                each.decisions,
                authority_of(name for cluster in clusters for name in named[cluster]),
                any(map(records.shielded.item, clusters)),
                "" if each.held == NOBODY else numbers(each.held),
            )
        return states, sides

    def _evidence(
        self, asked: list[Question], names: list[str], compared: Indices, levels_of: LevelsOf
    ) -> dict[Records, EvidencePair]:
        """Return the pairs of questions by record numbers; what a conflict says of unchanged records still holds."""
        keys, changed = self._records.keys, set(compared.tolist())
        found: dict[Records, EvidencePair] = {}
        open_ones: dict[Records, tuple[str, str]] = {}
        for each, name in zip(asked, names, strict=True):
            state = self.states.get(name)
            said = {(pair.left, pair.right): pair for pair in state.evidence} if state else {}
            for a, b in each.evidence:
                first, second = sorted((keys[a], keys[b]))
                pair = None if a in changed or b in changed else said.get((first, second))
                if pair is None:
                    open_ones[a, b] = first, second
                else:
                    found[a, b] = pair
        if open_ones:
            levels = levels_of(*np.array(list(open_ones), np.int64).T)
            weights, codes = total_weights(levels, self._model).tolist(), zip(*levels.T.tolist(), strict=True)
            for records, sides, weight, each_code in zip(open_ones, open_ones.values(), weights, codes, strict=True):
                found[records] = EvidencePair(*sides, weight, each_code)
        return found

    def _authority(self, clusters: Iterable[int]) -> str:
        return authority_of(name for names in self._authorities(set(clusters)).values() for name in names)

    def _authorities(self, clusters: set[int]) -> dict[int, list[str]]:
        """Return the authorities that the members of clusters name, by cluster."""
        members = self._clusters.members(np.array(sorted(clusters), np.int64))
        names = iter(self._records.authorities.of([rid for rids in members.values() for rid in rids]))
        return {founder: list(islice(names, len(rids))) for founder, rids in members.items()}

    def _oversize(self, touched: Touched, numbers: ChildNumbers) -> dict[str, ConflictState]:
        """Return a conflict for each component above the model's cap: about its first record, for all its children."""
        records, states = self._records, {}
        for positions in touched.resolution.oversize:
            rids = touched.region.nodes[positions]
            first = min(records.keys[rid] for rid in rids.tolist())
            clusters = np.unique(records.founders[rids]).tolist()
            states[conflict_id("oversize", [first])] = ConflictState(
                "oversize",
                (first,),
                tuple(sorted(map(numbers, clusters))),
                (),
                (),
                self._authority(clusters),
                bool(records.shielded[clusters].any()),
                "",
            )
        return states

    def _of_clashes(self, statements: Statements, numbers: ChildNumbers, stale: set[str]) -> dict[str, ConflictState]:
        """Return the conflicts of all clashes between decisions; there are few. Those no longer there become stale."""
        records = self._records
        clashes = statements.decisions.clashes
        if not clashes and not self._clashes:
            return {}
        stale |= set(self._clashes.values()) & self.states.keys()
        self._clashes = {clash: conflict_id("decisions_clash", clash.decisions) for clash in clashes}
        states = {}
        for clash, name in self._clashes.items():
            live = [records.rid_of[key] for key in clash.records if self._is_live(key)]
            clusters = np.unique(records.founders[live]).tolist() if live else []
            states[name] = ConflictState(
                "decisions_clash",
                clash.records,
                () if clash.severed else tuple(sorted(map(numbers, clusters))),
                (),
                clash.decisions,
                self._authority(clusters),
                clash.severed or bool(records.shielded[clusters].any()),
                "",
            )
        return states

    def _of_unbound_shields(self, statements: Statements, stale: set[str]) -> dict[str, ConflictState]:
        """Return a conflict for each shield that binds to no live record any more, or not yet."""
        was, now = statements.unbound_shields()
        stale |= {name for each in was if (name := conflict_id("shield_in_doubt", [each])) in self.states}
        made = statements.decisions.made
        return {conflict_id("shield_in_doubt", [each]): unbound_shield(made[each]) for each in now}

    def _replace(
        self, stale: set[str], fresh: dict[str, ConflictState], sides: dict[str, Sides], batch: int
    ) -> Renewed:
        """Put fresh conflicts, with the clusters of each, in the place of stale ones; return what that changed."""
        renewed = Renewed()
        kept = {name for name in fresh if (self.states.get(name), self._sides.get(name)) == (fresh[name], sides[name])}
        stale, fresh = stale - kept, {name: state for name, state in fresh.items() if name not in kept}
        if not stale and not fresh:
            return renewed
        clusters = {f for name in stale for f in self._sides[name]} | {f for name in fresh for f in sides[name]}
        held = clusters & self.holds.keys()
        old = {name: self._take(name) for name in stale}
        for name, state in fresh.items():
            self._put(name, state, sides[name])
        for name in sorted({*old, *fresh}):
            was, now = old.get(name), fresh.get(name)
            if now is None and was is not None:
                renewed.changes.append(ConflictChange("closed", name, batch, was))
            elif now is not None and now != was:
                renewed.changes.append(ConflictChange("changed" if was else "opened", name, batch, now))
        for founder in sorted(held ^ (clusters & self.holds.keys())):
            number = child_number(self._records.basis(founder))
            states = [state for state in (*old.values(), *fresh.values()) if state.held == number]
            renewed.flipped[founder] = sorted({key for state in states for key in state.records})
        return renewed

    def _put(self, name: str, state: ConflictState, sides: Sides) -> None:
        self.states[name], self._sides[name] = state, sides
        for founder in sides:
            self._by_cluster.setdefault(founder, set()).add(name)
            self._records.questioned[founder] = True
            if state.held and state.held == child_number(self._records.basis(founder)):
                self.holds.setdefault(founder, set()).add(name)

    def _take(self, name: str) -> ConflictState:
        for founder in self._sides.pop(name):
            names = self._by_cluster[founder]
            names.discard(name)
            if not names:
                del self._by_cluster[founder]
                self._records.questioned[founder] = False
            if name in (held := self.holds.get(founder, set())):
                held.discard(name)
                if not held:
                    del self.holds[founder]
        return self.states.pop(name)

    def _clusters_of(self, state: ConflictState) -> Sides:
        """Return the clusters (by founder) of a conflict's live records."""
        records = self._records
        live = [records.rid_of[key] for key in state.records if self._is_live(key)]
        return tuple(sorted({int(records.founders[rid]) for rid in live}))

    def _is_live(self, key: str) -> bool:
        rid = self._records.rid_of.get(key, -1)
        return rid >= 0 and bool(self._records.live[rid]) and self._records.founders[rid] != NO_CLUSTER
