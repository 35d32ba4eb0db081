"""Writing what a batch came to: rows, identities, blocking keys and neighbours, inside the batch's own transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np

from matching.changes import Delta, RecordRow
from matching.shared.blocks import write_blocks
from matching.shared.neighbours import ANNOUNCED, STATED, Neighbours, edges_of, joined
from matching.shared.steps import Announced, Reserved
from matching.shared.survey import Content, Surveyor, content_of, contents_of
from matching.shared.tables import Tables
from matching.stage import store
from matching.stage.messages import Batch
from schemas.dead_letter import DeadLetter


def write_outcome(
    tables: Tables,
    surveyor: Surveyor,
    announced: Announced,
    reserved: Reserved,
    delta: Delta,
    letters: Sequence[DeadLetter],
    *,
    publishing: bool = True,
) -> bool:
    """Write a delta with the index and the neighbours, and take the announcement back; tell whether to publish.

    Without `publishing`, amid a replay, no identities and no conflicts are published.
    """
    stale = _withdraw_announcement(tables, announced)
    write_blocks(tables, surveyor, announced, reserved, delta, stale)
    _write_neighbours(tables, announced, reserved, delta)
    _write_questions(tables, delta)
    return store.write_changes(tables.connection, Batch.of(delta, letters, [], epoch=0, publishing=publishing))


def cover_shielded(
    tables: Tables, surveyor: Surveyor, reserved: Reserved, delta: Delta, shielded: Collection[str]
) -> None:
    """Make the shield keys of what was looked at those of the records that are with a shielded child now."""
    rows = {row.rid: row for row in [*reserved.rows, *_compared(delta)]}
    rids, keys = surveyor.shield_index_keys(contents_of(row for row in rows.values() if row.key in shielded))
    tables.cover(np.array(sorted(rows), np.int64), keys, rids)


def _withdraw_announcement(tables: Tables, announced: Announced) -> list[Content]:
    """Take back all that was announced of the batch's events; return what this batch itself did not announce.

    A worker that died had announced it, with the same events or another cut of them: its keys are still there.
    """
    observed = {
        (announced.rid_of[change.key], change.event_id): change
        for change in announced.changes
        if change.kind == "observed"
    }
    rows = Counter(tables.delete_incoming(list(observed)))
    rows.subtract((content.rid, content.event_id) for content in announced.contents)
    return [content_of(observed[each], announced.rid_of) for each, count in rows.items() if count > 0]


def _write_neighbours(tables: Tables, announced: Announced, reserved: Reserved, delta: Delta) -> None:
    """Replace what was known of the neighbours of records that were compared again; add merges and hints."""
    rows, old = _compared(delta), reserved.neighbours
    again = np.isin(old.rids, np.array([row.rid for row in rows], np.int64)) & (old.weights < STATED)
    if again.any():
        # Hints for what another worker has announced of the same records, and not linked yet, are to stay.
        waiting = np.isin(old.rids, tables.still_incoming(old.rids[again & (old.weights == ANNOUNCED)]))
        for chosen, below in ((again & ~waiting, STATED), (again & waiting, ANNOUNCED)):
            tables.delete_neighbours(old.rids[chosen], old.others[chosen], below)
    known = set(zip(old.rids.tolist(), old.others.tolist(), old.weights.tolist(), strict=True))
    merges = dict.fromkeys(zip(*(column.tolist() for column in announced.stated), strict=True))
    fresh = Neighbours.of([row for row in merges if row not in known])
    edges = edges_of([row.rid for row in rows], [row.edges for row in rows])
    tables.add_neighbours(joined([edges, fresh, reserved.hints]))


def _write_questions(tables: Tables, delta: Delta) -> None:
    """Note which records the conflicts are about that opened or changed."""
    if not delta.conflicts:
        return
    tables.forget_questions([change.conflict_id for change in delta.conflicts])
    still = [change for change in delta.conflicts if change.step != "closed"]
    rid_of = tables.rids_of(key for change in still for key in change.state.records)
    tables.add_questions([(rid_of[key], change.conflict_id) for change in still for key in change.state.records])


def _compared(delta: Delta) -> list[RecordRow]:
    """Return the rows of which a batch has found the edges anew."""
    return [*delta.inserted, *delta.rewritten]
