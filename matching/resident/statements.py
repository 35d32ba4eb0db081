"""What sources (merges) and people (decisions) say of records, beside what the records themselves say.

Both speak of record keys, which may be unknown, not yet seen or no longer live. Records that they connect, over
whatever keys, are always looked at together.
"""

from __future__ import annotations

from collections.abc import Iterable, KeysView, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from matching.changes import SourceChange
from matching.linkage.constraints import Constraints, Pair, constrain
from matching.linkage.decisions import Decision, DecisionBook, Judged, connected
from matching.linkage.hashing import Indices
from matching.linkage.lives import NO_LIVES, Lives, severed_from
from matching.resident.merges import MergeLinks
from matching.resident.records import RecordTable
from matching.resident.versions import ERASED, NO_MERGE, Fold

_NO_RIDS: Final = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Stated:
    """What is said of the nodes of a region.

    Constraints on them by position, the cannot-links that overrule merges, the positions of shielded records; and by
    record number whose former and whose new identity they are, where a severance speaks of them.
    """

    constraints: Constraints
    overruled: list[Pair]
    shielded: Indices
    lives: Mapping[int, Lives]


NOTHING_STATED: Final = Stated(Constraints(), [], _NO_RIDS, {})


class Statements:
    """All merges and decisions. `RecordTable.concerned` marks the records that they speak of."""

    def __init__(self, records: RecordTable) -> None:
        self._records = records
        self.merges: Final = MergeLinks()
        self.decisions: Final = DecisionBook()
        self.touched: set[str] = set()
        self._unbound: dict[str, tuple[str, ...]] = {}

    def __bool__(self) -> bool:
        return bool(self.merges) or bool(self.decisions)

    def refuse_erased(self, changes: Sequence[SourceChange], judged: Judged) -> Sequence[SourceChange]:
        """Leave out changes that are erased, and add one for each known record of which more is erased than before."""
        erased, rid_of = self.decisions.erased, self._records.rid_of
        if not erased:
            return changes
        kept = [
            change._replace(ingested_at=erased[change.key][1]) if change.key in erased else change
            for change in changes
            if not self.decisions.erases(change.key, change.version)
        ]
        for key in sorted(each for each in judged.erased if each in rid_of):
            version, at = erased[key]
            source, event_id = key.partition(":")[0], judged.touched[key][0]
            kept.append(SourceChange(key, source, "erased", version, ERASED, at, event_id))
        return kept

    def take_up(self, fold: Fold, judged: Judged) -> list[int]:
        """Take up new merges and mark whom decisions speak of; return the records that are, or were, connected so."""
        records = self._records
        inserted = {records.keys[rid]: rid for rid in fold.inserted} if self else {}
        for names in self._names():
            records.concerned[[inserted[key] for key in names & inserted.keys()]] = True
        touched = set(judged.touched)
        for rid, merge in fold.merges:
            touched |= self._merge(rid, merge)
        self.touched = seeds = {key for each in touched for key in self._group(each)}
        changed = np.array(fold.ended + fold.compared, np.int64)
        self.touched = seeds | {records.keys[rid] for rid in changed[records.concerned[changed]].tolist()}
        if not touched:
            return []
        rids = [records.rid_of[key] for key in sorted(seeds) if key in records.rid_of]
        records.concerned[rids] = True
        for key, events in judged.touched.items():
            named = records.rid_of.get(key)
            if named is not None:
                fold.events[named] = tuple(dict.fromkeys((*fold.events.get(named, ()), *events)))
        return rids

    def connected_with(self, rids: Indices) -> Indices:
        """Return the known records that merges and must-links connect with these, themselves included."""
        records = self._records
        concerned = rids[records.concerned[rids]]
        if not len(concerned):
            return _NO_RIDS
        keys = {key for rid in concerned.tolist() for key in self._group(records.keys[rid])}
        return np.array([records.rid_of[key] for key in keys if key in records.rid_of], np.int64)

    def about(self, nodes: Indices) -> Stated:
        """Return what is said of live records that contain all that statements connect with any of them."""
        at = np.flatnonzero(self._records.concerned[nodes])
        if not len(at):
            return NOTHING_STATED
        keys = self._records.keys
        position = {keys[rid]: i for rid, i in zip(nodes[at].tolist(), at.tolist(), strict=True)}
        constraints, overruled, shielded, lives = constrain(position, self.merges.others, self.decisions)
        of_rids = {int(nodes[at]): own for at, own in lives.items()}
        return Stated(constraints, overruled, np.array(shielded, np.int64), of_rids)

    def lives(self) -> Mapping[int, Lives]:
        """Return whose former and whose new identity live records are, by record number."""
        records = self._records
        known = slice(len(records))
        wanted = records.live[known] & records.concerned[known]
        return self.about(np.flatnonzero(wanted)).lives if self.decisions.lives else {}

    def lives_of(self, rid: int) -> Lives:
        """Return whose former and whose new identity severances say that a record is, be it live or not."""
        book = self.decisions
        return book.lives.get(self._records.keys[rid], NO_LIVES) if book.lives else NO_LIVES

    def decided(self, nodes: Indices) -> dict[int, tuple[str, ...]]:
        """Return the ids of the decisions in force about links of these records, by founder; never a severance."""
        records, book = self._records, self.decisions
        found: dict[int, set[str]] = {}
        for rid in nodes[records.concerned[nodes]].tolist() if book else ():
            for pairs in (book.must, book.cannot):
                for ids in pairs.others(records.keys[rid]).values():
                    linking = {each for each in ids if book.made[each].kind != "severed"}
                    if linking:
                        found.setdefault(int(records.founders[rid]), set()).update(linking)
        return {founder: tuple(sorted(ids)) for founder, ids in found.items()}

    def kept_apart(self, nodes: Indices) -> set[tuple[int, int]]:
        """Return the pairs of clusters (by founder), one of them with these records, that people keep apart.

        What a severance says of a record it also says of those with which merges and must-links connect that one.
        """
        records, book, pairs = self._records, self.decisions, set()
        for rid in nodes[records.concerned[nodes]].tolist() if book.cannot else ():
            key = records.keys[rid]
            apart = set(book.cannot.others(key))
            if book.severed:
                apart.update(severed_from(key, self._group, book.severed.others))
            for other in (records.rid_of[each] for each in apart if each in records.rid_of):
                if records.live[other]:
                    pair = sorted((int(records.founders[rid]), int(records.founders[other])))
                    pairs.add((pair[0], pair[1]))
        return pairs

    def unbound_shields(self) -> tuple[set[str], list[str]]:
        """Return the touched shields that were bound to no live record, and those that are now (decision ids)."""
        book, was = self.decisions, set[str]()
        if not book.shields and not self._unbound:
            return was, []
        keys = {key for each in self.touched for key in self._group(each)}
        named = {each for key in keys for each in book.shields.get(key, ())}
        was = {each for each, left in self._unbound.items() if not keys.isdisjoint(left)}
        for each in was:
            del self._unbound[each]
        now = sorted(each for each in named if not self._is_bound(each))
        self._unbound.update((each, book.made[each].left) for each in now)
        return was, now

    def restore(self, decisions: Iterable[Decision]) -> None:
        """Take merges from the loaded records, and decisions from their durable form."""
        records = self._records
        for rid, merge in records.merges.items():
            self.merges.link(records.keys[rid], merge[0])
        self.decisions.add(decisions)
        shields = {each for ids in self.decisions.shields.values() for each in ids}
        self._unbound = {each: self.decisions.made[each].left for each in shields if not self._is_bound(each)}
        rids = (records.rid_of.get(key) for names in self._names() for key in names)
        records.concerned[[rid for rid in rids if rid is not None]] = True

    def _is_bound(self, shield: str) -> bool:
        """Tell whether a shield protects a live record, named or connected with a named one."""
        rid_of, live = self._records.rid_of, self._records.live
        keys = (key for named in self.decisions.made[shield].left for key in self._group(named))
        return any(key in rid_of and live[rid_of[key]] for key in keys)

    def _names(self) -> Iterable[KeysView[str]]:
        """Return the keys that merges and decisions speak of."""
        return self.merges.names(), *self.decisions.names()

    def _group(self, key: str) -> set[str]:
        return connected(key, lambda each: (*self.merges.others(each), *self.decisions.must.others(each)))

    def _merge(self, rid: int, merge: tuple[str, int, str]) -> set[str]:
        """Take up the newest merge of a record; return the keys whose connections it changes."""
        records = self._records
        key, former = records.keys[rid], records.merges.get(rid, NO_MERGE)[0]
        if former:
            back = records.rid_of.get(former)
            still = back is not None and records.merges.get(back, NO_MERGE)[0] == key
            self.merges.unlink(key, former, still_linked=still)
        records.merges[rid] = merge
        if merge[0]:
            self.merges.link(key, merge[0])
        return {name for name in (key, former, merge[0]) if name}
