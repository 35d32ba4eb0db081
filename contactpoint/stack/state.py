"""What a stack remembers between commands: ports, password, folders it made; in `stack.json` (mode 0600)."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import Field, ValidationError

from contactpoint.stack.kafka import KafkaConfig
from contactpoint.stack.postgres import PostgresConfig
from schemas.errors import ConfigurationError
from schemas.settings import Settings


class StackState(Settings):
    """The parts that this stack runs itself; a part that the user gave is None. `kek` is its key-encryption key."""

    kafka: KafkaConfig | None
    postgres: PostgresConfig | None
    kek: str | None = Field(default=None, repr=False)


def state_file(folder: Path) -> Path:
    """Return where the state of the stack in this folder is kept."""
    return folder / "stack.json"


def read_state(folder: Path) -> StackState | None:
    """Return the state, None when no stack was ever made here; raise ConfigurationError when it cannot be read."""
    path = state_file(folder)
    try:
        return StackState.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        message = (
            f"{path} is damaged or of another version: stop what still runs by the pids in {folder / 'run'}, "
            f"then delete {folder}"
        )
        raise ConfigurationError(message) from error


def write_state(folder: Path, state: StackState) -> None:
    """Replace the state in one step; it holds a password, so only its owner may read it."""
    path = state_file(folder)
    temporary = path.with_suffix(".new")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(state.model_dump_json(indent=2))
    temporary.replace(path)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one command at a time work on the stack in this folder; a second one waits."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
