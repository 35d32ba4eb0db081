"""Real servers for tests: one Kafka and one PostgreSQL a session, with empty topics and an empty database a test.

`stack`         the running LocalStack; its parts can be killed and started again, and are whole again afterwards
`kafka`         KafkaSettings; the topics of the manifest exist and are empty, there are no others and no groups
`postgres`      PostgresSettings of a database made for this test
`postgres_dsn`  its connection string
`connection`    a connection to it, in autocommit
`line`          the stages on these as processes, with the parameter "shared" linked by workers over shared tables
`three_nodes`   a stack of three Kafka nodes (its own, a module; slow to start)

CONTACTPOINT_PG_BIN chooses other PostgreSQL binaries, CONTACTPOINT_TEST_SECRET (any text) other record keys and child
numbers, in other orders: to look for what goes wrong with some of them. Addresses of running servers are never used by
tests.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from confluent_kafka.admin import AdminClient
from psycopg import Connection, sql
from psycopg.rows import TupleRow
from pydantic import SecretStr

from connectors.kafka import create_topics
from connectors.postgres import connect
from contactpoint.stack import LocalStack, StackConfig, temporary_stack
from schemas.settings import KafkaSettings, PostgresSettings
from tests.factories.line import Line
from tests.factories.waiting import PATIENCE


def stack_config(nodes: int = 1) -> StackConfig:
    """Return the configuration of a stack for tests, apart from any that the user runs."""
    addresses = ("CONTACTPOINT_KAFKA", "CONTACTPOINT_POSTGRES_DSN")
    environment = {key: value for key, value in os.environ.items() if key not in addresses}
    config = StackConfig.from_env(environment, nodes=nodes)
    return config.model_copy(update={"folder": config.folder / "tests", "kafka_heap_mb": 512 if nodes == 1 else 384})


@pytest.fixture(scope="session")
def session_stack() -> Iterator[LocalStack]:
    with temporary_stack(stack_config()) as stack:
        yield stack


@pytest.fixture
def stack(session_stack: LocalStack) -> Iterator[LocalStack]:
    yield session_stack
    session_stack.restore()


@pytest.fixture(scope="module")
def three_nodes() -> Iterator[LocalStack]:
    with temporary_stack(stack_config(nodes=3)) as stack:
        yield stack


@pytest.fixture
def kafka(stack: LocalStack) -> KafkaSettings:
    settings = stack.addresses.kafka_settings()
    empty_kafka(settings)
    create_topics(settings)
    return settings


@pytest.fixture
def postgres(stack: LocalStack) -> Iterator[PostgresSettings]:
    assert stack.postgres is not None
    name = f"test_{secrets.token_hex(6)}"
    run_as_owner(stack, sql.SQL("create database {}").format(sql.Identifier(name)))
    yield PostgresSettings(dsn=stack.postgres.config.dsn(name))
    stack.restore()
    run_as_owner(stack, sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
def line(
    kafka: KafkaSettings, postgres: PostgresSettings, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Line]:
    made = Line(kafka, postgres, tmp_path, shared=getattr(request, "param", "owner") == "shared")
    yield made
    print(made.logs())


@pytest.fixture(scope="module")
def module_postgres(session_stack: LocalStack) -> Iterator[PostgresSettings]:
    """A database for all tests of a module, which empty it themselves."""
    assert session_stack.postgres is not None
    name = f"test_{secrets.token_hex(6)}"
    run_as_owner(session_stack, sql.SQL("create database {}").format(sql.Identifier(name)))
    yield PostgresSettings(dsn=session_stack.postgres.config.dsn(name))
    run_as_owner(session_stack, sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
def connection(postgres: PostgresSettings) -> Iterator[Connection[TupleRow]]:
    with connect(postgres, autocommit=True) as opened:
        yield opened


@pytest.fixture
def postgres_dsn(postgres: PostgresSettings) -> str:
    return postgres.dsn.get_secret_value()


def run_as_owner(stack: LocalStack, statement: sql.Composed) -> None:
    """Run one statement outside any transaction, in the server's own database."""
    dsn: SecretStr = stack.addresses.postgres_dsn
    with psycopg.connect(dsn.get_secret_value(), autocommit=True) as connection:
        connection.execute(statement)


def empty_kafka(settings: KafkaSettings) -> None:
    """Delete every topic and consumer group, and wait until the broker no longer lists the topics."""
    admin = AdminClient({**settings.as_librdkafka(), "log_level": 0})
    groups = [group.group_id for group in admin.list_consumer_groups().result().valid]
    if groups:
        for deleted in admin.delete_consumer_groups(groups).values():
            deleted.exception()  # a group that still has a member goes with its member
    names = [name for name in admin.list_topics(timeout=PATIENCE).topics if not name.startswith("__")]
    if names:
        for gone in admin.delete_topics(names).values():
            gone.result()
    while any(not name.startswith("__") for name in admin.list_topics(timeout=PATIENCE).topics):
        pass
