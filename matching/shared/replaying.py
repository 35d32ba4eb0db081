"""Replay by shared workers: the tables are empty, but identities were published before.

As for the resident owner (`matching.stage.replay`): the topics are folded again without publishing, up to where they
ended at the start, and then only differences to what was published are published. Batch numbers go on above all that
were published, so a child's versions never fall.
"""

from __future__ import annotations

import structlog

from connectors.postgres import wrap_errors
from matching.linkage.decisions import DecisionBook
from matching.shared.tables import Tables
from matching.stage import replay, store
from matching.stage.messages import Batch, Outgoing, now
from matching.stage.model_library import ModelLibrary
from matching.stage.replay_conflicts import last_differences, read_published_state
from schemas.settings import KafkaSettings

log = structlog.get_logger(__name__)

_OUTBOX_SECONDS = 30.0


def begin(tables: Tables, kafka: KafkaSettings) -> None:
    """With tables that no batch has written to: number batches above all that was published, and start a replay."""
    with wrap_errors():
        if not tables.are_new():
            return
        published = read_published_state(kafka)
        until = replay.targets(kafka) if published.newest else None
        with tables.connection.transaction():
            tables.take_turn(alone=True)
            if tables.are_new():  # another worker may have been faster
                tables.open_at(published.newest + 1, until)
                if until is not None:
                    log.info("replay_started", batch=published.newest, count=len(published.children))


def relink(tables: Tables, kafka: KafkaSettings, model_id: str, reason: str) -> None:
    """Begin to make everything again with this model and fold, unless another worker has begun already."""
    until = replay.targets(kafka)
    with wrap_errors(), tables.connection.transaction():
        tables.take_turn(alone=True)
        if tables.start_relinking(model_id, until):
            log.info("relinking_started", model=model_id, reason=reason)


def end_if_reached(tables: Tables, kafka: KafkaSettings, library: ModelLibrary, model_id: str) -> bool:
    """End a replay that has arrived: compare and publish the differences; tell whether there is one no more."""
    with wrap_errors():
        until = tables.replay_until()
        if until is None:
            return True
        stored = {(each.topic, each.partition): each.next_offset for each in store.read_positions(tables.connection)}
        if not replay.reached(until, stored):
            return False
        store.wait_for_outbox(tables.connection, _OUTBOX_SECONDS)
        published = read_published_state(kafka)
        with tables.connection.transaction():
            tables.take_turn(alone=True)
            if tables.replay_until() is None:
                return True
            batch, conflicts = tables.next_batch(), dict(store.read_conflicts(tables.connection))
            children = replay.read_children(tables.connection)
            decisions, book = store.read_decisions(tables.connection), DecisionBook()
            book.add(decisions)
            activation = library.in_force(decisions)[1]
            changes, questions = last_differences(published, children, conflicts, batch, activation, book.lives)
            payload = Outgoing(changes, [], questions, model_id, now()).payload()
            store.write_changes(tables.connection, Batch(0, batch, payload))
            tables.close_replay()
    log.info("replay_finished", batch=batch, clusters=len(children), count=len(changes) + len(questions))
    return True
