"""Model files by id: those that ship, the one that is configured, and others beside it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from psycopg import Connection, errors
from psycopg.rows import TupleRow

from matching.linkage.model import LinkageModel
from matching.sql import QUERIES
from matching.stage.model_file import SHIPPED, read_model
from schemas.errors import ConfigurationError


class ModelFiles:
    """Finds models by id; `given` is the configured file, `folder` holds those that may be activated, if any."""

    def __init__(self, given: Path | None = None, folder: Path | None = None) -> None:
        self._given = given
        self._folder = folder

    def of(self, model_id: str) -> LinkageModel:
        """Return the model with this id; raise ConfigurationError that says where its file was looked for."""
        files = list(self._files())
        for path in sorted(files, key=lambda path: model_id not in path.name):  # most files are named by their id
            found = _read(path)
            if found.model_id == model_id:
                return found
        folders = ", ".join(map(str, self._folders()))
        message = (
            f"no file of linkage model {model_id} in {folders}: put it there, or name it in CONTACTPOINT_MATCHING_MODEL"
        )
        raise ConfigurationError(message)

    def check_for_activation(self, digest: str) -> None:
        """Raise ConfigurationError unless matching finds the file with this SHA-256 where it looks for it."""
        folders = [SHIPPED, *([self._folder] if self._folder else [])]
        files = (path for folder in folders for path in folder.glob("*.json"))
        if not any(sha256(path.read_bytes()).hexdigest() == digest for path in files):
            place = self._folder or "the folder that CONTACTPOINT_MATCHING_MODELS names, here and for every worker"
            message = f"matching would not find this file: copy it into {place}"
            raise ConfigurationError(message)

    def _folders(self) -> list[Path]:
        given = [self._given.resolve().parent] if self._given else []
        return [SHIPPED, *([self._folder] if self._folder else []), *given]

    def _files(self) -> Iterator[Path]:
        if self._given:
            yield self._given
        for folder in self._folders():
            yield from sorted(folder.glob("*.json"), reverse=True)


def model_of_tables(connection: Connection[TupleRow]) -> str | None:
    """Return the id of the model that the matching tables were made with; None while there are none."""
    found: str | None = _value(connection, "model_of_tables")
    return found


def live_record_count(connection: Connection[TupleRow]) -> int:
    """Return how many records matching holds, 0 while it has no tables."""
    return int(_value(connection, "count_live") or 0)


def _value(connection: Connection[TupleRow], query: str) -> Any:
    """Return the query's one value, None while matching has no tables."""
    try:
        with connection.transaction():
            found = connection.execute(QUERIES[query]).fetchone()
    except errors.UndefinedTable:
        return None
    return found[0] if found else None


@lru_cache(maxsize=16)
def _read(path: Path) -> LinkageModel:
    return read_model(path)
