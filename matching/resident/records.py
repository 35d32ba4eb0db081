"""What the resident owner knows of each record besides its compared values, and the newest-version rule.

A record's state is its newest version by (version, fingerprint); of two kinds with one version and fingerprint, no
longer being there wins. Late and repeated versions change nothing but the first `ingested_at`, of which the minimum
is kept. The newest merge is kept apart: it still says which record survived when the loser is observed again. An
erasure is a change that beats every version up to its own (`refuse_erased` keeps them out from then on); the record is
then taken as first received when it was erased, which does not depend on what had been received by then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from matching.changes import SourceChange
from matching.linkage.columns import SEPARATOR, RecordColumns
from matching.linkage.hashing import Indices
from matching.linkage.model import LinkageModel
from matching.resident.fingerprints import Fingerprints
from matching.resident.record_keys import CodedTexts, KeyNumbers, RecordKeys
from schemas.identity import number_basis

NO_CLUSTER: Final = -1
_FIRST: Final = 1 << 12

Merge = tuple[str, int, str]
"""(surviving record's key, version, fingerprint) of the newest merge of a record; ("", 0, "") if there was none."""
NO_MERGE: Final[Merge] = ("", 0, "")
ERASED: Final = "~"
"""The fingerprint of an erased version: after all real ones, which are hexadecimal."""


@dataclass(slots=True)
class Fold:
    """What a batch of changes does to records: lists of record numbers.

    `inserted` were unknown, with `sources` theirs. `ended` were live and are not. `compared` are live and have new
    content, with `rows` their values; `replaced` are those of them that had other content before. `relabelled` have a
    new version or first `ingested_at` but nothing that comparison sees; `refounded` are those of any kind that are live
    and were first ingested earlier than was known. `rewritten` are known records of which the whole row changes,
    `former_rows` the values that they had. `events` are the ids of the source events that changed each record.
    """

    inserted: list[int] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    compared: list[int] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)
    replaced: list[int] = field(default_factory=list)
    rewritten: list[int] = field(default_factory=list)
    former_rows: list[str] = field(default_factory=list)
    relabelled: list[int] = field(default_factory=list)
    refounded: list[int] = field(default_factory=list)
    merges: list[tuple[int, Merge]] = field(default_factory=list)
    events: dict[int, tuple[str, ...]] = field(default_factory=dict)
    ignored: int = 0

    def rewrite(self, stored: _Stored) -> None:
        """Note that the whole row of a known record changes."""
        self.rewritten.append(stored.rid)
        self.former_rows.append(stored.row)

    def compare_again(self, stored: _Stored, row: str) -> None:
        """Note that a known record is live with these values now.

        What is not compared can change the durable row as well, whose edges are not in memory: compare again.
        """
        self.compared.append(stored.rid)
        self.rows.append(row)
        self.rewrite(stored)
        if stored.live:
            self.replaced.append(stored.rid)


class _Stored(NamedTuple):
    """What is known of one record before a batch; `row` are its values, joined by SEPARATOR."""

    rid: int
    version: int
    live: bool
    ingested: int
    verified: int
    fingerprint: str
    row: str
    authority: str


class _Touched:
    """All that one batch says of one record."""

    __slots__ = ("erasure", "first_ingested", "merge", "newest")

    def __init__(self, change: SourceChange) -> None:
        self.newest = change
        self.first_ingested = change
        self.merge = change if change.kind == "merged" else None
        self.erasure = change if change.kind == "erased" else None

    def add(self, change: SourceChange) -> None:
        if change.kind == "erased":
            self.erasure = change
        if _order(change) > _order(self.newest):
            self.newest = change
        if change.ingested_at < self.first_ingested.ingested_at:
            self.first_ingested = change
        if change.kind == "merged" and (self.merge is None or newer_merge(_merge(change), _merge(self.merge))):
            self.merge = change


