"""Settings of the matching stage."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError

from schemas.errors import ConfigurationError
from schemas.settings import KafkaSettings, PostgresSettings, Settings


def default_holder() -> str:
    """Name this process among those that may hold the lease: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


class MatchingSettings(Settings):
    """How one matching worker runs; several workers with the same database are one owner and its standbys.

    `model` is a model file, or None for the newest one that ships with the package; `models` is a folder with the
    files that may be activated, besides those of the package. `lease_seconds` is how long a
    silent owner keeps the work; a standby takes over when it has passed. A micro-batch is what has arrived, at most
    `batch_records`: only a backlog makes large ones.
    """

    kafka: KafkaSettings
    postgres: PostgresSettings
    model: Path | None = None
    models: Path | None = None
    holder: str = Field(default_factory=default_holder, min_length=1, max_length=200)
    lease_seconds: float = Field(default=10.0, gt=0.2, le=300.0)
    batch_records: int = Field(default=10_000, ge=1, le=20_000)
    idle_milliseconds: int = Field(default=20, ge=1, le=1000)
    lag_seconds: float = Field(default=30.0, gt=0.0)
    consumer_group: str = "contactpoint-matching"

    @property
    def silent_seconds(self) -> float:
        """How long one of several workers may be silent amid a batch until the others take it for frozen and end it.

        Long beside any batch; nothing that it had under way is lost, it starts afresh when it wakes.
        """
        return max(3 * self.lease_seconds, _SHORTEST_SILENCE)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read the addresses, and CONTACTPOINT_MATCHING_* for what differs from the defaults.

        Raises ConfigurationError that names the variable.
        """
        prefix = "CONTACTPOINT_MATCHING_"
        own = {name: env[prefix + name.upper()] for name in _OVERRIDES if env.get(prefix + name.upper())}
        addresses = {"kafka": KafkaSettings.from_env(env), "postgres": PostgresSettings.from_env(env)}
        try:
            return cls.model_validate({**addresses, **own})
        except ValidationError as error:
            wrong = error.errors(include_input=False, include_url=False)
            message = "; ".join(f"{prefix}{str(item['loc'][0]).upper()}: {item['msg']}" for item in wrong)
            raise ConfigurationError(message) from None


_SHORTEST_SILENCE = 6.0
_OVERRIDES = (
    "model",
    "models",
    "holder",
    "lease_seconds",
    "batch_records",
    "idle_milliseconds",
    "lag_seconds",
    "consumer_group",
)
