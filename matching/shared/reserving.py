"""What a batch depends on: found over neighbours, reserved against other workers, and read.

The *region* of a batch is what can be reached from its records over neighbours that may be linked: here clusters can
change. *Near* it are the other records that have anything in common with it: their clusters stay, but questions between
them and the region may open or close. Near ones come with their whole clusters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from psycopg import errors

from matching.changes import RecordRow
from matching.linkage.decisions import Decision
from matching.linkage.hashing import Indices, sorted_unique
from matching.linkage.model import LinkageModel
from matching.shared.decided import Decided
from matching.shared.neighbours import ANNOUNCED, Neighbours, both_ways
from matching.shared.reach import Reach
from matching.shared.steps import Announced, ConflictError, Reserved, Surveyed
from matching.shared.survey import Content, Findings, Surveyor, contents_of
from matching.shared.tables import Tables

NOBODY: Final = np.empty(0, np.int64)


class Reserver:
    """Finds, reserves and reads what batches depend on."""

    def __init__(self, tables: Tables, surveyor: Surveyor, decided: Decided, model: LinkageModel) -> None:
        self._tables, self._surveyor, self._decided = tables, surveyor, decided
        self._threshold = model.link_threshold
        self._watches: Final = bool(model.shield_rules)

    def expect(self, announced: Announced, findings: Findings, learned: Indices) -> Indices:
        """Return what a batch will have to reserve, as things stand before it reserves anything."""
        linked = findings.linked_with(self._threshold)
        reach = Reach(self._tables, self._threshold)
        region, others = reach.reached(_union(announced.own, announced.stated.rids, linked, learned))
        return reach.with_clusters(region, _union(others, findings.others, self._tables.questioned_with(region)))

    def reserve(self, announced: Announced, surveyed: Surveyed) -> Reserved:
        """Reserve everything that the outcome depends on, and read it. Raises ConflictError.

        What the records have to do with others can have changed while this worker waited for them: what is needed
        beyond the expected is reserved only if nobody has it, since out of order two workers could wait for each other.
        """
        tables, findings, reserved = self._tables, surveyed.findings, surveyed.expected
        tables.reserve(reserved)
        hints = self._hints(findings)
        own, shields = self._concerned(announced)
        reach = Reach(tables, self._threshold)
        reach.read(reserved)
        neighbours = reach.of(own)
        seeds = _union(own, announced.stated.rids, findings.linked_with(self._threshold), neighbours.others)
        while True:
            region, others = reach.reached(seeds)
            if not surveyed.alone and len(np.intersect1d(region, shields)):
                raise ConflictError(reserved, alone=True)
            asked = tables.questioned_with(region)
            near = _union(others, findings.others, asked, self._in_doubt(announced, findings, region, shields, reach))
            needed = reach.with_clusters(region, near)
            more = np.setdiff1d(needed, reserved)
            if not len(more):
                break
            self._reserve_more(more, reserved)
            reserved = np.concatenate([reserved, more])
            reach.forget(more)
        rows = tables.records(needed)
        decisions = self._decisions(announced, rows, needed)
        return Reserved(
            neighbours, hints, rows, decisions, tables.conflicts(needed), surveyed.alone and len(shields) > 0
        )

    def _concerned(self, announced: Announced) -> tuple[Indices, Indices]:
        """Return the records that the batch changes or decides on, and those that any shield names."""
        shields = self._decided.shield_rids
        if not announced.decisions:
            return announced.own, shields
        touched = self._tables.rids_of(self._decided.touched_by(announced.decisions))
        own = _union(announced.own, np.array(sorted(touched.values()), np.int64))
        return own, _union(shields, self._decided.rids_of_shields(announced.decisions))

    def _hints(self, findings: Findings) -> Neighbours:
        """Return what to tell the batches of records that are announced and still not linked."""
        pending = self._tables.still_incoming(sorted_unique(findings.others[findings.announced]))
        waiting = findings.announced & np.isin(findings.others, pending)
        marks = np.full(int(waiting.sum()), ANNOUNCED, np.int64)
        return Neighbours(findings.others[waiting], findings.own[waiting], marks)

    def _shielded(self, announced: Announced, findings: Findings, protected: Indices, reach: Reach) -> Indices:
        """Return the records that may be with a shielded child when this batch is linked: more than it has so far.

        Those that a merge or a decision of the batch joins to it, what the batch links with it, and of the batch's own
        records all that share a key with one of them.
        """
        stated, linked = announced.stated, findings.weights >= self._threshold
        found = both_ways(findings.own[linked], findings.others[linked], findings.weights[linked])
        shielded = reach.reached(protected)[0]
        while True:
            keys = announced.keys[np.isin(announced.key_rids, shielded)]
            more = _union(
                *(pairs.others[np.isin(pairs.rids, shielded)] for pairs in (stated, found)),
                announced.key_rids[np.isin(announced.keys, keys)],
            )
            if not len(np.setdiff1d(more, shielded)):
                return shielded
            shielded = reach.reached(_union(shielded, more))[0]

    def _in_doubt(
        self, announced: Announced, findings: Findings, region: Indices, shields: Indices, reach: Reach
    ) -> Indices:
        """Return the records outside that only a shield rule connects with the region: duplicates of shielded children.

        Against the region stand all that are covered by a shield; against the shielded ones in it stands everybody.
        """
        if not (self._watches and len(shields)):
            return NOBODY
        own = {content.rid for content in announced.contents}
        rows = self._tables.records(region)
        contents = [*announced.contents, *contents_of(row for row in rows if row.rid not in own)]
        doubts = [self._doubts(contents, everybody=False)]
        protected = np.intersect1d(region, shields)
        if len(protected):
            shielded = set(self._shielded(announced, findings, protected, reach).tolist())
            doubts.append(self._doubts([each for each in contents if each.rid in shielded], everybody=True))
        return _union(*doubts)

    def _doubts(self, contents: Sequence[Content], *, everybody: bool) -> Indices:
        at, keys = self._surveyor.shield_keys(self._surveyor.columns(contents))
        if not len(keys):
            return NOBODY
        rids = np.array([content.rid for content in contents], np.int64)[at]
        find = self._tables.candidates if everybody else self._tables.covered
        found = [candidate for candidate in find(keys, at, rids) if not candidate.announced]
        return self._surveyor.doubts(contents, found)

    def _decisions(self, announced: Announced, rows: Sequence[RecordRow], needed: Indices) -> Sequence[Decision]:
        """Return the decisions that can bear on the outcome."""
        if announced.decisions:
            return self._decided.everything()
        if not self._decided:
            return ()
        keys: set[str] = {row.key for row in rows} | {change.key for change in announced.changes}
        keys |= set(self._tables.keys_of(np.setdiff1d(needed, np.array([row.rid for row in rows], np.int64))).values())
        return self._decided.about(keys)

    def _reserve_more(self, more: Indices, reserved: Indices) -> None:
        try:
            with self._tables.connection.transaction():
                self._tables.reserve_at_once(more)
        except errors.LockNotAvailable:
            raise ConflictError(_union(reserved, more)) from None


def _union(*parts: Indices | Iterable[int]) -> Indices:
    return sorted_unique(np.concatenate([np.asarray(part, np.int64) for part in parts]))
