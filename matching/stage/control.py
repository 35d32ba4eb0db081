"""Pausing and resuming the owner: commands on a compacted topic, their effect kept in the owner row.

Any worker of the group may get the command. It writes the owner row, and the owner, whichever worker that is, sees it
at its next renewal of the lease.
"""

from __future__ import annotations

from typing import Final

import psycopg

from connectors.kafka import EventProducer
from connectors.postgres import connect, wrap_errors
from matching.sql import QUERIES
from schemas.errors import RejectedError
from schemas.settings import KafkaSettings, PostgresSettings
from schemas.topics import MATCHING_CONTROL

PROCESSING: Final = b"processing"
"""The key of the one command there is; compaction keeps its newest value."""
COMMANDS: Final = {b"pause": True, b"resume": False}


def send_command(kafka: KafkaSettings, command: str) -> None:
    """Ask the owner to `pause` or `resume`; raise RejectedError for another word."""
    value = command.encode()
    paused_by(PROCESSING, value)
    with EventProducer(kafka) as producer:
        producer.send(MATCHING_CONTROL, PROCESSING, value)


def obey(postgres: PostgresSettings, key: bytes | None, value: bytes | None) -> bool:
    """Write the effect of a command into the owner row and return whether the owner is to pause.

    Raises RejectedError for what is not a command.
    """
    paused = paused_by(key, value)
    with connect(postgres, autocommit=True, application="contactpoint-matching-control") as connection:
        set_paused(connection, paused=paused)
    return paused


def set_paused(connection: psycopg.Connection, *, paused: bool) -> None:
    """Write whether the owner is to pause."""
    with wrap_errors():
        connection.execute(QUERIES["set_paused"], {"paused": paused})


def paused_by(key: bytes | None, value: bytes | None) -> bool:
    """Return whether a command asks to pause or to resume; raise RejectedError for what is not a command."""
    if key != PROCESSING or value not in COMMANDS:
        raise RejectedError("command_unknown", "commands on matching-control: processing = pause or resume")
    return COMMANDS[value]
