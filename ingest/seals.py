"""What ingest does so that erasure is real: record keys that say nothing, and values that are sealed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Self

from connectors.base import Batch
from connectors.vault import KeyVault, Plain, RecordKeys, Sealer, letter_key
from connectors.vault.record_keys import PURPOSE
from schemas.codec import EncodedEvent, as_sealed
from schemas.dead_letter import DeadLetter
from schemas.errors import ConfigurationError
from schemas.settings import KafkaSettings


class Seals:
    """Seals what one process publishes, with the keys of one vault."""

    def __init__(self, vault: KeyVault) -> None:
        self._vault, self._sealer = vault, Sealer(vault)
        self._keys = RecordKeys(vault.secret(PURPOSE))

    @classmethod
    @contextmanager
    def of(cls, settings: KafkaSettings) -> Iterator[Self]:
        """Yield the seals of the vault in these settings; raise ConfigurationError when there is none."""
        if settings.vault is None:
            message = (
                "CONTACTPOINT_KEK is not set: what is published has to be sealed. `contactpoint retention new-key` "
                "makes a key-encryption key; keep it apart from the database"
            )
            raise ConfigurationError(message)
        with closing(KeyVault(settings.vault)) as vault:
            yield cls(vault)

    def named(self, batch: Batch) -> Batch:
        """Return a batch whose record keys stand for the sources' own ids."""
        return replace(batch, items=tuple(map(self._keys.item, batch.items)))

    @contextmanager
    def publishing(self) -> Iterator[None]:
        """Keep keys from being destroyed until what is published under them is safe on the brokers."""
        with self._vault.publishing():
            yield

    def sealed(
        self, events: Sequence[EncodedEvent], letters: Sequence[DeadLetter]
    ) -> tuple[list[EncodedEvent], list[DeadLetter]]:
        """Return events and dead letters sealed, a record's under its data key, each letter under one of its own."""
        plains = [Plain(event.key.decode(), event.key, event.value) for event in events]
        plains += [Plain(_owner(letter), letter.key, letter.value) for letter in letters]
        values = self._sealer.seal(plains)
        return (
            [as_sealed(event, value) for event, value in zip(events, values, strict=False)],
            [letter._replace(value=value) for letter, value in zip(letters, values[len(events) :], strict=True)],
        )


def _owner(letter: DeadLetter) -> str:
    return letter_key(letter.letter_id, letter.key.decode() if letter.key else "")
