"""Carrying an erasure through every place, in order, each once; a process that is killed anywhere is gone on from.

    log           the order is published: from here on every stage forgets the child, and refuses what comes again
    data_keys     the keys of its records, corrections and dead letters are destroyed, and what ingest remembers
    exports       nobody can tell from its number any more in which released cells it was counted
    samples       pairs that were drawn for review and name its records are forgotten
    stages        linkage, directory, review queue and audit trail have read the order to the end
    access_trail  the keys that seal what the trail of access says of it are destroyed, with an entry that says so
    proof         every topic, table and a dump are searched for what was only the child's

Every step may be repeated: what was done stays done. The last one that fails leaves the erasure unfinished.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog
from psycopg import Connection
from psycopg.rows import TupleRow

from connectors.decisions import publish_decisions, read_decisions
from connectors.postgres import connect, wrap_errors
from connectors.vault import KeyVault
from contactpoint.erasing import state
from contactpoint.erasing.order import QUERIES, TIME_IS_OVER, Approval, order_erasure
from contactpoint.erasing.proof import traces
from contactpoint.erasing.state import Begun, Erased
from contactpoint.erasing.values import only_theirs, values_of
from contactpoint.explaining.sight import EVERYTHING, Sight, sight
from contactpoint.running.drain import wait_until_applied
from ingest.store import PostgresStore
from projections.access.deed import Deed, done
from projections.access.log import create_tables
from projections.access.sealing import SealingKey
from projections.access.store import erase_keys
from projections.rebuild import clear_remains
from projections.registry import PROJECTIONS
from projections.reviewing.samples import forget_records
from schemas.access import Person
from schemas.decisions import ErasureOrdered
from schemas.errors import ConfigurationError, RejectedError
from schemas.requests import RequestOpened
from schemas.settings import KafkaSettings, PostgresSettings, VaultSettings

log = structlog.get_logger(__name__)

POLICY = "retention-1"
ROLE = "management_team"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where an erasure is carried out: servers, the trail's sealing key, whose employee orders, and how to search.

    `pg_dump`: also search a dump. `patience` is how many seconds the stages may take to read the order.
    """

    kafka: KafkaSettings
    postgres: PostgresSettings
    sealing: SealingKey
    organisation: str = "contactpoint"
    pg_dump: Path | None = None
    patience: float = 120.0

    def vault_settings(self) -> VaultSettings:
        """Return where the vault is; raise ConfigurationError when nobody says."""
        if self.kafka.vault is None:
            message = "CONTACTPOINT_KEK is not set: erasing means destroying keys in the vault"
            raise ConfigurationError(message)
        return self.kafka.vault


def erase(around: Surroundings, child_number: str, approval: Approval, *, with_right: bool) -> Erased:
    """Erase a child everywhere and prove it. What is interrupted, `purge` or `enforce` completes.

    `with_right`: also one that is shielded or in doubt of it; else RejectedError says the same of it as of nobody.
    """
    prepare(around)
    with _working(around) as work:
        work.catch_up()
        seen = sight(work.connection, around.kafka, with_right=with_right)
        event = work.order(child_number, approval, requests_by_child(around.kafka), seen)
        work.finish(again=False)
        return state.outcome(work.connection, event)


def purge(around: Surroundings, limit: int, *, again: bool) -> list[Erased]:
    """Order the erasure of up to `limit` children whose time is over, and finish every erasure that was begun.

    `again`: also those whose proof has found something before.
    """
    with _working(around) as work:
        due = work.due(limit)
        requests = requests_by_child(around.kafka) if due else {}
        for child_number in due:
            try:
                work.order(child_number, TIME_IS_OVER, requests)
            except RejectedError as error:
                log.warning("purge_refused", child_number=child_number, code=error.code)
        return work.finish(again=again)


