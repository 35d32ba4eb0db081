"""The directory as a projection: reads events, folds them, writes rows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from connectors.kafka import ReadMessage
from connectors.postgres import sql_script
from projections.base import Namespace, Refused, Rows, fold_each
from projections.directory.fold import add_decision, add_identity, add_record, fold_into
from projections.directory.layout import TABLES
from projections.directory.rulings import view_of
from projections.directory.state import Batch
from projections.directory.tables import DirectoryTables
from projections.directory.views import IdentityView, RecordView
from projections.schema import create_tables
from projections.text import refuse_nul
from schemas.codec import decode_as
from schemas.topics import DECISIONS, IDENTITIES, SOURCE_KINDS, SOURCE_TOPICS, source_topic

_PACKAGE = "projections.directory.sql"
_KINDS = {source_topic(kind): kind for kind in SOURCE_KINDS}


class DirectoryProjection:
    """One entry a child, from the source topics, the identities and the decisions."""

    name = "directory"
    version = 6
    topics = (*SOURCE_TOPICS, IDENTITIES, DECISIONS)
    # A shield is older than what it hides: without this a replay would show it until it comes to the decision.
    first_topics = (DECISIONS,)
    live = Namespace(
        "directory", published="directory", working="projection", areas={"sealed": "sealed", "archive": "archive"}
    )
    tables = TABLES

    def create(self, connection: Rows, namespace: Namespace) -> None:
        """Create the tables where they are missing, in this namespace."""
        create_tables(connection, namespace, _PACKAGE)

    def prepare(self, connection: Rows) -> None:
        """Make the temporary tables of one connection."""
        connection.execute(sql_script(_PACKAGE, "session"))

    def apply(self, connection: Rows, messages: Sequence[ReadMessage]) -> list[Refused]:
        """Fold the messages into rows in the caller's transaction; return those that cannot be read."""
        batch = Batch()
        refused = fold_each(messages, partial(_add, batch))
        fold_into(DirectoryTables(connection), batch)
        return refused


def _add(batch: Batch, message: ReadMessage) -> None:
    refuse_nul(message.value)
    kind = _KINDS.get(message.topic)
    if kind is not None:
        add_record(batch, decode_as(message.value, RecordView), kind)
    elif message.topic == IDENTITIES:
        add_identity(batch, decode_as(message.value, IdentityView))
    else:
        add_decision(batch, view_of(message.value))
