"""What the local stack is to be: which parts it runs itself, where it keeps them, and how big they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr

from schemas.errors import ConfigurationError
from schemas.settings import KafkaSettings, PostgresSettings, Settings, VaultSettings, kafka_security

_PROJECT = Path(__file__).resolve().parents[2]


class StackConfig(Settings):
    """Choices for one stack. A part whose address is given is used as it is and never started, stopped or reset."""

    folder: Path
    cache: Path
    kafka: str | None = None
    kafka_security: dict[str, str] = Field(default_factory=dict, repr=False)
    postgres_dsn: SecretStr | None = None
    nodes: int = Field(default=1, ge=1, le=5)
    kafka_heap_mb: int = Field(default=512, ge=128)
    shared_buffers_mb: int = Field(default=256, ge=16)
    kek: SecretStr | None = None
    postgres_bin: Path | None = None
    maven_repository: str | None = None

    @classmethod
    def from_env(cls, env: Mapping[str, str], *, folder: Path | None = None, nodes: int = 1) -> Self:
        """Read the environment variables that `contactpoint stack up --help` lists."""
        given_folder = Path(env["CONTACTPOINT_LOCAL"]) if env.get("CONTACTPOINT_LOCAL") else default_folder()
        return cls(
            folder=(folder or given_folder).resolve(),
            cache=cache_folder(env),
            kafka=env.get("CONTACTPOINT_KAFKA") or None,
            kafka_security=kafka_security(env) if env.get("CONTACTPOINT_KAFKA") else {},
            postgres_dsn=SecretStr(env["CONTACTPOINT_POSTGRES_DSN"]) if env.get("CONTACTPOINT_POSTGRES_DSN") else None,
            kek=SecretStr(env["CONTACTPOINT_KEK"]) if env.get("CONTACTPOINT_KEK") else None,
            nodes=nodes,
            postgres_bin=Path(env["CONTACTPOINT_PG_BIN"]) if env.get("CONTACTPOINT_PG_BIN") else None,
            maven_repository=env.get("CONTACTPOINT_MAVEN_REPOSITORY") or None,
        )


class StackAddresses(Settings):
    """Where the parts of a running stack are."""

    kafka: str
    postgres_dsn: SecretStr
    kafka_security: dict[str, str] = Field(default_factory=dict, repr=False)
    kek: SecretStr | None = None

    def kafka_settings(self) -> KafkaSettings:
        """Return the settings that clients of Kafka take."""
        vault = VaultSettings(kek=self.kek, dsn=self.postgres_dsn) if self.kek else None
        return KafkaSettings(bootstrap_servers=self.kafka, extra=self.kafka_security, vault=vault)

    def postgres_settings(self) -> PostgresSettings:
        """Return the settings that clients of PostgreSQL take."""
        return PostgresSettings(dsn=self.postgres_dsn)

    def as_env(self) -> dict[str, str]:
        """Return the environment variables under which every stage finds this stack."""
        return {
            **self.kafka_settings().as_env(),
            "CONTACTPOINT_POSTGRES_DSN": self.postgres_dsn.get_secret_value(),
        }


def default_folder() -> Path:
    """Return `.local` of the clone, or of the working folder when the package is installed elsewhere."""
    home = _PROJECT if (_PROJECT / "pyproject.toml").is_file() else Path.cwd()
    return home / ".local"


def cache_folder(env: Mapping[str, str]) -> Path:
    """Return the folder for what is fetched once a machine: outside every clone, by the XDG convention."""
    if env.get("XDG_CACHE_HOME"):
        return Path(env["XDG_CACHE_HOME"]) / "contactpoint"
    if not env.get("HOME"):
        message = "neither HOME nor XDG_CACHE_HOME is set, so there is no folder to keep Kafka's files in: set one"
        raise ConfigurationError(message)
    return Path(env["HOME"]) / ".cache" / "contactpoint"
