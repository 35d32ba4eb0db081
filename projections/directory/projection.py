"""The directory as a projection: reads events, folds them, writes rows."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.kafka import ReadMessage
from connectors.postgres import sql_script
from projections.base import Namespace, Refused, Rows, Table
from projections.directory.fold import add_identity, add_record, changes
from projections.directory.state import Batch
from projections.directory.tables import DirectoryTables
from projections.directory.views import IdentityView, RecordView
from projections.schema import create_tables
from projections.text import refuse_nul
from schemas.codec import decode_as
from schemas.errors import RejectedError
from schemas.topics import IDENTITIES, SOURCE_KINDS, SOURCE_TOPICS, source_topic

_PACKAGE = "projections.directory.sql"
_STAMP = ("record_key", "source_version", "fingerprint", "event_type")
_KINDS = {source_topic(kind): kind for kind in SOURCE_KINDS}


class DirectoryProjection:
    """One entry a child, from the source topics and the identities."""

    name = "directory"
    version = 1
    topics = (*SOURCE_TOPICS, IDENTITIES)
    live = Namespace("directory", published="directory", working="projection")
    tables = (
        Table(
            "entry",
            ("child_number", "surname", "forename", "birth_date", "postcode", "document"),
            ("child_number",),
            published=True,
            settled=True,
        ),
        Table(
            "lineage",
            ("event_id", "child_number", "kind", "version", "successors", "causes", "decided_at"),
            ("event_id",),
            published=True,
        ),
        Table(
            "record_version",
            (*_STAMP, "event_id", "source_kind", "recorded_at", "hides_source", "person"),
            ("record_key",),
            published=False,
            settled=True,
        ),
        Table("identity", ("child_number", "version", "event_type", "members"), ("child_number",), published=False),
        Table(
            "membership", ("record_key", "child_number"), ("record_key", "child_number"), published=False, settled=True
        ),
    )

    def create(self, connection: Rows, namespace: Namespace) -> None:
        """Create the tables where they are missing, in this namespace."""
        create_tables(connection, namespace, _PACKAGE)

    def prepare(self, connection: Rows) -> None:
        """Make the temporary tables of one connection."""
        connection.execute(sql_script(_PACKAGE, "session"))

    def apply(self, connection: Rows, messages: Sequence[ReadMessage]) -> list[Refused]:
        """Fold the messages into rows in the caller's transaction; return those that cannot be read."""
        batch = Batch()
        refused: list[Refused] = []
        for message in messages:
            try:
                _add(batch, message)
            except RejectedError as error:
                refused.append(Refused(message, error))
        state = DirectoryTables(connection)
        state.save(changes(batch, state))
        return refused


def _add(batch: Batch, message: ReadMessage) -> None:
    refuse_nul(message.value)
    kind = _KINDS.get(message.topic)
    if kind is None:
        add_identity(batch, decode_as(message.value, IdentityView))
    else:
        add_record(batch, decode_as(message.value, RecordView), kind)
