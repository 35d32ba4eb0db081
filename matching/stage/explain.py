"""Why records are, or are not, one child: recomputed from the stored rows and the model, for the command line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import psycopg

from connectors.postgres import wrap_errors
from matching.changes import RecordRow
from matching.linkage.candidates import candidate_pairs
from matching.linkage.columns import columns_of
from matching.linkage.explain import Explanation, explain_pair
from matching.linkage.model import LinkageModel
from matching.linkage.twins import Twins
from matching.sql import QUERIES
from schemas.errors import RejectedError


@dataclass(frozen=True, slots=True)
class LinkExplanation:
    """Two records, the children they are with, and how their comparison adds up.

    The pair alone does not decide: `together` says what clustering made of it. `apart` says in words why the twins rule
    keeps them apart whatever they weigh, None if it does not. `blocked`: a blocking rule of the model brings them
    together; else they were never compared.
    """

    left: str
    right: str
    left_child: str
    right_child: str
    explanation: Explanation
    apart: str | None
    blocked: bool

    @property
    def together(self) -> bool:
        """Whether both are one child now."""
        return self.left_child == self.right_child


def explain_link(
    connection: psycopg.Connection, model: LinkageModel, pair: tuple[str, str], hidden: frozenset[str] = frozenset()
) -> LinkExplanation:
    """Explain two records by their keys; raise RejectedError when one is not known or has been withdrawn.

    What is `hidden` is not known to whoever asks.
    """
    left, right = pair
    with wrap_errors():
        found = connection.execute(QUERIES["rows_by_key"], {"keys": [left, right]}).fetchall()
    rows = {row.key: row for row in map(RecordRow._make, found)}
    for key in (left, right):
        if key not in rows or key in hidden:
            raise RejectedError("record_unknown", f"no record {key} has been received")
        if not rows[key].live:
            raise RejectedError("record_not_live", f"record {key} was withdrawn or merged: it is with no child now")
    return explain_rows(model, rows[left], rows[right])


def explain_rows(model: LinkageModel, left: RecordRow, right: RecordRow) -> LinkExplanation:
    """Explain two records from their rows."""
    values = [row.values for row in (left, right)]
    explanation = explain_pair(model, values[0], values[1])
    columns = columns_of(model, values, (left.source, right.source))
    apart = Twins(model).reason(columns, np.array([left.verified, right.verified], np.uint8), 0, 1)
    blocked = any(len(a) for a, _ in candidate_pairs(columns, model))
    children = left.child_number or "", right.child_number or ""
    return LinkExplanation(left.key, right.key, *children, explanation, apart, blocked)
