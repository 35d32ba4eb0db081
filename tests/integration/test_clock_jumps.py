"""The wall clock jumps by hours and days, forwards and backwards, under running stages (F10)."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql

from connectors.postgres import connect
from projections.access.log import require_healthy
from projections.rebuild import verify
from projections.registry import PROJECTIONS
from schemas.errors import RetriableError
from schemas.settings import KafkaSettings, PostgresSettings
from tests.factories.directory_service import Desk, teenager
from tests.factories.directory_service import running as serving
from tests.factories.linkage import history
from tests.factories.projecting import publish, running, wait_for_the_end
from tests.factories.trail import entry, open_trail
from tests.factories.waiting import end
from tests.factories.workers import Bench, bench, undisturbed
from tests.unit.projections.histories import long_history

JUMPING = {"PYTHONPATH": str(Path(__file__).parents[1] / "factories" / "jumping_clock"), "TZ": "Europe/London"}
HOUR = 3600
LEASE = 5.0  # seconds: a machine under load must not let it run out either
# A lease's time is compared with the database's clock alone, so to move the one is to put the other.
LEASES = {
    "past": "update matching.owner set expires_at = expires_at - interval '1 hour'",
    "future": "update matching.owner set expires_at = expires_at + interval '1 hour'",
}
PULSES = ("numbered_at", "signed_at", "witnessed_at")


def hours_of(log: Path) -> list[str]:
    """Return the hours at which a process said something, in the order in which it did."""
    return re.findall(r"^(\d{4}-\d\d-\d\d[T ]\d\d):", log.read_text(), re.MULTILINE)


@pytest.fixture
def line(
    kafka: KafkaSettings, postgres: PostgresSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    for name, value in JUMPING.items():
        monkeypatch.setenv(name, value)  # for the processes that the bench starts; not for this one
    with bench(kafka, postgres, tmp_path) as made:
        yield made


def test_matching_under_jumping_clocks_ends_with_the_children_of_an_undisturbed_run(line: Bench) -> None:
    events = history(61, 1500)
    line.feed(events[:700])
    first = line.start(batch_records=40, lease_seconds=LEASE)
    line.wait_until(lambda: line.query("select 1 from matching.record limit 1"), "some records to be linked")
    second = line.start(batch_records=40, lease_seconds=LEASE)
    line.wait_until(lambda: second.says("standing_by"), "the other to stand by")
    line.feed(events[700:1200])
    line.drain()
    hours = [*hours_of(first.log), *hours_of(second.log)]
    assert all(hour.startswith("2026-10-2") for hour in hours)
    assert first.count("lease_taken") == 1  # the lease is judged by the database: no jump ends it
    for number, times in enumerate(("past", "future", "past")):  # as its own clock goes an hour forth, back, forth
        line.feed(events[1200 + 100 * number :][:100])
        line.query(LEASES[times])
        line.drain()
    assert line.children() == line.published() == undisturbed(events)
    first.end()
    second.end()


def test_a_projection_under_a_jumping_clock_makes_the_tables_of_an_undisturbed_run(
    kafka: KafkaSettings, postgres: PostgresSettings, tmp_path: Path
) -> None:
    projection = PROJECTIONS["directory"]
    publish(kafka, long_history(seed=62, records=300))
    with (
        connect(postgres, autocommit=True) as connection,
        running(projection, kafka, postgres, 20, log=tmp_path / "log", **JUMPING) as process,
    ):
        wait_for_the_end(connection, kafka, projection)
        end(process)
    assert hours_of(tmp_path / "log")[0].startswith("2026-10-2")
    assert verify(projection, kafka, postgres).equal


def test_the_service_under_a_jumping_clock_never_lets_in_whom_no_hour_lets_in(
    postgres: PostgresSettings,
) -> None:
    """The rightful are at most refused while it is wrong; every answer has its entry, and all is well afterwards."""
    rng = random.Random(63)
    with serving(Desk(postgres)) as desk:
        desk.employ("nurse")
        desk.employ("lapsed", trained_until=None)
        (number,) = desk.directory.add(teenager())
        good = desk.token("nurse")
        opened = 0
        for _ in range(40):
            desk.clock.ahead += rng.choice((HOUR, -HOUR, 1, -1, 24 * HOUR, -24 * HOUR, -desk.clock.ahead))
            answer = desk.post("/v1/open", "nurse", good, child_number=number)
            opened += answer.status_code == 200
            assert answer.status_code in {200, 401}
            assert desk.post("/v1/open", "lapsed", child_number=number).status_code in {401, 403}
        desk.clock.ahead = 0
        assert desk.post("/v1/open", "nurse", child_number=number).status_code == 200
        entries = [each for each in desk.entries() if each["action"] == "opened" and each["decision"] == "permitted"]
        assert len(entries) == opened + 1
        assert opened > 3


def test_a_trail_whose_entries_have_times_in_any_order_is_numbered_witnessed_and_verified(
    postgres: PostgresSettings, tmp_path: Path
) -> None:
    with open_trail(postgres, tmp_path) as trail:
        trail.connection.execute("set session_replication_role = replica")  # as the server's own clock would write
        for number, hours in enumerate((0, 1, -1, 24, -24, 0)):
            trail.record([entry(request=f"r-{number}-{n}") for n in range(3)])
            trail.connection.execute(
                "update audit.pending set appended_at = now() + make_interval(hours => %s)", [hours]
            )
            trail.checkpoint()
        assert trail.verify().startswith("18 entries hold: 18 covered")


@pytest.mark.parametrize("hours", [-5, 5])
def test_after_a_jump_of_the_database_s_own_clock_no_read_goes_on_before_the_trail_is_seen_to_be_kept(
    hours: int, postgres: PostgresSettings, tmp_path: Path
) -> None:
    with open_trail(postgres, tmp_path) as trail:
        trail.record([entry()])
        trail.checkpoint()
        require_healthy(trail.connection)
        for part in map(sql.Identifier, PULSES):
            moved = sql.SQL("update audit.pulse set {part} = {part} + make_interval(hours => %s)").format(part=part)
            trail.connection.execute(moved, [hours])
            with pytest.raises(RetriableError):
                require_healthy(trail.connection)
            trail.connection.execute(moved, [-hours])
        trail.connection.execute("update audit.pulse set numbered_at = now() + interval '5 hours'")
        trail.record([entry()])
        trail.checkpoint()
        require_healthy(trail.connection)  # the first pulse after the jump
