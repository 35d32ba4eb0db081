"""Making the shared index anew from the records: after an owner has linked them, and after a crash of the server.

Blocking keys, neighbours and announcements follow from the records, the decisions and the open conflicts, so their
tables are not written to PostgreSQL's log (`unlogged`). A crash empties them, and with them the mark that says they are
whole; the first worker that finds the mark gone makes them again, while all others wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from time import perf_counter
from typing import Final

import numpy as np
import structlog

from connectors.postgres import wrap_errors
from matching.linkage.model import LinkageModel
from matching.shared.decided import pairs_named
from matching.shared.index_tables import Indexed, IndexTables
from matching.shared.neighbours import edges_of
from matching.shared.reach import Reach
from matching.shared.survey import Content, Surveyor, contents_of
from matching.shared.tables import Tables
from matching.stage import store

log = structlog.get_logger(__name__)

_CHUNK: Final = 20_000


def ensure_index(tables: Tables, model: LinkageModel) -> bool:
    """Make the index unless it is whole; tell whether it had to be made. Raises RetriableError while another does."""
    index = IndexTables(tables.connection)
    with wrap_errors():
        if index.is_whole():
            return False
        begun = perf_counter()
        with tables.connection.transaction():
            tables.take_turn(alone=True)
            if index.is_whole():  # another worker was faster
                return False
            index.begin()
            surveyor, count = Surveyor(model), 0
            for rows in index.records(_CHUNK):
                _index(index, surveyor, rows)
                count += len(rows)
            index.end()
            _add_stated(tables)
            _add_questions(tables)
            _cover(tables, surveyor, model)
    if count:
        log.info("index_made", count=count, seconds=round(perf_counter() - begun, 1))
    return True


def _index(index: IndexTables, surveyor: Surveyor, rows: Sequence[Indexed]) -> None:
    rids, keys = surveyor.index_keys([Content(row.rid, "", row.source, row.features) for row in rows])
    index.fill_blocks(keys, rids)
    index.fill_neighbours(edges_of([row.rid for row in rows], [row.edges for row in rows]))


def _add_stated(tables: Tables) -> None:
    """Note what decisions name together; merges by sources are noted by `IndexTables.end`."""
    decisions = store.read_decisions(tables.connection)
    rid_of = tables.rids_of(key for each in decisions for key in (*each.left, *each.right))
    tables.add_neighbours(pairs_named(decisions, rid_of))


def _add_questions(tables: Tables) -> None:
    conflicts = store.read_conflicts(tables.connection)
    rid_of = tables.rids_of(chain.from_iterable(state.records for _, state in conflicts))
    tables.add_questions([(rid_of[key], name) for name, state in conflicts for key in state.records])


def _cover(tables: Tables, surveyor: Surveyor, model: LinkageModel) -> None:
    """Cover all that any shield reaches, in force or not: one too many is only looked at in vain.

    A shield also protects those with whom merges and decisions connect a record that is no longer live.
    """
    shields = [each for each in store.read_decisions(tables.connection) if each.kind == "shield"]
    named = tables.rids_of(key for each in shields for key in each.left)
    reached, _ = Reach(tables, model.link_threshold).reached(np.array(sorted(named.values()), np.int64))
    rids, keys = surveyor.shield_index_keys(contents_of(tables.records(reached)))
    tables.cover(reached, keys, rids)
