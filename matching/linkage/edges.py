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
from matching.linkage.scoring import Weights

EDGE: Final = np.dtype([("rid", "<u4"), ("content_version", "<u4"), ("weight", "<i4"), ("model", "<u4")])
"""One edge in the row of the record that was compared: the other record, its content version, total weight (centibits),
and the first four bytes of the model id."""

Edges = npt.NDArray[np.void]


def model_tag(model: LinkageModel) -> int:
    """Return the first four bytes of the model id as a number."""
    return int(model.model_id[:8], 16)


def make_edges(other: Indices, content_versions: npt.NDArray[np.int32], weights: Weights, tag: int) -> Edges:
    """Return edges to the `other` records, ready for `tobytes`."""
    edges = np.empty(len(other), EDGE)
    edges["rid"], edges["content_version"], edges["weight"], edges["model"] = other, content_versions, weights, tag
    return edges


def read_edges(data: bytes) -> Edges:
    """Return the edges in a row's bytes."""
    return np.frombuffer(data, EDGE)


def edges_of_rows(rows: Sequence[bytes]) -> tuple[Indices, Edges]:
    """Return the edges in the bytes of several rows, and the position of the row of each."""
    return np.repeat(np.arange(len(rows)), [len(row) // EDGE.itemsize for row in rows]), read_edges(b"".join(rows))
