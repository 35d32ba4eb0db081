"""Replay by shared workers: the tables are empty, but identities were published before.

As for the resident owner (`matching.stage.replay`): the topics are folded again without publishing, up to where they
ended at the start, and then only differences to what was published are published. Batch numbers go on above all that
were published, so a child's versions never fall.
"""

from __future__ import annotations

from datetime import UTC, datetime

import structlog

from connectors.postgres import wrap_errors
from matching.shared.tables import Tables
from matching.stage import replay, store
from matching.stage.messages import Batch, ReplayTarget
from matching.stage.replay_conflicts import conflict_differences, read_published_conflicts
from schemas.settings import KafkaSettings
from schemas.topics import DECISIONS, SOURCE_TOPICS

log = structlog.get_logger(__name__)

TOPICS = (*SOURCE_TOPICS, DECISIONS)


def begin(tables: Tables, kafka: KafkaSettings) -> None:
    """With tables that no batch has written to: number batches above all that was published, and start a replay."""
    with wrap_errors():
        if not tables.are_new():
            return
        published, asked = replay.read_published(kafka), read_published_conflicts(kafka)
        versions = [each.version for each in published.values()] + [each.version for each in asked.values()]
        until = replay.targets(kafka, TOPICS) if versions else None
        with tables.connection.transaction():
            tables.take_turn(alone=True)
            if tables.are_new():  # another worker may have been faster
                tables.open_at(max(versions, default=0) + 1, until)
                if until is not None:
                    log.info("replay_started", batch=max(versions), count=len(published))


def end_if_reached(tables: Tables, kafka: KafkaSettings, model_id: str) -> bool:
    """End a replay that has arrived: compare and publish the differences; tell whether there is one no more."""
    with wrap_errors():
        until = tables.replay_until()
        if until is None:
            return True
        if not _reached(tables, until):
            return False
        published, asked = replay.read_published(kafka), read_published_conflicts(kafka)
        with tables.connection.transaction():
            tables.take_turn(alone=True)
            if tables.replay_until() is None:
                return True
            batch, conflicts = tables.next_batch(), dict(store.read_conflicts(tables.connection))
            holds: dict[str, tuple[str, ...]] = {}
            for name, state in sorted(conflicts.items()):
                if state.held:
                    holds[state.held] = (*holds.get(state.held, ()), name)
            children = replay.read_children(tables.connection)
            changes = replay.differences(published, children, batch, holds)
            questions = conflict_differences(asked, conflicts, batch)
            store.write_changes(
                tables.connection,
                Batch(
                    epoch=0,
                    batch=batch,
                    model_id=model_id,
                    decided_at=datetime.now(UTC).isoformat().replace("+00:00", "Z"),
                    inserted=[],
                    rewritten=[],
                    relabelled=[],
                    identities=changes,
                    letters=[],
                    positions=[],
                    announced=questions,
                ),
            )
            tables.close_replay()
    log.info("replay_finished", batch=batch, clusters=len(children), count=len(changes) + len(questions))
    return True


def _reached(tables: Tables, until: ReplayTarget) -> bool:
    stored = {(each.topic, each.partition): each.next_offset for each in store.read_positions(tables.connection)}
    return all(
        stored.get((topic, int(partition)), 0) >= end
        for topic, partitions in until.items()
        for partition, end in partitions.items()
    )
