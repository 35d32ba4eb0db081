"""Every hop can be TLS with a client's certificate: librdkafka, aiokafka (the matching stage), Faust, PostgreSQL."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from connectors.kafka import EventProducer, create_topics, end_offsets
from connectors.kafka.aio import aiokafka_security
from connectors.postgres import connect
from contactpoint.issuer.certificates import Authority, Certificate
from contactpoint.stack import temporary_stack
from contactpoint.stack.kafka import KafkaCluster, free_ports
from contactpoint.stack.local import LocalStack
from matching.stage.app import kafka_credentials
from schemas.settings import KafkaSettings, PostgresSettings
from schemas.topics import MATCHING_CONTROL
from tests.integration.conftest import stack_config

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def secured(authority: Authority) -> Iterator[str]:
    """Yield the address of a broker that talks to clients with a certificate of the authority only."""
    server, port = authority.server("broker"), free_ports(1)[0]
    with temporary_stack(stack_config()) as stack:
        assert stack.kafka is not None
        restart_secured(stack.kafka, authority, server, port)
        yield f"localhost:{port}"


def restart_secured(cluster: KafkaCluster, authority: Authority, server: Certificate, port: int) -> None:
    node = next(iter(cluster.nodes.values()))
    plain, controller = node.node.port, node.node.controller_port
    keystore = server.certificate.with_name("broker-keystore.pem")  # Kafka wants the key and the certificate in one
    keystore.write_bytes(server.key.read_bytes() + server.certificate.read_bytes())
    overrides = {
        "listeners": f"PLAINTEXT://127.0.0.1:{plain},CONTROLLER://127.0.0.1:{controller},SSL://127.0.0.1:{port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{plain},SSL://localhost:{port}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL",
        "ssl.client.auth": "required",
        "ssl.enabled.protocols": "TLSv1.3,TLSv1.2",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(keystore),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.certificate),
    }
    cluster.stop()
    node.config = node.config.model_copy(update={"overrides": overrides})
    cluster.start()
    cluster.wait_until_ready()


def settings(address: str, authority: Authority, client: Certificate | None) -> KafkaSettings:
    """Return the settings as they come from the environment, with or without a client's certificate."""
    environment = {
        "CONTACTPOINT_KAFKA": address,
        "CONTACTPOINT_KAFKA_SECURITY_PROTOCOL": "SSL",
        "CONTACTPOINT_KAFKA_SSL_CA_LOCATION": str(authority.certificate),
    }
    if client is not None:
        environment["CONTACTPOINT_KAFKA_SSL_CERTIFICATE_LOCATION"] = str(client.certificate)
        environment["CONTACTPOINT_KAFKA_SSL_KEY_LOCATION"] = str(client.key)
    return KafkaSettings.from_env(environment)


async def first_value(kafka: KafkaSettings) -> bytes | None:
    """Return the first value on the control topic, read as the matching stage reads."""
    consumer = AIOKafkaConsumer(
        MATCHING_CONTROL,
        bootstrap_servers=kafka.bootstrap_servers,
        auto_offset_reset="earliest",
        **aiokafka_security(kafka),
    )
    try:
        await consumer.start()
        value: bytes | None = (await consumer.getone()).value
    finally:
        await consumer.stop()
    return value


def test_events_go_over_tls_with_a_client_certificate(secured: str, authority: Authority) -> None:
    kafka = settings(secured, authority, authority.client("client"))
    create_topics(kafka)
    producer = EventProducer(kafka, linger_ms=0)
    producer.send(MATCHING_CONTROL, b"test", b"{}", [])
    producer.flush()
    producer.close()
    assert sum(end_offsets(kafka, [MATCHING_CONTROL]).values()) == 1
    assert asyncio.run(first_value(kafka)) == b"{}"
    assert "SSLCredentials" in repr(kafka_credentials(kafka))


def test_a_client_without_a_certificate_is_turned_away(secured: str, authority: Authority) -> None:
    kafka = settings(secured, authority, None)
    with pytest.raises(KafkaError):
        asyncio.run(first_value(kafka))


def test_postgresql_is_reached_over_tls_and_knows_the_client(
    stack: LocalStack, postgres: PostgresSettings, authority: Authority
) -> None:
    server, client = authority.server("database"), authority.client("contactpoint")
    assert stack.postgres is not None
    folder = stack.postgres.config.data
    for name, source in {
        "server.crt": server.certificate,
        "server.key": server.key,
        "root.crt": authority.certificate,
    }.items():
        owned_copy(source, folder / name, folder)
    with connect(postgres, autocommit=True) as connection:
        if "ssl" not in str(connection.execute("select setting from pg_config where name = 'CONFIGURE'").fetchone()):
            pytest.skip("this PostgreSQL was built without TLS; CI runs this test on the machine's own")
        for name, value in {"ssl_ca_file": "root.crt", "ssl": "on"}.items():
            connection.execute(f"alter system set {name} = '{value}'".encode())
        connection.execute("select pg_reload_conf()")
    try:
        proofs = (
            f"sslmode=verify-full sslrootcert={authority.certificate} sslcert={client.certificate} sslkey={client.key}"
        )
        plain = psycopg.conninfo.make_conninfo(postgres.dsn.get_secret_value(), host="localhost")
        secure = PostgresSettings.model_validate({"dsn": f"{psycopg.conninfo.make_conninfo(plain)} {proofs}"})
        with connect(secure) as connection:
            found = connection.execute(
                "select version, client_dn from pg_stat_ssl where pid = pg_backend_pid()"
            ).fetchone()
        assert found is not None
        assert found[0] in {"TLSv1.2", "TLSv1.3"}
        assert found[1] == "/CN=contactpoint"
    finally:
        with connect(postgres, autocommit=True) as connection:
            connection.execute("alter system reset all")
            connection.execute("select pg_reload_conf()")


def owned_copy(source: Path, target: Path, like: Path) -> None:
    """Copy a file so that only the owner of `like` can read it."""
    target.write_bytes(source.read_bytes())
    target.chmod(0o600)
    owner = like.stat()
    os.chown(target, owner.st_uid, owner.st_gid)
