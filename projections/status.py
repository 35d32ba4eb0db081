"""How far each projection is: its positions against the ends of its topics."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import NamedTuple

from psycopg.errors import UndefinedTable

from connectors.kafka import Positions
from connectors.postgres import wrap_errors
from projections import checkpoint
from projections.base import Projection, Rows
from projections.registry import PROJECTIONS


class Lag(NamedTuple):
    """One partition as one stage, such as a projection, has read it: the next offset to read, and where it ends."""

    stage: str
    topic: str
    partition: int
    position: int
    end: int

    @property
    def lag(self) -> int:
        """Messages still to read."""
        return max(0, self.end - self.position)

    @property
    def lost(self) -> int:
        """Messages that were read and that the log lacks: it is another, or was restored from an older copy."""
        return max(0, self.position - self.end)


def lags_to(connection: Rows, ends: Positions, projections: Collection[Projection]) -> list[Lag]:
    """Return one row a projection and partition, against the ends of topics; those of other topics are passed over.

    A projection that has never run stands at 0.
    """
    held: dict[str, dict[tuple[str, int], int]] = {}
    with wrap_errors(), suppress(UndefinedTable), connection.transaction():  # no projection has ever run
        held = checkpoint.all_positions(connection)
    return [
        Lag(each.name, topic, partition, held.get(each.name, {}).get((topic, partition), 0), end)
        for each in projections
        for (topic, partition), end in sorted(ends.items())
        if topic in each.topics
    ]


def due_for_rebuild(connection: Rows) -> list[str]:
    """Say which projections' rows were made by an older fold, and what makes them again."""
    made_by: dict[str, int | None] = {}
    with wrap_errors(), suppress(UndefinedTable), connection.transaction():
        made_by = {each.name: checkpoint.fold_version(connection, each.name) for each in PROJECTIONS.values()}
    return [
        f"{each.name}: {reason}: `contactpoint projections rebuild {each.name} --force` makes it again"
        for each in PROJECTIONS.values()
        if (reason := checkpoint.other_fold(made_by.get(each.name), each.version))
    ]
