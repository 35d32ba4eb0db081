"""The durable form of the resident owner's state: rows out of a batch, and rows taken back at the start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Final

import numpy as np

from matching.changes import RecordRow, RowLabel
from matching.linkage.blocking import Blocker
from matching.linkage.edges import EDGE, edges_of_rows, make_edges
from matching.linkage.hashing import Indices
from matching.linkage.lives import Lives, new_identities
from matching.linkage.scoring import Weights
from matching.resident.child_numbers import ChildNumbers
from matching.resident.edges import EdgeTable
from matching.resident.index import BlockIndex
from matching.resident.records import NO_CLUSTER, RecordTable
from matching.resident.regroup import Clusters
from matching.resident.versions import NO_MERGE
from schemas.errors import ConfigurationError, FatalError
from schemas.identity import child_number

_INDEX_CHUNK: Final = 100_000
_NEVER: Final = ("0" * 32, 0, False, *NO_MERGE, 0, None, b"", b"", "", 0)
"""All that a row says from its fingerprint on, of a record that was never there."""


def edge_bytes(owners: Indices, others: Indices, weights: Weights, records: RecordTable, tag: int) -> dict[int, bytes]:
    """Return the edges of each owner as the bytes of its row."""
    order = np.argsort(owners, kind="stable")
    owners, others = owners[order], others[order]
    data = make_edges(others, records.content_versions[others], weights[order], tag).tobytes()
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    bounds = (np.append(starts, len(owners)) * EDGE.itemsize).tolist()
    return {
        owner: data[begin:end]
        for owner, begin, end in zip(owners[starts].tolist(), bounds[:-1], bounds[1:], strict=True)
    }


def whole_rows(
    rids: list[int], records: RecordTable, edges: dict[int, bytes], numbers: ChildNumbers
) -> list[RecordRow]:
    """Return the whole rows of records."""
    at = np.array(rids, np.int64)
    merges = [records.merges.get(rid, NO_MERGE) for rid in rids] if records.merges else [NO_MERGE] * len(rids)
    live, sources = records.live[at].tolist(), records.columns.source_names
    # In the order of RecordRow's fields; zipped at once because this runs for every record of every batch.
    columns = zip(
        rids,
        map(records.keys.__getitem__, rids),
        [sources[code] for code in records.columns.sources[at].tolist()],
        records.versions[at].tolist(),
        records.fingerprints.of(rids),
        records.ingested[at].tolist(),
        live,
        *zip(*merges, strict=True),
        records.content_versions[at].tolist(),
        [None if founder == NO_CLUSTER else numbers[founder] for founder in records.founders[at].tolist()],
        [row if is_live else b"" for row, is_live in zip(records.columns.encoded(at), live, strict=True)],
        [edges.get(rid, b"") for rid in rids],
        records.authorities.of(rids),
        records.verified[at].tolist(),
        strict=True,
    )
    return list(map(partial(tuple.__new__, RecordRow), columns)) if rids else []


def row_labels(rids: Iterable[int], records: RecordTable, numbers: ChildNumbers) -> list[RowLabel]:
    """Return the labels of records whose rows otherwise stay."""
    return [
        RowLabel(
            rid,
            int(records.versions[rid]),
            records.fingerprints[rid],
            int(records.ingested[rid]),
            None if records.founders[rid] == NO_CLUSTER else numbers(int(records.founders[rid])),
        )
        for rid in rids
    ]


def without_gaps(rows: list[RecordRow]) -> list[RecordRow]:
    """Return rows in order of rid, with a record that was never there in each place that has none.

    Shared workers number the keys that they hear of; some of these never come.
    """
    if not rows or rows[-1].rid < len(rows):
        return rows
    placed: list[RecordRow] = []
    for row in rows:
        placed += [RecordRow(rid, "", row.source, 0, *_NEVER) for rid in range(len(placed), row.rid)]
        placed.append(row)
    return placed


def load_records(rows: list[RecordRow], records: RecordTable) -> None:
    """Fill an empty table with rows, which must be those of rid 0, 1, 2, … in order."""
    records.append([r.key for r in rows], [r.fingerprint for r in rows])
    n = len(rows)
    records.versions[:n] = [r.version for r in rows]
    records.ingested[:n] = [r.ingested_at for r in rows]
    records.live[:n] = [r.live for r in rows]
    records.content_versions[:n] = [r.content_version for r in rows]
    records.authorities.put(slice(n), [r.authority for r in rows])
    records.verified[:n] = [r.verified for r in rows]
    for start in range(0, n, _INDEX_CHUNK):
        part = rows[start : start + _INDEX_CHUNK]
        values = [r.features.decode() if r.live else records.blank for r in part]
        records.columns.append(values, [r.source for r in part])
    records.merges.update(
        (r.rid, (r.merged_into, r.merged_version, r.merged_fingerprint)) for r in rows if r.merged_into
    )


def load_index(records: RecordTable, blocker: Blocker) -> BlockIndex:
    """Return the index of all live records."""
    live = np.flatnonzero(records.live[: len(records)])
    index = BlockIndex(len(live) * len(blocker.rules))
    for start in range(0, len(live), _INDEX_CHUNK):
        rids = live[start : start + _INDEX_CHUNK]
        owners, keys = blocker.keys(records.columns, rids)
        index.add(keys, rids[owners])
    return index


def load_edges(rows: list[RecordRow], records: RecordTable, tag: int) -> EdgeTable:
    """Return the edges that still hold.

    Raises ConfigurationError if another model than `tag` found any of them, FatalError if one leads to a lost row.
    """
    table = EdgeTable()
    table.reserve(len(rows))
    for start in range(0, len(rows), _INDEX_CHUNK):
        part = rows[start : start + _INDEX_CHUNK]
        owners, edges = edges_of_rows([r.edges for r in part])
        owners += start
        if (edges["model"] != tag).any():
            raise ConfigurationError(
                "matching.record was linked by another model: give that model, or rebuild matching from the log"
            )
        others = edges["rid"].astype(np.int64)
        if (others >= len(rows)).any() or (records.content_versions[others] < edges["content_version"]).any():
            raise FatalError("rows of matching.record were deleted or put back: rebuild it from the log")
        holds = (records.content_versions[others] == edges["content_version"]) & records.live[owners]
        table.add(owners[holds], others[holds], edges["weight"][holds].astype(np.int64), records.content_versions)
    return table


def load_clusters(rows: list[RecordRow], clusters: Clusters) -> None:
    """Take the clusters from the rows' child numbers."""
    members: dict[str, list[int]] = {}
    for row in rows:
        if row.child_number is not None:
            members.setdefault(row.child_number, []).append(row.rid)
    clusters.restore(members)


def load_names(rows: list[RecordRow], records: RecordTable, lives: Mapping[int, Lives]) -> None:
    """Give the clusters the severances that make them new identities; `lives` are the identities among the records.

    Raises ConfigurationError where a new identity has a number of the former one, as an earlier release gave it.
    """
    founders = records.founders
    records.adopted.update(new_identities((int(founders[rid]), own) for rid, own in lives.items()))
    if any(rows[founder].child_number != child_number(records.basis(founder)) for founder in records.adopted):
        raise ConfigurationError("an earlier release numbered severed identities: rebuild matching from the log")
