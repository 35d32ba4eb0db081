"""The review queue as a projection: reads conflicts and decisions, folds them, writes rows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from connectors.kafka import ReadMessage
from projections.base import Namespace, Refused, Rows, Table, fold_each
from projections.review.fold import (
    LINK_DECISIONS,
    Batch,
    ConflictVersion,
    LinkDecision,
    QueueRow,
    add_conflict,
    add_decision,
    changes,
)
from projections.review.tables import ReviewTables
from projections.review.views import ConflictView, DecisionHeader, DecisionView
from projections.schema import create_tables
from projections.text import refuse_nul
from schemas.codec import decode_as
from schemas.errors import RejectedError
from schemas.topics import CONFLICTS, DECISIONS

_PACKAGE = "projections.review.sql"


class ReviewProjection:
    """Open questions and their answers, from the conflicts and the decisions."""

    name = "review"
    version = 1
    topics = (CONFLICTS, DECISIONS)
    first_topics = ()
    live = Namespace("review", published="review", working="projection")
    tables = (
        Table("conflict", QueueRow._fields, ("conflict_id",), published=True),
        Table("shielded_conflict", QueueRow._fields, ("conflict_id",), published=True),
        Table("review_conflict", ConflictVersion._fields, ("conflict_id",), published=False),
        Table("review_decision", LinkDecision._fields, ("event_id",), published=False, settled=True),
    )

    def create(self, connection: Rows, namespace: Namespace) -> None:
        """Create the tables where they are missing, in this namespace."""
        create_tables(connection, namespace, _PACKAGE)

    def prepare(self, connection: Rows) -> None:
        """Nothing: batches are small, and go in without temporary tables."""

    def apply(self, connection: Rows, messages: Sequence[ReadMessage]) -> list[Refused]:
        """Fold the messages into rows in the caller's transaction; return those that cannot be read."""
        batch = Batch()
        refused = fold_each(messages, partial(_add, batch))
        state = ReviewTables(connection)
        state.save(changes(batch, state))
        return refused


def _add(batch: Batch, message: ReadMessage) -> None:
    refuse_nul(message.value)
    if message.topic == CONFLICTS:
        view = decode_as(message.value, ConflictView)
        if not view.event_type.startswith("conflict."):
            raise RejectedError("event_type_unexpected", "the event is not about a conflict")
        add_conflict(batch, view)
    elif decode_as(message.value, DecisionHeader).event_type in LINK_DECISIONS:
        add_decision(batch, decode_as(message.value, DecisionView))
