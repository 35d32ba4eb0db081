"""What commands need of their surroundings: addresses (the environment's or the local stack's), the model, a number."""

from __future__ import annotations

import os
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from contactpoint.stack import StackAddresses, StackConfig, running_addresses
from schemas.errors import RejectedError
from schemas.identity import is_child_number

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.rows import TupleRow

    from connectors.vault import RecordKeys
    from contactpoint.model_tools.files import ModelFiles
    from matching.linkage.model import LinkageModel
    from projections.directory.reader import DirectoryReader
    from schemas.settings import PostgresSettings


def stack_config() -> StackConfig:
    """Return the stack that the environment describes."""
    return StackConfig.from_env(os.environ)


def addresses() -> StackAddresses:
    """Return the addresses in use; raise ConfigurationError that says how to start the local stack."""
    return running_addresses(stack_config())


def stage_environment() -> dict[str, str]:
    """Return this process's environment with the addresses in it, for stages run as processes of their own."""
    return {**os.environ, **addresses().as_env()}


def linkage_model() -> LinkageModel:
    """Return the model in use: the file in CONTACTPOINT_MATCHING_MODEL, or else the one that ships."""
    from matching.stage.model_file import read_model

    return read_model(_given_model())


def model_files() -> ModelFiles:
    """Return where models are looked for by id."""
    from contactpoint.model_tools.files import ModelFiles

    folder = os.environ.get("CONTACTPOINT_MATCHING_MODELS")
    return ModelFiles(_given_model(), Path(folder) if folder else None)


def model_in_use(connection: Connection[TupleRow]) -> LinkageModel:
    """Return the model by which the matching tables were made, or the configured one where there are none yet."""
    from contactpoint.model_tools.files import model_of_tables

    made_with = model_of_tables(connection)
    return model_files().of(made_with) if made_with else linkage_model()


def _given_model() -> Path | None:
    given = os.environ.get("CONTACTPOINT_MATCHING_MODEL")
    return Path(given) if given else None


def record_keys_of(where: StackAddresses) -> RecordKeys | None:
    """Return what makes record keys of the sources' own ids, or None where nothing is sealed."""
    from connectors.vault import record_keys

    vault = where.kafka_settings().vault
    return record_keys(vault) if vault else None


def record_key_of(text: str) -> str:
    """Return the record key in use for `<source>:<the source's own id>`; one that is in use already stays as it is.

    Raises RejectedError for what names no record, such as a child number.
    """
    if ":" not in text:
        message = (
            f"{text} is no record key source:id; `contactpoint history {quote(text)}` tells the records of a child"
        )
        raise RejectedError("record_key_needed", message)
    keys = record_keys_of(addresses())
    return keys.key(text) if keys else text


def number_of(reader: DirectoryReader, who: str) -> str:
    """Return a child number as given, or the child of a record key; raise RejectedError for what is neither."""
    if ":" not in who:
        return sound_number(who, "neither a child number nor a record key source:id")
    found = reader.child_of(record_key_of(who))
    if not found:
        raise unknown_record(who)
    return found[0]


def number_in(postgres: PostgresSettings, who: str) -> str:
    """Return what `number_of` does, from this database's directory."""
    from connectors.postgres import connect
    from projections.directory.reader import DirectoryReader

    with connect(postgres, autocommit=True) as connection:
        return number_of(DirectoryReader(connection), who)


def sound_number(text: str, otherwise: str = "no child number: its check symbol does not fit") -> str:
    """Return a child number as it is written; raise RejectedError for what cannot be one."""
    number = text.upper()
    if not is_child_number(number):
        raise RejectedError("child_number_invalid", f"{text} is {otherwise}")
    return number


def unknown_record(key: str) -> RejectedError:
    """Return what is said of a record key that no child has, or none that this asker may hear of."""
    return RejectedError("record_unknown", f"record {key} belongs to no child here")
