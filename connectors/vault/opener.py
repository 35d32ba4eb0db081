"""Opening what a reader read: one look into the vault for each batch that holds anything sealed."""

from __future__ import annotations

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

    def open(self, messages: list[ReadMessage]) -> list[ReadMessage]:
        """Return the messages with their values open; raise ConfigurationError when there is no vault to open them."""
        places = [place for place, message in enumerate(messages) if is_sealed(message.value)]
        if not places:
            return messages
        sealed = [(messages[place].key, messages[place].value or b"") for place in places]
        for place, found in zip(places, self._vault().open(sealed), strict=True):
            message = messages[place]
            messages[place] = message._replace(value=found.value, sealed=message.value, erased=found.erased)
        return messages

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