def enforce(around: Surroundings) -> list[Erased]:
    """Carry out again every erasure that was ever ordered and is not done here: after a restored backup.

    The log knows every order; a restored database or vault may not. Returns those that were not done. It costs little
    where all is done, so the keeper begins with it.
    """
    prepare(around)
    ordered = [event for event in read_decisions(around.kafka) if isinstance(event, ErasureOrdered)]
    with _working(around) as work:
        noted, carried_out, anew = state.known(work.connection), work.vault.carried_out(), []
        for event in ordered:
            if event.event_id in noted and event.event_id in carried_out:
                continue
            work.register(event)
            if work.destroy(event):
                anew.append(event)
        finished = work.finish(again=True)
        begun = {each.event.event_id for each in finished}
        return finished + [state.outcome(work.connection, event) for event in anew if event.event_id not in begun]


def request_of(order: ErasureOrdered) -> str:
    """Return by which name the trail's entry says whose order destroyed its keys."""
    return f"erasure-{order.event_id}"


def requests_by_child(kafka: KafkaSettings) -> Mapping[str, Sequence[str]]:
    """Return the ids of the events that open requests, by the child number that they name."""
    found: dict[str, list[str]] = {}
    for event in read_decisions(kafka):
        if isinstance(event, RequestOpened):
            found.setdefault(event.data.child_number, []).append(event.event_id)
    return found


def prepare(around: Surroundings) -> None:
    """Create the tables that an erasure needs; those of the stages are theirs."""
    create_tables(around.postgres)
    state.prepare(around.postgres)


@contextmanager
def _working(around: Surroundings) -> Iterator[_Work]:
    with (
        connect(around.postgres, autocommit=True, application="contactpoint retention") as connection,
        KeyVault(around.vault_settings()) as vault,
        closing(PostgresStore(around.postgres)) as store,
    ):
        with wrap_errors():
            connection.execute(QUERIES["take_turn"])
        yield _Work(around, connection, vault, store)


