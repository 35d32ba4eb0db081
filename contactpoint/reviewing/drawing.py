"""Draws a sample of pairs for blind review: links that hold, and pairs near the threshold that linkage asks about.

Links are drawn from all pairs of records of one child, in an order that only the seed decides, and parted by weight;
from each band come as many as asked for, so that rare weights are looked at too. What belongs to children who are, or
may be, shielded, and to severed identities, is never drawn.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
from psycopg import Connection
from psycopg.rows import TupleRow

from connectors.postgres import wrap_errors
from contactpoint.explaining.sight import Sight
from contactpoint.reviewing.side_by_side import may_show
from matching.linkage.columns import SEPARATOR, columns_of
from matching.linkage.model import LinkageModel
from matching.linkage.scoring import score
from matching.sql import QUERIES
from projections.review.reader import ReviewReader
from projections.reviewing.estimates import Stratum, band_of
from projections.reviewing.samples import Drawn, DrawnPair
from schemas.errors import RejectedError
from schemas.events import event_id


@dataclass(frozen=True, slots=True)
class Wanted:
    """How to draw: the seed, how many pairs of each band, and out of how many links (and open questions) at most."""

    seed: int
    each: int
    pool: int


class Weighed(NamedTuple):
    """A pair and its total weight in centibits."""

    left: str
    right: str
    weight: int


def draw(connection: Connection[TupleRow], model: LinkageModel, sight: Sight, wanted: Wanted) -> Drawn:
    """Return a sample; raise RejectedError when there is nothing to draw from."""
    pools = {True: _links(connection, model, wanted), False: _questions(connection, wanted)}
    shares: dict[Stratum, float] = {}
    pairs: list[DrawnPair] = []
    for linked, pool in pools.items():
        strata = _by_stratum(pool, model, sight, linked=linked)
        total = sum(map(len, strata.values()))
        shares |= {stratum: len(found) / total for stratum, found in sorted(strata.items())}
        pairs += [DrawnPair(each, *pair[:2]) for each, found in strata.items() for pair in found[: wanted.each]]
    if not pairs:
        raise RejectedError("nothing_to_draw", "no child has two records and no question is open")
    pairs.sort(key=lambda pair: event_id("place", wanted.seed, pair.left, pair.right))
    with wrap_errors():
        counted = connection.execute(QUERIES["count_linked_pairs"]).fetchone()
    return Drawn(wanted.seed, model.model_id, tuple(pairs), shares, counted[0] if counted else 0)


def _by_stratum(
    pool: Iterable[Weighed], model: LinkageModel, sight: Sight, *, linked: bool
) -> dict[Stratum, list[Weighed]]:
    found: dict[Stratum, list[Weighed]] = {}
    for pair in pool:
        if may_show(sight, pair[:2]):
            stratum = Stratum(linked, band_of(pair.weight, model.link_threshold))
            found.setdefault(stratum, []).append(pair)
    return found


def _links(connection: Connection[TupleRow], model: LinkageModel, wanted: Wanted) -> list[Weighed]:
    with wrap_errors():
        rows = connection.execute(
            QUERIES["draw_linked_pairs"], {"seed": str(wanted.seed), "limit": wanted.pool}
        ).fetchall()
    if not rows:
        return []
    sources = [row[side] for side in (2, 3) for row in rows]
    values = [bytes(row[side]).decode().split(SEPARATOR) for side in (4, 5) for row in rows]
    columns = columns_of(model, values, sources)
    place = np.arange(len(rows))
    weights = score(columns, place, place + len(rows), model)
    return [Weighed(row[0], row[1], weight) for row, weight in zip(rows, weights.tolist(), strict=True)]


def _questions(connection: Connection[TupleRow], wanted: Wanted) -> list[Weighed]:
    """Return the compared pairs of open questions whether two records are one child, in the seed's order."""
    asked = ReviewReader(connection).conflicts(datetime.now(UTC).date(), kind="possible_link", limit=wanted.pool)
    pairs = {(pair["left"], pair["right"]): int(pair["weight"]) for each in asked for pair in each.evidence}
    ordered = sorted(pairs, key=lambda pair: event_id("draw", wanted.seed, *pair))
    return [Weighed(*pair, pairs[pair]) for pair in ordered]
