"""By what the matching tables were made, and what follows for a worker that has something else.

The fold's version is to tables what it is to a projection's rows (`projections.base.Projection.version`): rows of an
older fold are due to be made again, and here that is done at the start, because all other stages go on meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import psycopg

from matching.fold_version import FOLD_VERSION
from matching.linkage.decisions import Decision
from matching.sql import QUERIES
from schemas.errors import ConfigurationError


class MadeWith(NamedTuple):
    """The model and the fold's version that tables were made with.

    No model until a worker claims them; version 0 where the build that made them kept none.
    """

    model_id: str | None
    fold_version: int = FOLD_VERSION

    @property
    def other_fold(self) -> str:
        """Say that another fold than this build's made the tables, "" if it was this one or nobody made any."""
        if self.model_id is None or self.fold_version == FOLD_VERSION:
            return ""
        return f"made by fold version {self.fold_version}, this build has {FOLD_VERSION}"


def made_with(connection: psycopg.Connection) -> MadeWith:
    """Return what the tables were made with."""
    row = connection.execute(QUERIES["made_with"]).fetchone()
    return MadeWith(*row) if row else MadeWith(None)


def why_again(made: MadeWith, model_id: str, decisions: Iterable[Decision]) -> str:
    """Say why this worker has to make the tables again, "" if it can go on with them.

    Raises ConfigurationError when they were made by a newer build, or with another model that nobody activated.
    """
    if made.model_id is None:
        return ""
    if made.fold_version > FOLD_VERSION:
        raise ConfigurationError(
            f"the matching tables were {made.other_fold}: run the newer build, or drop the database schema `matching` "
            "so that the state is made again from the topics"
        )
    if made.model_id != model_id and not any(each.kind == "model" for each in decisions):
        raise ConfigurationError(
            f"the matching tables were made with model {made.model_id}, this worker has {model_id}: give it that "
            "model, or drop the database schema `matching` so that the state is made again from the topics"
        )
    return made.other_fold or ("" if made.model_id == model_id else f"made with model {made.model_id}")
