"""Settings that every stage needs, read from a mapping that the entry point passes in; nothing reads them at import."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from schemas.errors import ConfigurationError

_KEK_BYTES = 32


class Settings(BaseModel):
    """Base of settings: frozen, closed, and safe to print (secrets show as stars)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def from_prefixed(cls, env: Mapping[str, str], prefix: str, **known: object) -> Self:
        """Read all variables that begin so, beside what is known; raise ConfigurationError that names what is wrong."""
        given = {key.removeprefix(prefix).lower(): value for key, value in env.items() if key.startswith(prefix)}
        try:
            return cls.model_validate({**given, **known})
        except ValidationError as error:
            raise ConfigurationError(explain_validation(error, f"environment ({prefix}...)")) from error


KAFKA_SECURITY = (
    *("security.protocol", "sasl.mechanism", "sasl.username", "sasl.password"),
    *("ssl.ca.location", "ssl.certificate.location", "ssl.key.location", "ssl.key.password"),
)
"""What may be set about the way to the brokers, under librdkafka's names; files are PEM."""


class VaultSettings(Settings):
    """Where the data keys are, and the key-encryption key that opens them (base64 of 32 bytes); neither is printed."""

    kek: SecretStr
    dsn: SecretStr

    def key(self) -> bytes:
        """Return the key-encryption key; raise ConfigurationError when it is none."""
        try:
            key = b64decode(self.kek.get_secret_value(), validate=True)
        except ValueError:
            key = b""
        if len(key) != _KEK_BYTES:
            message = "CONTACTPOINT_KEK must be 32 bytes in base64: `contactpoint retention new-key` makes one"
            raise ConfigurationError(message)
        return key

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self | None:
        """Read CONTACTPOINT_KEK, and CONTACTPOINT_VAULT_DSN or else CONTACTPOINT_POSTGRES_DSN; None without a key."""
        kek = env.get("CONTACTPOINT_KEK", "").strip()
        if not kek:
            return None
        dsn = env.get("CONTACTPOINT_VAULT_DSN", "").strip() or env.get("CONTACTPOINT_POSTGRES_DSN", "").strip()
        return cls(kek=SecretStr(kek), dsn=SecretStr(dsn))

    def as_env(self) -> dict[str, str]:
        """Return the environment variables that `from_env` reads these settings from."""
        return {"CONTACTPOINT_KEK": self.kek.get_secret_value(), "CONTACTPOINT_VAULT_DSN": self.dsn.get_secret_value()}


class KafkaSettings(Settings):
    """Where the brokers are, and how they and we prove who we are. `extra` may hold a password and is never printed.

    `vault` holds the keys to what the topics carry; without it nothing sealed can be read.
    """

    bootstrap_servers: str
    extra: dict[str, str] = Field(default_factory=dict, repr=False)
    vault: VaultSettings | None = None

    def as_librdkafka(self) -> dict[str, str]:
        """Return the settings under librdkafka's names."""
        return {"bootstrap.servers": self.bootstrap_servers, **self.extra}

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read CONTACTPOINT_KAFKA and CONTACTPOINT_KAFKA_SECURITY_PROTOCOL, ..._SSL_CA_LOCATION and so on.

        Raises ConfigurationError when the first is not set.
        """
        servers = _required(env, "CONTACTPOINT_KAFKA", "the brokers as host:port[,host:port]")
        return cls(bootstrap_servers=servers, extra=kafka_security(env), vault=VaultSettings.from_env(env))

    def as_env(self) -> dict[str, str]:
        """Return the environment variables that `from_env` reads these settings from."""
        security = {_variable(name): value for name, value in self.extra.items() if name in KAFKA_SECURITY}
        keys = self.vault.as_env() if self.vault else {}
        return {"CONTACTPOINT_KAFKA": self.bootstrap_servers, **security, **keys}


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


def explain_validation(error: ValidationError, file: str, model: type[BaseModel] | None = None) -> str:
    """Return one line for each broken key: the file, the key, what is wrong, and what is allowed there.

    With the model that was read, an unknown key is answered with the keys that there are.
    """
    lines = []
    for item in error.errors(include_input=False, include_url=False):
        key = ".".join(map(str, item["loc"])) or "(the file)"
        message = item["msg"].removeprefix("Value error, ")
        allowed = _keys(model, item["loc"][:-1]) if item["type"] == "extra_forbidden" else []
        if allowed:
            message = f"no such key; allowed here: {', '.join(allowed)}"
        lines.append(f"{file}: {key}: {message}")
    return "\n".join(lines)


def _keys(model: type[BaseModel] | None, location: tuple[int | str, ...]) -> list[str]:
    """Return the keys of the table at this place; a step that is no key (a place in a list) leads nowhere else."""
    tables = [model] if model else []
    for step in location:
        fields = [table.model_fields[str(step)] for table in tables if str(step) in table.model_fields]
        tables = [table for field in fields for table in _tables(field.annotation)] if fields else tables
    return sorted({key for table in tables for key in table.model_fields})


def _tables(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [table for part in get_args(annotation) for table in _tables(part)]