@dataclass(frozen=True, slots=True)
class _Work:
    around: Surroundings
    connection: Connection[TupleRow]
    vault: KeyVault
    store: PostgresStore

    def due(self, limit: int) -> list[str]:
        """Return children whose time is over, none while the directory has no tables."""
        if not self._due(limit):
            return []
        self.catch_up()
        return self._due(limit)

    def catch_up(self) -> None:
        """Wait until the stages have read what the log holds now: amid a replay old statements look like the newest."""
        wait_until_applied(self.around.kafka, self.around.postgres, patience=self.around.patience)

    def _due(self, limit: int) -> list[str]:
        if not state.has_directory(self.connection):
            return []
        with wrap_errors():
            return [row[0] for row in self.connection.execute(QUERIES["due"], (limit,))]

    def order(
        self, child_number: str, approval: Approval, requested: Mapping[str, Sequence[str]], seen: Sight = EVERYTHING
    ) -> ErasureOrdered:
        """Order the erasure of a child that is seen, with the requests about it, and note the order."""
        event = order_erasure(self.connection, child_number, approval, seen.hidden)
        asked = [event_id for number in event.data.child_numbers for event_id in requested.get(number, ())]
        data = event.data.model_copy(update={"decisions": (*event.data.decisions, *asked)})
        return self.register(event.model_copy(update={"data": data}))

    def register(self, event: ErasureOrdered) -> ErasureOrdered:
        """Note an order, with what its proof is to look for, before anything is done about it."""
        values = values_of(self.connection, event) if state.has_directory(self.connection) else []
        state.register(self.connection, self.vault, event, values)
        return event

    def finish(self, *, again: bool) -> list[Erased]:
        """Carry every erasure that was begun through the places that are not done yet; return what came of each."""
        begun = state.unfinished(self.connection, again=again)
        self._publish([each.event for each in begun if "log" not in each.done])
        for place, step in self._steps().items():
            left = [each.event for each in begun if place not in each.done]
            if place == "stages" and left:
                self.catch_up()
                clear_remains(self.connection, PROJECTIONS.values())
            for event in left:
                step(event)
        self._prove(begun)
        return [state.outcome(self.connection, each.event) for each in begun]

    def _steps(self) -> dict[str, Callable[[ErasureOrdered], None]]:
        """Return what is done in each place for one erasure, in order, once all are in the log."""
        return {
            "data_keys": self._destroy_and_note,
            "exports": self._forget_in_exports,
            "samples": self._forget_in_samples,
            "stages": lambda event: self._note(event, "stages"),
            "access_trail": self._destroy_trail_keys,  # not before: the trail makes keys of numbers in use
        }

    def destroy(self, event: ErasureOrdered) -> bool:
        """Destroy data keys once a vault, and what ingest remembers; False: this vault had done it before."""
        floors = {record.key: record.source_version for record in event.data.records}
        fresh = self.vault.carry_out(event.event_id, state.names_of(event), lambda: self.store.erase(floors))
        if not fresh:
            self.store.erase(floors)  # a restored database may remember again
        return fresh

    def _prove(self, begun: Sequence[Begun]) -> None:
        """Search every place once for what was only theirs; an erasure of which nothing is found is finished."""
        wanted = only_theirs(self.connection, {each.event: state.values_to_find(self.vault, each) for each in begun})
        every = [*{forms for values in wanted.values() for forms in values}]
        found: dict[frozenset[str], set[str]] = {}
        around = self.around
        for place, number in traces(around.kafka, around.postgres, every, pg_dump=around.pg_dump) if every else ():
            found.setdefault(every[number], set()).add(place)
        for each in begun:
            self._end(each, wanted[each.event], found)

    def _end(
        self, begun: Begun, values: Sequence[frozenset[str]], found: Mapping[frozenset[str], Collection[str]]
    ) -> None:
        event = begun.event
        places = sorted({place for value in values for place in found.get(value, ())})
        row = {"event": event.event_id, "searched": None if begun.sealed_values is None else len(values)}
        with wrap_errors():
            self.connection.execute(QUERIES["found" if places else "finish"], {**row, "found": places})
        if places:
            log.error("erasure_left_traces", event_id=event.event_id, count=len(places))
        else:
            self.vault.destroy([state.proof_key(event.event_id)])
            log.info("erasure_proven", event_id=event.event_id, records=len(event.data.records))

    def _publish(self, events: Sequence[ErasureOrdered]) -> None:
        publish_decisions(self.around.kafka, events)
        for event in events:
            self._note(event, "log")

    def _destroy_and_note(self, event: ErasureOrdered) -> None:
        self.destroy(event)
        self._note(event, "data_keys")

    def _destroy_trail_keys(self, event: ErasureOrdered) -> None:
        numbers = list(event.data.child_numbers)
        who = Person(user=event.by, role=ROLE, organisation=self.around.organisation)
        with done(self.connection, Deed("destroyed_keys", who, POLICY, request_of(event))) as shown:
            shown.keys = erase_keys(self.connection, self.around.sealing, numbers)
            self._note(event, "access_trail")

    def _forget_in_exports(self, event: ErasureOrdered) -> None:
        numbers = list(event.data.child_numbers)
        with wrap_errors(), self.connection.transaction():
            there = self.connection.execute(QUERIES["has_exports"]).fetchone()
            if there and there[0]:
                tokens = [secrets.token_hex(16) for _ in numbers]
                self.connection.execute(QUERIES["forget_in_exports"], {"numbers": numbers, "tokens": tokens})
            self._note(event, "exports")

    def _forget_in_samples(self, event: ErasureOrdered) -> None:
        with wrap_errors(), self.connection.transaction():
            forget_records(self.connection, [record.key for record in event.data.records])
            self._note(event, "samples")

    def _note(self, event: ErasureOrdered, place: str) -> None:
        with wrap_errors():
            self.connection.execute(QUERIES["step"], (event.event_id, place))
