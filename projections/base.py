"""What a projection is: a name, the topics it folds, its tables, and how a batch of messages becomes rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from psycopg import Connection
from psycopg.rows import TupleRow

from connectors.kafka import ReadMessage
from schemas.errors import RejectedError

Rows = Connection[TupleRow]


class Refused(NamedTuple):
    """A message that a projection could not read, and why."""

    message: ReadMessage
    error: RejectedError


@dataclass(frozen=True, slots=True)
class Table:
    """One table, as it is digested: the columns that are a function of the log alone, and the order of its rows.

    `published` tables are in the projection's own database schema, those with an `area` in a further one, the others
    are working tables. `settled` tables depend on what the events end in, not on the steps that matching took, which
    follow its batch boundaries.
    """

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    published: bool
    settled: bool = False
    area: str | None = None


@dataclass(frozen=True, slots=True)
class Namespace:
    """Where a projection's tables are: the live ones, or those of a rebuild beside them.

    `projection` is the name under which the positions are kept. `areas` maps a further area to its database schema.
    """

    projection: str
    published: str
    working: str
    areas: Mapping[str, str] = field(default_factory=dict)

    @property
    def database_schemas(self) -> tuple[str, ...]:
        """Return every database schema of the namespace."""
        return (self.published, self.working, *self.areas.values())

    def of(self, table: Table) -> str:
        """Return the database schema of a table."""
        if table.area is not None:
            return self.areas[table.area]
        return self.published if table.published else self.working


def fold_each(messages: Iterable[ReadMessage], add: Callable[[ReadMessage], None]) -> list[Refused]:
    """Add each message to a batch; return those that `add` rejects."""
    refused: list[Refused] = []
    for message in messages:
        try:
            add(message)
        except RejectedError as error:
            refused.append(Refused(message, error))
    return refused


class Projection(Protocol):
    """A read model. It holds no state of its own between batches, so any process can go on where another stopped."""

    @property
    def name(self) -> str:
        """The name under which positions are kept."""
        ...

    @property
    def version(self) -> int:
        """The fold's version: counted up when the same log gives other rows, so that a rebuild is due."""
        ...

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics it folds."""
        ...

    @property
    def first_topics(self) -> tuple[str, ...]:
        """Those of its topics that are read to their ends, as these are at the start, before any other is folded."""
        ...

    @property
    def live(self) -> Namespace:
        """Where its live tables are."""
        ...

    @property
    def tables(self) -> tuple[Table, ...]:
        """Every table it writes."""
        ...

    def create(self, connection: Rows, namespace: Namespace) -> None:
        """Create the tables where they are missing, in this namespace."""
        ...

    def prepare(self, connection: Rows) -> None:
        """Make what one connection needs, such as temporary tables; the search path is set."""
        ...

    def apply(self, connection: Rows, messages: Sequence[ReadMessage]) -> list[Refused]:
        """Fold the messages into rows in the caller's transaction; return those that cannot be read.

        Raises psycopg.DataError, and leaves the transaction broken, when PostgreSQL refuses a value.
        """
        ...
