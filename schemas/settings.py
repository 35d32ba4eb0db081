"""Settings that every stage needs, read from a mapping that the entry point passes in; nothing reads them at import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from schemas.errors import ConfigurationError


class Settings(BaseModel):
    """Base of settings: frozen, closed, and safe to print (secrets show as stars)."""

    model_config = ConfigDict(frozen=True, extra="forbid")


KAFKA_SECURITY = (
    *("security.protocol", "sasl.mechanism", "sasl.username", "sasl.password"),
    *("ssl.ca.location", "ssl.certificate.location", "ssl.key.location", "ssl.key.password"),
)
"""What may be set about the way to the brokers, under librdkafka's names; files are PEM."""


class KafkaSettings(Settings):
    """Where the brokers are, and how they and we prove who we are. `extra` may hold a password and is never printed."""

    bootstrap_servers: str
    extra: dict[str, str] = Field(default_factory=dict, repr=False)

    def as_librdkafka(self) -> dict[str, str]:
        """Return the settings under librdkafka's names."""
        return {"bootstrap.servers": self.bootstrap_servers, **self.extra}

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read CONTACTPOINT_KAFKA and CONTACTPOINT_KAFKA_SECURITY_PROTOCOL, ..._SSL_CA_LOCATION and so on.

        Raises ConfigurationError when the first is not set.
        """
        servers = _required(env, "CONTACTPOINT_KAFKA", "the brokers as host:port[,host:port]")
        return cls(bootstrap_servers=servers, extra=kafka_security(env))

    def as_env(self) -> dict[str, str]:
        """Return the environment variables that `from_env` reads these settings from."""
        security = {_variable(name): value for name, value in self.extra.items() if name in KAFKA_SECURITY}
        return {"CONTACTPOINT_KAFKA": self.bootstrap_servers, **security}


class PostgresSettings(Settings):
    """Where the database is; the DSN may hold a password and is never printed."""

    dsn: SecretStr

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read CONTACTPOINT_POSTGRES_DSN; raise ConfigurationError when it is not set."""
        return cls(dsn=SecretStr(_required(env, "CONTACTPOINT_POSTGRES_DSN", "a PostgreSQL connection string")))


def kafka_security(env: Mapping[str, str]) -> dict[str, str]:
    """Return the security settings of Kafka that are in the environment, under librdkafka's names."""
    return {name: env[_variable(name)] for name in KAFKA_SECURITY if env.get(_variable(name))}


def _variable(name: str) -> str:
    return f"CONTACTPOINT_KAFKA_{name.upper().replace('.', '_')}"


def _required(env: Mapping[str, str], name: str, meaning: str) -> str:
    value = env.get(name, "").strip()
    if not value:
        message = f"{name} is not set: give {meaning}, or start the local stack with `make up`"
        raise ConfigurationError(message)
    return value


def explain_validation(error: ValidationError, file: str) -> str:
    """Return one line for each broken key: the file, the key, what is wrong and which values are allowed."""
    lines = []
    for item in error.errors(include_input=False, include_url=False):
        key = ".".join(map(str, item["loc"])) or "(top level)"
        lines.append(f"{file}: {key}: {item['msg']}")
    return "\n".join(lines)
