"""Two records side by side, for a person who is to say whether they are one child: values and findings, no weights.

Neither what linkage makes of the pair nor what anybody has answered is shown, so that the answer is the person's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from connectors.postgres import wrap_errors
from contactpoint.explaining.sight import Sight
from matching.changes import RecordRow
from matching.linkage.explain import explain_pair
from matching.linkage.model import LinkageModel
from matching.linkage.normalise import ALTERNATE
from matching.sql import QUERIES
from schemas.errors import RejectedError


@dataclass(frozen=True, slots=True)
class SideBySide:
    """What is shown of two records. `values` are rows (what, first, second), `findings` rows (comparison, in words).

    `children` are the numbers of the children they are with, for the trail and not for the person.
    """

    children: tuple[str, ...]
    values: tuple[tuple[str, str, str], ...]
    findings: tuple[tuple[str, str], ...]


def may_show(sight: Sight, keys: Sequence[str]) -> bool:
    """Tell whether nothing of these records has to be withheld, nor that they belong together."""
    try:
        sight.demand_right(keys)
    except RejectedError:
        return False
    return True


def side_by_side(
    connection: Connection[TupleRow], model: LinkageModel, pair: tuple[str, str], sight: Sight
) -> SideBySide | None:
    """Return what may be shown of two records; None when one is gone, or the asker may not see them."""
    with wrap_errors():
        found = connection.execute(QUERIES["rows_by_key"], {"keys": list(pair)}).fetchall()
    rows = {row.key: row for row in map(RecordRow._make, found) if row.live}
    if len(rows) < len(pair) or not may_show(sight, pair):
        return None
    one, other = rows[pair[0]], rows[pair[1]]
    left, right = one.values, other.values
    values = [("source", one.source, other.source), ("received", _day(one), _day(other))]
    values += [
        (field.name, _text(a), _text(b)) for field, a, b in zip(model.fields, left, right, strict=True) if a or b
    ]
    explained = explain_pair(model, left, right)
    children = tuple(sorted({row.child_number for row in (one, other) if row.child_number}))
    return SideBySide(children, tuple(values), tuple((row.comparison, row.level) for row in explained.rows))


def _text(value: str) -> str:
    return value.replace(ALTERNATE, ", also ")


def _day(row: RecordRow) -> str:
    return datetime.fromtimestamp(row.ingested_at / 1_000_000, UTC).date().isoformat()
