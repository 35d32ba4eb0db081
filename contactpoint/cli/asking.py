"""Looking at children's data from the command line: by name, with a right and a reason, entered before it is shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg import Connection
from psycopg.rows import TupleRow

from connectors.postgres import connect
from contactpoint.cli.environment import addresses, number_of, record_key_of, unknown_record
from contactpoint.cli.options import Acting, ReasonOption, RightOption, sound_reason
from projections.access.deed import Deed, Shown, demand_right, done, new_request
from projections.access.log import create_where_missing
from projections.directory.reader import DirectoryReader
from schemas.access import AccessAction
from schemas.decisions import DecisionEvent
from schemas.settings import KafkaSettings, PostgresSettings

if TYPE_CHECKING:
    from contactpoint.explaining.sight import Sight

ROLE = "data_quality"
POLICY = "desk-1"
_LONGEST_TERM = 200


@dataclass(frozen=True, kw_only=True)
class Asking(Acting):
    """Who looks at children's data, for whom, why, and whether with the right to see shielded children whole."""

    reason: ReasonOption
    with_right: RightOption = None

    @property
    def right(self) -> bool:
        """Whether the right to see shielded children whole is claimed."""
        return self.with_right is not None


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that may be answered: what it is answered from, and which children the answer shows."""

    connection: Connection[TupleRow]
    kafka: KafkaSettings
    right: bool
    shown: Shown

    def sight(self, decisions: Iterable[DecisionEvent] = ()) -> Sight:
        """Return what this asker may see; `decisions` spares reading the topic again."""
        from contactpoint.explaining.sight import sight

        return sight(self.connection, self.kafka, with_right=self.right, decisions=decisions)

    def number(self, who: str) -> str:
        """Return the child of a number or record key; the answer shows this child.

        Raises RejectedError for a record key of a shielded child, as for one of nobody, unless the right is there.
        """
        number = number_of(DirectoryReader(self.connection), who)
        if ":" in who and self.sight().hides([record_key_of(who)]):
            raise unknown_record(who)
        self.shown.children.add(number)
        return number

    def showing(self, children: Iterable[str | None], results: int | None = None) -> None:
        """Note whom the answer shows; `results` is how many where it shows nobody in particular."""
        self.shown.children.update(child for child in children if child)
        self.shown.results = results


@contextmanager
def at_desk(settings: PostgresSettings) -> Iterator[Connection[TupleRow]]:
    """Yield a connection to a database that has the tables of the trail."""
    with connect(settings, autocommit=True, application="contactpoint desk") as connection:
        create_where_missing(connection, settings)
        yield connection


def deed_at_desk(who: Acting, reason: str, action: AccessAction, fields: Sequence[str], **query: Any) -> Deed:
    """Return what somebody does at a desk, as the trail enters it; `query` says what is asked for, by which right."""
    terms = {name: str(value)[:_LONGEST_TERM] for name, value in query.items() if value}
    return Deed(action, who.person(ROLE), POLICY, new_request(), None, ROLE, fields, reason, terms)


@contextmanager
def asked(who: Asking, action: AccessAction, *fields: str, **query: Any) -> Iterator[Asked]:
    """Let the block find an answer; when it ends, the entry of each child that it shows is committed, or its refusal.

    Only then may anything be printed or drawn. `fields` are names of what is shown, `query` what is asked for (it is
    kept sealed). Raises RejectedError for whoever has no right, RetriableError while the trail is not kept.
    """
    where = addresses()
    deed = deed_at_desk(who, sound_reason(who.reason), action, fields, with_right=who.with_right, **query)
    with at_desk(where.postgres_settings()) as connection, done(connection, deed) as shown:
        demand_right(connection, who.by, whole=who.right)
        yield Asked(connection, where.kafka_settings(), who.right, shown)
