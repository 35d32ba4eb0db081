"""What the resident owner knows of each record besides its compared values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import compress
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.changes import SourceChange
from matching.linkage.columns import SEPARATOR, RecordColumns
from matching.linkage.growing import grown
from matching.linkage.hashing import Indices
from matching.linkage.model import LinkageModel
from matching.resident.fingerprints import Fingerprints
from matching.resident.record_keys import CodedTexts, KeyNumbers, RecordKeys
from matching.resident.versions import NO_MERGE, Fold, Merge, Stored, Touched, is_plain, merge_of, newer_merge, order_of
from schemas.identity import number_basis

NO_CLUSTER: Final = -1
_FIRST: Final = 1 << 12


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
        first, last = len(self), len(self) + len(keys)
        self.keys.extend(keys)
        self.fingerprints.extend(fingerprints)
        self.authorities.reserve(last)
        self._reserve(last)
        self.founders[first:last] = NO_CLUSTER
        self.following[first:last] = np.arange(first, last)

    def fold(self, changes: Sequence[SourceChange]) -> Fold:
        """Apply the newest-version rule to a batch. Versions, liveness and merges are updated; `columns` are not."""
        fold = Fold()
        newest: dict[str, SourceChange] = {}
        several: dict[str, Touched] = {}
        for change in changes:
            before = newest.setdefault(change.key, change)
            if before is not change:
                state = several.get(change.key) or several.setdefault(change.key, Touched(before))
                state.add(change)
                newest[change.key] = state.newest
        rid_of = self.keys.numbers(list(newest))
        self._insert([change for key, change in newest.items() if key not in rid_of], several, fold)
        known = [key for key in newest if key in rid_of]
        plain: list[tuple[int, SourceChange]] = []
        for stored, key in zip(self._stored([rid_of[key] for key in known]), known, strict=True):
            change = newest[key]
            if is_plain(stored, change) and key not in several:
                plain.append((stored.rid, change))
                self._update_plain(stored, change, fold)
            else:
                self._update(stored, several.get(key) or Touched(change), fold)
        if plain:
            self._take_newest(plain)
        return fold

    def _insert(self, fresh: list[SourceChange], several: Mapping[str, Touched], fold: Fold) -> None:
        """Add unknown records by the newest change of each; `several` has those of which there was more than one."""
        if not fresh:
            return
        keys, sources, kinds, versions, fingerprints, ingested, events, rows, _, authorities, verified, prepared = zip(
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
        fold.rows.extend(compress(zip(rows, prepared, strict=True), live))
        if several or "merged" in kinds:
            for rid, change in zip(rids, fresh, strict=True):
                if change.key in several or change.kind == "merged":
                    self._insert_more(rid, several.get(change.key) or Touched(change), fold)

    def _insert_more(self, rid: int, state: Touched, fold: Fold) -> None:
        """Add what only a merge or more than one change of a new record says."""
        self.ingested[rid] = state.first_ingested.ingested_at
        if state.merge is not None:
            fold.merges.append((rid, merge_of(state.merge)))
            if state.merge is not state.newest:
                fold.events[rid] = (state.newest.event_id, state.merge.event_id)

    def _stored(self, rids: list[int]) -> Iterator[Stored]:
        """Yield what is known of records; read at once, because one by one takes four times as long."""
        at = np.array(rids, np.int64)
        columns = (self.versions, self.live, self.ingested, self.verified)
        versions, live, ingested, verified = (column[at].tolist() for column in columns)
        texts = self.fingerprints.of(rids), self.columns.rows(at), self.authorities.of(rids)
        return map(Stored, rids, versions, live, ingested, verified, *texts)

    def _update_plain(self, stored: Stored, change: SourceChange, fold: Fold) -> None:
        """Do what `_update` does for a change that `is_plain`, all but what `_take_newest` does for many at once."""
        row = change.row or ""
        fold.events[stored.rid] = (change.event_id,)
        if (row, change.authority, change.verified) == (stored.row, stored.authority, stored.verified):
            fold.relabelled.append(stored.rid)
        else:
            fold.compare_again(stored, row, change.prepared)

    def _take_newest(self, changes: list[tuple[int, SourceChange]]) -> None:
        """Take the version of each record's change, and what is kept with it."""
        rids, newest = zip(*changes, strict=True)
        at = np.array(rids, np.int64)
        _, _, _, versions, fingerprints, *_, authorities, verified, _ = zip(*newest, strict=True)
        self.versions[at], self.verified[at] = versions, verified
        self.fingerprints.put(at, fingerprints)
        self.authorities.put(at, authorities)

    def _update(self, stored: Stored, state: Touched, fold: Fold) -> None:
        change, events = state.newest, []
        rid, was_live = stored.rid, stored.live
        erasure = state.erasure
        if erasure is not None:
            if self.merges.get(rid, NO_MERGE)[0] and self.merges[rid][1] <= erasure.version:
                fold.merges.append((rid, NO_MERGE))
            events.append(erasure.event_id)
            self.ingested[rid] = erasure.ingested_at
            fold.refounded.append(rid)
        merged = state.merge is not None and newer_merge(merge_of(state.merge), self.merges.get(rid, NO_MERGE))
        if merged and state.merge is not None:
            fold.merges.append((rid, merge_of(state.merge)))
            events.append(state.merge.event_id)
        first = stored.ingested if erasure is None else erasure.ingested_at
        if state.first_ingested.ingested_at < first:
            self.ingested[rid] = state.first_ingested.ingested_at
            events.append(state.first_ingested.event_id)
            fold.refounded.append(rid)
        row, live, same = stored.row, was_live, True
        if order_of(change) > (stored.version, stored.fingerprint, not was_live):
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
            fold.compare_again(stored, row, change.prepared if change.row == row else b"")
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
        self.versions, self.ingested = grown(self.versions, n), grown(self.ingested, n)
        self.content_versions, self.verified = grown(self.content_versions, n), grown(self.verified, n)
        self.live, self.concerned = grown(self.live, n), grown(self.concerned, n)
        self.shielded, self.questioned = grown(self.shielded, n), grown(self.questioned, n)
        self.founders, self.following = grown(self.founders, n), grown(self.following, n)
