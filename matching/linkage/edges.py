"""Edges as numbers and as bytes: what is kept of a compared pair.

An edge holds while both of its records still have the content versions at which it was found, so an update never has
to search for the edges that it makes invalid.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.linkage.hashing import Indices
from matching.linkage.model import LinkageModel
from matching.linkage.similarity import Levels

EDGE: Final = np.dtype(
    [("rid", "<u4"), ("content_version", "<u4"), ("weight", "<i4"), ("model", "<u4"), ("levels", "<u8")]
)
"""One edge in the row of the record that was compared: the other record, its content version, total weight (centibits),
the first four bytes of the model id, and the level codes, 4 bits each, the first comparison lowest."""

Edges = npt.NDArray[np.void]


def pack_levels(levels: Levels) -> npt.NDArray[np.uint64]:
    """Return the level codes of each pair, shape (pairs, comparisons), as one 64-bit word."""
    packed = np.zeros(len(levels), np.uint64)
    for i, codes in enumerate(levels.T):
        packed |= codes.astype(np.uint64) << np.uint64(4 * i)
    return packed


def unpack_levels(packed: npt.NDArray[np.uint64], n_comparisons: int) -> Levels:
    """Return the level codes that `pack_levels` packed."""
    shifts = np.arange(n_comparisons, dtype=np.uint64) * np.uint64(4)
    return ((packed[:, None] >> shifts) & np.uint64(15)).astype(np.int8)


def model_tag(model: LinkageModel) -> int:
    """Return the first four bytes of the model id as a number."""
    return int(model.model_id[:8], 16)


def make_edges(
    other: Indices, content_versions: npt.NDArray[np.int32], weights: npt.NDArray[np.int64], levels: Levels, tag: int
) -> Edges:
    """Return edges to the `other` records, ready for `tobytes`."""
    edges = np.empty(len(other), EDGE)
    edges["rid"], edges["content_version"], edges["weight"] = other, content_versions, weights
    edges["model"], edges["levels"] = tag, pack_levels(levels)
    return edges


def read_edges(data: bytes) -> Edges:
    """Return the edges in a row's bytes."""
    return np.frombuffer(data, EDGE)


def edges_of_rows(rows: Sequence[bytes]) -> tuple[Indices, Edges]:
    """Return the edges in the bytes of several rows, and the position of the row of each."""
    return np.repeat(np.arange(len(rows)), [len(row) // EDGE.itemsize for row in rows]), read_edges(b"".join(rows))