class RecordTable:
    """Keys, versions, liveness and cluster of every record, by record number. `columns` holds the compared values.

    `concerned` marks records that a merge or a decision speaks of; `shielded` and `questioned` mark clusters, by
    founder: a shield protects them, an open conflict is about them. `adopted` has the severances (event ids, sorted)
    that make clusters new identities, by founder; most are none. `following` is the next member of each record's
    cluster, the record itself where it is alone.
    """

    def __init__(self, model: LinkageModel) -> None:
        self.columns = RecordColumns(model)
        self.blank: Final = SEPARATOR * (len(model.fields) - 1)
        self.keys: Final = RecordKeys()
        self.rid_of: Final = KeyNumbers(self.keys)
        self.fingerprints: Final = Fingerprints()
        self.merges: dict[int, Merge] = {}
        self.versions: npt.NDArray[np.int64] = np.zeros(_FIRST, np.int64)
        self.ingested: npt.NDArray[np.int64] = np.zeros(_FIRST, np.int64)
        self.content_versions: npt.NDArray[np.int32] = np.zeros(_FIRST, np.int32)
        self.live: npt.NDArray[np.bool_] = np.zeros(_FIRST, dtype=bool)
        self.concerned: npt.NDArray[np.bool_] = np.zeros(_FIRST, dtype=bool)
        self.shielded: npt.NDArray[np.bool_] = np.zeros(_FIRST, dtype=bool)
        self.questioned: npt.NDArray[np.bool_] = np.zeros(_FIRST, dtype=bool)
        self.verified: npt.NDArray[np.uint8] = np.zeros(_FIRST, np.uint8)
        self.authorities: Final = CodedTexts()
        self.adopted: Final[dict[int, tuple[str, ...]]] = {}
        self.founders: npt.NDArray[np.int32] = np.full(_FIRST, NO_CLUSTER, np.int32)
        self.following: npt.NDArray[np.int32] = np.arange(_FIRST, dtype=np.int32)

    def __len__(self) -> int:
        return self.keys.count

    def basis(self, founder: int) -> str:
        """Return what the child number of the cluster with this founder is made from."""
        return number_basis(self.keys[founder], self.adopted.get(founder, ()))

    def append(self, keys: Sequence[str], fingerprints: Sequence[str]) -> None:
        """Add records with nothing known of them yet but this. Their values are appended to `columns` by the caller."""
        self.keys.extend(keys)
        self.fingerprints.extend(fingerprints)
        self.authorities.reserve(len(self))
        self._reserve(len(self))

    def fold(self, changes: Sequence[SourceChange]) -> Fold:
        """Apply the newest-version rule to a batch. Versions, liveness and merges are updated; `columns` are not."""
        fold = Fold()
        newest: dict[str, SourceChange] = {}
        several: dict[str, _Touched] = {}
        for change in changes:
            before = newest.setdefault(change.key, change)
            if before is not change:
                state = several.get(change.key) or several.setdefault(change.key, _Touched(before))
                state.add(change)
                newest[change.key] = state.newest
        rid_of = self.keys.numbers(list(newest))
        self._insert([change for key, change in newest.items() if key not in rid_of], several, fold)
        known = [key for key in newest if key in rid_of]
        plain: list[tuple[int, SourceChange]] = []
        for stored, key in zip(self._stored([rid_of[key] for key in known]), known, strict=True):
            change = newest[key]
            if _is_plain(stored, change) and key not in several:
                plain.append((stored.rid, change))
                self._update_plain(stored, change, fold)
            else:
                self._update(stored, several.get(key) or _Touched(change), fold)
        if plain:
            self._take_newest(plain)
        fold.ignored = len(changes) - len(fold.events)
        return fold

    def _insert(self, fresh: list[SourceChange], several: Mapping[str, _Touched], fold: Fold) -> None:
        """Add unknown records by the newest change of each; `several` has those of which there was more than one."""
        if not fresh:
            return
        keys, sources, kinds, versions, fingerprints, ingested, events, *_, authorities, verified = zip(
            *fresh, strict=True
        )
        first = len(self)
        self.append(keys, fingerprints)
        fold.sources.extend(sources)
        rids, new = range(first, len(self)), slice(first, len(self))
        fold.inserted.extend(rids)
        self.versions[new], self.ingested[new] = versions, ingested
        self.live[new] = live = [kind == "observed" for kind in kinds]
        self.verified[new] = np.where(live, verified, 0)
        self.authorities.put(new, [text if is_live else "" for text, is_live in zip(authorities, live, strict=True)])
        fold.events.update(zip(rids, zip(events, strict=True), strict=True))
        fold.compared.extend(compress(rids, live))
        fold.rows.extend([change.row or "" for change in compress(fresh, live)])
        if several or "merged" in kinds:
            for rid, change in zip(rids, fresh, strict=True):
                if change.key in several or change.kind == "merged":
                    self._insert_more(rid, several.get(change.key) or _Touched(change), fold)

    def _insert_more(self, rid: int, state: _Touched, fold: Fold) -> None:
        """Add what only a merge or more than one change of a new record says."""
        self.ingested[rid] = state.first_ingested.ingested_at
        if state.merge is not None:
            fold.merges.append((rid, _merge(state.merge)))
            if state.merge is not state.newest:
                fold.events[rid] = (state.newest.event_id, state.merge.event_id)

    def _stored(self, rids: list[int]) -> Iterator[_Stored]:
        """Yield what is known of records; read at once, because one by one takes four times as long."""
        at = np.array(rids, np.int64)
        columns = (self.versions, self.live, self.ingested, self.verified)
        versions, live, ingested, verified = (column[at].tolist() for column in columns)
        texts = self.fingerprints.of(rids), self.columns.rows(at), self.authorities.of(rids)
        return map(_Stored, rids, versions, live, ingested, verified, *texts)

    def _update_plain(self, stored: _Stored, change: SourceChange, fold: Fold) -> None:
        """Do what `_update` does for a change that `_is_plain`, all but what `_take_newest` does for many at once."""
        row = change.row or ""
        fold.events[stored.rid] = (change.event_id,)
        if (row, change.authority, change.verified) == (stored.row, stored.authority, stored.verified):
            fold.relabelled.append(stored.rid)
        else:
            fold.compare_again(stored, row)

    def _take_newest(self, changes: list[tuple[int, SourceChange]]) -> None:
        """Take the version of each record's change, and what is kept with it."""
        rids, newest = zip(*changes, strict=True)
        at = np.array(rids, np.int64)
        _, _, _, versions, fingerprints, *_, authorities, verified = zip(*newest, strict=True)
        self.versions[at], self.verified[at] = versions, verified
        self.fingerprints.put(at, fingerprints)
        self.authorities.put(at, authorities)

    def _update(self, stored: _Stored, state: _Touched, fold: Fold) -> None:
        change, events = state.newest, []
        rid, was_live = stored.rid, stored.live
        erasure = state.erasure
        if erasure is not None:
            if self.merges.get(rid, NO_MERGE)[0] and self.merges[rid][1] <= erasure.version:
                fold.merges.append((rid, NO_MERGE))
            events.append(erasure.event_id)
            self.ingested[rid] = erasure.ingested_at
            fold.refounded.append(rid)
        merged = state.merge is not None and newer_merge(_merge(state.merge), self.merges.get(rid, NO_MERGE))
        if merged and state.merge is not None:
            fold.merges.append((rid, _merge(state.merge)))
            events.append(state.merge.event_id)
        first = stored.ingested if erasure is None else erasure.ingested_at
        if state.first_ingested.ingested_at < first:
            self.ingested[rid] = state.first_ingested.ingested_at
            events.append(state.first_ingested.event_id)
            fold.refounded.append(rid)
        row, live, same = stored.row, was_live, True
        if _order(change) > (stored.version, stored.fingerprint, not was_live):
            self.versions[rid], self.fingerprints[rid] = change.version, change.fingerprint
            self.live[rid] = live = change.kind == "observed"
            events.append(change.event_id)
            row = (change.row or "") if live else self.blank
            same = (row, change.authority, change.verified) == (stored.row, stored.authority, stored.verified)
            self.authorities[rid], self.verified[rid] = change.authority, change.verified
        if not events:
            return
        fold.events[rid] = tuple(dict.fromkeys(events))
        if live and (merged or erasure or not was_live or not same):
            fold.compare_again(stored, row)
        elif was_live and not live:
            fold.ended.append(rid)
            fold.rewrite(stored)
        elif merged or erasure:
            fold.rewrite(stored)
        else:
            fold.relabelled.append(rid)

    def in_key_order(self, rids: Indices) -> Indices:
        """Return record numbers in order of their record keys."""
        keys = self.keys
        return np.array(sorted(rids.tolist(), key=keys.__getitem__), np.int64)

    def _reserve(self, n: int) -> None:
        if n <= len(self.live):
            return
        more = max(n, len(self.live) + len(self.live) // 4) - len(self.live)
        self.versions = np.concatenate([self.versions, np.zeros(more, np.int64)])
        self.ingested = np.concatenate([self.ingested, np.zeros(more, np.int64)])
        self.content_versions = np.concatenate([self.content_versions, np.zeros(more, np.int32)])
        self.live = np.concatenate([self.live, np.zeros(more, dtype=bool)])
        self.concerned = np.concatenate([self.concerned, np.zeros(more, dtype=bool)])
        self.shielded = np.concatenate([self.shielded, np.zeros(more, dtype=bool)])
        self.questioned = np.concatenate([self.questioned, np.zeros(more, dtype=bool)])
        self.verified = np.concatenate([self.verified, np.zeros(more, np.uint8)])
        self.founders = np.concatenate([self.founders, np.full(more, NO_CLUSTER, np.int32)])
        self.following = np.concatenate(
            [self.following, np.arange(len(self.live) - more, len(self.live), dtype=np.int32)]
        )


def _order(change: SourceChange) -> tuple[int, str, bool]:
    return change.version, change.fingerprint, change.kind != "observed"


def _is_plain(stored: _Stored, change: SourceChange) -> bool:
    """Tell whether a change, the only one of a live record, is a newer version of it and nothing else: most are."""
    newer = change.version > stored.version and change.ingested_at >= stored.ingested
    return newer and stored.live and change.kind == "observed"


def newer_merge(merge: Merge, than: Merge) -> bool:
    """Tell whether a merge replaces another one of the same record."""
    return (merge[1], merge[2], merge[0]) > (than[1], than[2], than[0])


def _merge(change: SourceChange) -> Merge:
    return change.merged_into or "", change.version, change.fingerprint
