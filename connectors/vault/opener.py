"""Opening what a reader read: one look into the vault for each batch that holds anything sealed."""

from __future__ import annotations

from collections.abc import Iterable

from connectors.kafka.message import ReadMessage
from connectors.vault.keys import KeyVault
from connectors.vault.sealer import Sealer
from schemas.errors import ConfigurationError
from schemas.sealing import is_sealed
from schemas.settings import VaultSettings


class Opener:
    """Opens messages; connects to the vault when the first sealed one comes."""

    def __init__(self, settings: VaultSettings | None) -> None:
        self._settings = settings
        self._sealer: Sealer | None = None

    def open(self, batches: Iterable[list[ReadMessage]]) -> None:
        """Open what is sealed, in place; raise ConfigurationError when there is no vault to open it."""
        places = [(each, at) for each in batches for at, message in enumerate(each) if is_sealed(message.value)]
        if not places:
            return
        values = [(each[at].key, each[at].value or b"") for each, at in places]
        for (each, at), found in zip(places, self._vault().open(values), strict=True):
            topic, partition, offset, key, sealed, headers, *_, time = each[at]
            each[at] = ReadMessage(topic, partition, offset, key, found.value, headers, sealed, found.erased, time)

    def close(self) -> None:
        """Give the vault's connection back."""
        if self._sealer is not None:
            self._sealer.vault.close()
            self._sealer = None

    def _vault(self) -> Sealer:
        if self._sealer is None:
            if self._settings is None:
                message = "the log is sealed: set CONTACTPOINT_KEK to the key-encryption key of its vault"
                raise ConfigurationError(message)
            self._sealer = Sealer(KeyVault(self._settings))
        return self._sealer
