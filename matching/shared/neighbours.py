"""Which records have to be looked at together: rows of matching.shared_neighbour, and the marks in their weights.

The table is a superset of the edges that hold. A row too many makes a batch look at a record in vain; a row too few
would lose a link, so rows are only taken away from records that the batch has reserved and compared again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from matching.linkage.edges import edges_of_rows
from matching.linkage.hashing import Indices

STATED: Final = 2**31 - 1
"""A source merged one of the two into the other, or a decision names both. Such rows stay."""
ANNOUNCED: Final = STATED - 1
"""Found by another worker while the record was announced and not yet linked: its own batch will find the edge."""
ALL: Final = -(2**31)


class Neighbours(NamedTuple):
    """Rows of the table by column."""

    rids: Indices
    others: Indices
    weights: Indices

    @classmethod
    def of(cls, rows: list[tuple[int, int, int]]) -> Neighbours:
        """Return rows by column."""
        table = np.array(rows, np.int64).reshape(-1, 3)
        return cls(table[:, 0], table[:, 1], table[:, 2])


def joined(parts: list[Neighbours]) -> Neighbours:
    """Return all rows in one table."""
    if not parts:
        return Neighbours.of([])
    return Neighbours(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def both_ways(rids: Indices, others: Indices, weights: Indices) -> Neighbours:
    """Return a row for each direction of pairs."""
    return Neighbours(
        np.concatenate([rids, others]), np.concatenate([others, rids]), np.concatenate([weights, weights])
    )


def edges_of(rids: Sequence[int], rows: Sequence[bytes]) -> Neighbours:
    """Return the edges that the rows of records hold, both ways."""
    at, edges = edges_of_rows(rows)
    return both_ways(np.array(rids, np.int64)[at], edges["rid"].astype(np.int64), edges["weight"].astype(np.int64))
