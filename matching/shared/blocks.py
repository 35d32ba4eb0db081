"""Keeping the blocking keys of records exactly those of their contents, while writing only what changes.

A new version mostly has the keys of the one before. Whoever announces it therefore leaves out the keys that the record
has already: but only while it holds the record's reservation, so that nobody can take these keys away without seeing
the announcement. Of a record that another worker has reserved, all keys are announced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from matching.changes import Delta, RecordRow
from matching.linkage.hashing import Hashes, Indices
from matching.shared.steps import Announced, Reserved
from matching.shared.survey import Content, Surveyor, contents_of
from matching.shared.tables import Tables

_Pairs = set[tuple[int, int]]


def missing_keys(surveyor: Surveyor, settled: Sequence[Content], rids: Indices, keys: Hashes) -> npt.NDArray[np.bool_]:
    """Tell which keys, each of the record beside it, are not among those of the settled contents."""
    if not settled:
        return np.ones(len(keys), dtype=bool)
    there = _pairs(surveyor, settled)
    return np.array([pair not in there for pair in zip(rids.tolist(), keys.tolist(), strict=True)], dtype=bool)


def write_blocks(
    tables: Tables,
    surveyor: Surveyor,
    announced: Announced,
    reserved: Reserved,
    delta: Delta,
    stale: Sequence[Content],
) -> None:
    """Make the keys of records that were there before, or were announced twice, exactly those of their content.

    The keys of new records are there since they were announced; what a decision has erased has none. `stale` are
    contents that others had announced of the same events.
    """
    before = {row.rid: row for row in reserved.rows}
    after = {row.rid: row for row in (*delta.inserted, *delta.rewritten)}
    fresh = {row.rid for row in delta.inserted}
    exact = sorted(({*announced.own.tolist(), *after} - fresh) | {content.rid for content in stale})
    if not exact:
        return
    rids, wanted = np.array(exact, np.int64), set(exact)
    pending = {content.rid for content in (*stale, *tables.incoming(rids))}
    known = _as_announced(before, announced.settled) - pending
    old = contents_of(before[rid] for rid in exact if rid in before)
    was = _pairs(surveyor, [*stale, *old, *(each for each in announced.contents if each.rid in wanted)])
    shall = _pairs(surveyor, contents_of(row for rid in exact if (row := after.get(rid) or before.get(rid))))
    # Of a known record each key that it was to have is there once; of another one anything may be there, or twice.
    gone = {pair for pair in was | shall if pair not in shall or pair[0] not in known}
    tables.delete_blocks(*_columns(gone))
    kept = {pair for pair in shall if pair not in was or pair[0] not in known}
    # Another worker may have announced a newer content of the same record: its keys, in part the same, are to stay.
    kept |= _pairs(surveyor, tables.incoming(rids)) & gone
    tables.add_blocks(*_columns(kept))


def _as_announced(before: Mapping[int, RecordRow], settled: Mapping[int, bytes]) -> set[int]:
    """Return the records that are still as they were when the batch was announced."""
    return {
        rid for rid, features in settled.items() if (row := before.get(rid)) and row.live and row.features == features
    }


def _pairs(surveyor: Surveyor, contents: Iterable[Content]) -> _Pairs:
    """Return record and key of contents."""
    different = {(content.rid, content.features): content for content in contents}
    rids, keys = surveyor.index_keys(list(different.values()))
    return {*zip(rids.tolist(), keys.tolist(), strict=True)}


def _columns(pairs: _Pairs) -> tuple[Hashes, Indices]:
    """Return keys and records of pairs."""
    rids, keys = np.array(sorted(pairs), np.uint64).reshape(-1, 2).T
    return keys, rids.astype(np.int64)
