"""Settings of the audit trail's process, read from the environment that the entry point passes in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import Field

from schemas.settings import KafkaSettings, PostgresSettings, Settings

PREFIX = "CONTACTPOINT_AUDIT_"


class AuditSettings(Settings):
    """`keys` is the folder of `projections.access.keys`; `witness` the witness's address; times are in seconds.

    `authority` is the address of an RFC 3161 time stamping authority and `authority_root` its root certificate (PEM);
    without them checkpoints are not stamped.
    """

    kafka: KafkaSettings
    postgres: PostgresSettings
    keys: Path
    witness: str
    checkpoint_seconds: float = Field(default=5.0, gt=0, le=10.0)
    number_seconds: float = Field(default=0.1, gt=0, le=10.0)
    stamp_seconds: float = Field(default=3600.0, gt=0)
    authority: str | None = None
    authority_root: Path | None = None

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read CONTACTPOINT_AUDIT_KEYS, _WITNESS and the rest; raise ConfigurationError that names what is wrong."""
        kafka, postgres = KafkaSettings.from_env(env), PostgresSettings.from_env(env)
        return cls.from_prefixed(env, PREFIX, kafka=kafka, postgres=postgres)
