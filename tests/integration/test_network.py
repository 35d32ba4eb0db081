"""A bad network (F16): slow, cut again and again, and half open, to PostgreSQL and to Kafka."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import httpx
import psycopg.conninfo
import pytest
from pydantic import SecretStr

from connectors.kafka import create_topics
from connectors.postgres import connect
from contactpoint.stack import LocalStack, temporary_stack
from contactpoint.stack.kafka import free_ports
from projections.rebuild import verify
from projections.registry import PROJECTIONS
from schemas.settings import KafkaSettings, PostgresSettings
from tests.factories.directory_service import Desk, pupil
from tests.factories.directory_service import running as serving
from tests.factories.linkage import history
from tests.factories.projecting import publish, running, wait_for_commits, wait_for_the_end
from tests.factories.proxy import Proxy, proxy_to
from tests.factories.waiting import end
from tests.factories.workers import bench, undisturbed
from tests.integration.conftest import stack_config
from tests.unit.projections.histories import long_history


def port_of(postgres: PostgresSettings) -> int:
    return int(psycopg.conninfo.conninfo_to_dict(postgres.dsn.get_secret_value())["port"] or 0)


def through(postgres: PostgresSettings, proxy: Proxy) -> PostgresSettings:
    """Return the way to the same database through the proxy."""
    dsn = psycopg.conninfo.make_conninfo(postgres.dsn.get_secret_value(), port=proxy.port)
    return PostgresSettings(dsn=SecretStr(dsn))


@pytest.fixture
def network(postgres: PostgresSettings) -> Iterator[Proxy]:
    with proxy_to(port_of(postgres)) as proxy:
        yield proxy


def test_a_projection_over_a_slow_line_that_is_cut_again_and_again_loses_and_doubles_nothing(
    kafka: KafkaSettings, postgres: PostgresSettings, network: Proxy
) -> None:
    projection, rng = PROJECTIONS["directory"], random.Random(12)
    publish(kafka, long_history(seed=12, records=200))
    network.delay = 0.005
    with (
        connect(postgres, autocommit=True) as connection,
        running(projection, kafka, through(postgres, network), batch=5) as process,  # much is left at the last cut
    ):
        for _ in range(6):
            wait_for_commits(connection, projection, 1)
            time.sleep(rng.random() * 0.3)  # somewhere inside a batch, now and then inside its commit
            network.cut()
        network.delay = 0.0
        wait_for_the_end(connection, kafka, projection)
        end(process)
    assert verify(projection, kafka, postgres).equal


@pytest.mark.soak
def test_a_projection_on_a_half_open_connection_is_replaced_and_does_no_harm_when_the_line_is_back(
    kafka: KafkaSettings, postgres: PostgresSettings, network: Proxy
) -> None:
    projection = PROJECTIONS["directory"]
    publish(kafka, long_history(seed=13, records=300))
    with (
        connect(postgres, autocommit=True) as connection,
        running(projection, kafka, through(postgres, network), batch=10) as hung,
    ):
        wait_for_commits(connection, projection, 2)
        network.hold()
        with running(projection, kafka, postgres, batch=50) as successor:
            wait_for_commits(connection, projection, 2)
            network.release()
            wait_for_the_end(connection, kafka, projection)
            for process in (hung, successor):
                end(process)
    assert verify(projection, kafka, postgres).equal


def test_the_service_gives_no_record_over_a_half_open_connection_and_a_cut_costs_at_most_one_request(
    stack: LocalStack, postgres: PostgresSettings, network: Proxy
) -> None:
    with serving(Desk(through(postgres, network))) as desk:
        desk.employ("nurse")
        (number,) = desk.directory.add({"school:N1": pupil("Moss", "Ada", date(2011, 3, 9))})
        assert desk.post("/v1/open", "nurse", child_number=number).status_code == 200
        answers: list[httpx.Response] = []
        network.hold()
        asking = threading.Thread(target=lambda: answers.append(desk.post("/v1/open", "nurse", child_number=number)))
        asking.start()
        asking.join(1.0)
        assert not answers
        network.cut()
        network.release()
        asking.join()
        answers += [desk.post("/v1/open", "nurse", child_number=number) for _ in range(6)]
        for _ in range(3):  # a cut between requests costs none of them
            network.cut()
            answers += [desk.post("/v1/open", "nurse", child_number=number) for _ in range(4)]
        assert stack.postgres is not None
        stack.postgres.kill()
        stack.restore()
        answers += [desk.post("/v1/open", "nurse", child_number=number) for _ in range(4)]
        refused = [answer for answer in answers if answer.status_code != 200]
        assert [(each.status_code, each.headers["retry-after"]) for each in refused] in ([], [(503, "1")])
        assert not any("Moss" in answer.text for answer in answers if answer.status_code == 503)
        answered = {answer.headers["request-id"] for answer in answers if answer.status_code == 200}
        assert answered <= {entry["request"] for entry in desk.entries() if entry["action"] == "opened"}


@pytest.fixture(scope="module")
def behind_a_proxy() -> Iterator[tuple[Proxy, KafkaSettings, KafkaSettings]]:
    """A broker that clients reach through a proxy; with the proxied way to it, and the direct one."""
    with temporary_stack(stack_config()) as stack, proxy_to(outer := free_ports(1)[0]) as proxy:
        advertise(stack, outer, proxy.port)
        proxied = KafkaSettings(bootstrap_servers=f"127.0.0.1:{proxy.port}")
        direct = KafkaSettings(bootstrap_servers=stack.addresses.kafka)
        create_topics(direct)
        yield proxy, proxied, direct


def advertise(stack: LocalStack, outer: int, proxied: int) -> None:
    """Give the broker a second listener, which tells its clients the proxy's port."""
    assert stack.kafka is not None
    node = next(iter(stack.kafka.nodes.values()))
    plain, controller = node.node.port, node.node.controller_port
    overrides = {
        "listeners": f"PLAINTEXT://127.0.0.1:{plain},CONTROLLER://127.0.0.1:{controller},OUT://127.0.0.1:{outer}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{plain},OUT://127.0.0.1:{proxied}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,OUT:PLAINTEXT",
    }
    stack.kafka.stop()
    node.config = node.config.model_copy(update={"overrides": overrides})
    stack.kafka.start()
    stack.kafka.wait_until_ready()


@pytest.mark.soak
def test_matching_over_a_bad_line_to_kafka_ends_with_the_children_of_an_undisturbed_run(
    behind_a_proxy: tuple[Proxy, KafkaSettings, KafkaSettings], postgres: PostgresSettings, tmp_path: Path
) -> None:
    proxy, proxied, direct = behind_a_proxy
    events, rng = history(51, 1200), random.Random(51)
    proxy.delay = 0.003
    with bench(direct, postgres, tmp_path) as line:
        line.kafka = proxied
        worker = line.start(batch_records=40, lease_seconds=1.0)
        line.kafka = direct
        for number in range(6):
            line.feed(events[number * 200 : (number + 1) * 200])
            line.wait_until(lambda: line.query("select 1 from matching.record limit 1"), "some records to be linked")
            time.sleep(rng.random() * 0.5)
            if number % 2:
                proxy.cut()
            else:
                proxy.hold()
                time.sleep(1.5)
                proxy.release()
        line.drain()
        assert line.children() == line.published() == undisturbed(events)
        worker.end()
