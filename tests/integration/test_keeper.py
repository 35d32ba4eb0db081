"""The keeper and the restart of erasures: killed anywhere, restored from anything, each child is erased once."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import pytest

from connectors.decisions import read_decisions
from connectors.kafka import EventProducer
from connectors.postgres import connect
from contactpoint.stack import LocalStack, StackConfig
from contactpoint.stack.postgres import PostgresServer, find_binaries
from schemas.codec import decode, encode
from schemas.decisions import ClockAdvanced, ErasureOrdered
from schemas.events import RecordWithdrawn, record_event_id
from tests.factories.backup import copy_files, put_back
from tests.factories.line import DATABASE_SCHEMAS, Line, kill
from tests.factories.waiting import end, wait_until
from tests.integration.test_erasure import TWO, drop_all_tables_but_the_ledger_and_the_vault, found, read, values_of

pytestmark = pytest.mark.integration

QUICK = {"CONTACTPOINT_RETENTION_EVERY_SECONDS": "0.2", "CONTACTPOINT_RETENTION_STANDBY_SECONDS": "0.2"}
FAR = "2055-01-01"  # everybody has been in the archive for six years
PLACES = ["log", "data_keys", "exports", "samples", "stages", "access_trail"]


def test_a_keeper_that_is_killed_again_and_again_purges_each_child_once(line: Line) -> None:
    line.ingest(line.world(6))
    with line.stages():
        line.drain()
        children = line.outcome().memberships
        gone = max(children, key=lambda number: len(children[number]))
        founder = founder_of(line, gone)
        for part in ([founder], sorted({*children[gone]} - {founder})):  # the rest of the child get another number
            take_back(line, part)
            line.drain()
        assert len(line.outcome().memberships) == len(children) - 1
        keeper = line.start("retention", "run", **QUICK)
        wait_until(lambda: newest_day(line) == datetime.now(UTC).date(), "today has begun")
        assert not line.ask_here("retention", "orders"), "nothing is due today"
        line.drain()
        assert line.run("child", gone, "--archived").returncode == 65, "the archive is for whoever has the right"
        archived = line.ask("child", gone, "--archived", "--with-right", "shielded")["entries"]
        assert {found["cause"] for found in archived} == {"withdrawn"}
        ended = {found["child_number"] for found in archived}
        assert line.ask("lineage", gone)["current"] == []
        everybody = {*children} - {gone} | ended
        asked = key_of_what_a_search_asked(line)
        assert line.run("retention", "advance", FAR).returncode == 65, "a day to come would erase a nation"
        assert line.run("retention", "advance", FAR, "--by", "a", "--approved-by", "b").returncode == 0
        for steps in (1, 8, 15):
            wait_for_steps(line, steps)
            kill(keeper)
            keeper = line.start("retention", "run", **QUICK)
        second = line.start("retention", "run", **QUICK)
        wait_until(lambda: len(finished(line)) == len(everybody), "everybody is erased", pause=0.5)
        for each in (keeper, second):
            end(each)
        line.drain()
        before = line.outcome()
    assert before.memberships == {}
    assert [asked] in [each.get("keys") for each in line.entries() if each["action"] == "destroyed_keys"]
    assert {tuple(row["done"]) for row in finished(line)} == {tuple(PLACES)}
    orders = {each.event_id: each for each in read_decisions(line.kafka) if isinstance(each, ErasureOrdered)}
    assert {each.by for each in orders.values()} == {"retention-run"}
    erased = Counter(number for each in orders.values() for number in each.data.child_numbers)
    assert {number: erased.pop(number, 0) for number in everybody} == dict.fromkeys(everybody, 1)
    assert erased.keys() <= {gone}, "an order names former numbers too"
    drop_all_tables_but_the_ledger_and_the_vault(line)
    with line.stages():
        line.drain()
        assert line.outcome().settled == before.settled


def founder_of(line: Line, number: str) -> str:
    """Return the record from whose key a child's number is made."""
    with connect(line.postgres, autocommit=True) as connection:
        asked = "select founder from audit.identity_event where child_number = %s order by version desc limit 1"
        return str(connection.execute(asked, [number]).fetchall()[0][0])


def key_of_what_a_search_asked(line: Line) -> str:
    """Make a key as a search makes one that found no child; return its name."""
    with connect(line.postgres, autocommit=True) as connection:
        made = "insert into vault.audit_key (month, wrapped) values ('2026-01-01', '') returning key_ref::text"
        return str(connection.execute(made).fetchall()[0][0])


def test_killed_erasures_are_finished_and_a_restored_backup_is_erased_again(line: Line, stack: LocalStack) -> None:
    """Whatever the backup's form, a dump or a copy of the server's files, and whether somebody thinks of it or not."""
    assert stack.postgres is not None
    line.ingest(line.world(16))
    with line.stages():
        line.drain()
        chosen = sorted(line.outcome().memberships.items(), key=lambda child: -len(child[1]))[:3]
        values = [value for _, members in chosen for value in values_of(line, members)[0]]
        dumped, copied = dump(line), copy_files(stack.postgres, "--wal-method=fetch")
        for number, _ in chosen:
            before = done_steps(line)
            process = line.start("retention", "erase", number, *TWO, "--reason", "court_order")
            wait_for_steps(line, before + 1)
            kill(process)
        assert all(row["done"] for row in line.ask_here("retention", "enforce"))
        assert len(finished(line)) == len(chosen)
        assert found(line, values) == []
    ways = (partial(restore, line, dumped), enforced), (partial(restart_with, stack.postgres, copied), kept)
    for bring_back, erased_again in ways:
        bring_back()
        assert found(line, values), "the backup brings the child back"
        assert openable(line, chosen[0][1])
        with line.stages():
            erased_again(line, len(chosen))
            line.drain()
            assert found(line, values) == []
        assert not any(openable(line, members) for _, members in chosen)


def enforced(line: Line, count: int) -> None:
    """Carry the orders out again as a person would."""
    assert [row["done"] for row in line.ask_here("retention", "enforce")] == [True] * count


def kept(line: Line, count: int) -> None:
    """Let the keeper find that they are not done."""
    keeper = line.start("retention", "run", **QUICK)
    wait_until(lambda: len(finished(line)) == count, "the keeper erases them again", pause=0.5)
    kill(keeper)


def take_back(line: Line, members: Iterable[str]) -> None:
    """Publish that their sources withdrew these records."""
    newest = {message.key: message for message in read(line.kafka)}
    with EventProducer(line.kafka) as producer:
        for key in members:
            said = newest[key.encode()]
            version = decode(said.value).source_version + 1  # type: ignore[union-attr]
            name = record_event_id(key, "record.withdrawn", version, "")
            event = RecordWithdrawn(
                event_id=name,
                subject=key,
                feed="feed",
                source_version=version,
                fingerprint="",
                ingested_at=datetime.now(UTC),
            )
            producer.send_event(said.topic, encode(event))


def newest_day(line: Line) -> date | None:
    days = [each.data.today for each in read_decisions(line.kafka) if isinstance(each, ClockAdvanced)]
    return max(days, default=None)


def done_steps(line: Line) -> int:
    with connect(line.postgres, autocommit=True) as connection:
        there = connection.execute("select to_regclass('retention.step') is not null").fetchone()
        if not there or not there[0]:
            return 0
        row = connection.execute("select count(*) from retention.step").fetchone()
        return int(row[0]) if row else 0


def finished(line: Line) -> list[dict[str, list[str]]]:
    return [row for row in line.ask_here("retention", "orders") if row["finished_at"]]


def openable(line: Line, members: tuple[str, ...]) -> int:
    """Return how many events of these records can be opened."""
    keys = {key.encode() for key in members}
    return sum(message.value is not None for message in read(line.kafka) if message.key in keys)


def wait_for_steps(line: Line, steps: int) -> None:
    wait_until(lambda: done_steps(line) >= steps, f"{steps} steps are done")


def binaries() -> Path:
    """Return the folder of the server's own programs: an older server cannot read a newer one's dump."""
    return find_binaries(StackConfig.from_env(os.environ).postgres_bin)


def dump(line: Line) -> bytes:
    command = [str(binaries() / "pg_dump"), "--no-owner", line.postgres.dsn.get_secret_value()]
    return subprocess.run(command, capture_output=True, check=True).stdout


def restart_with(server: PostgresServer, copied: Path) -> None:
    put_back(server, copied)
    server.start()


def restore(line: Line, backup: bytes) -> None:
    """Put the database back to what the backup holds, vault and ledger too."""
    with connect(line.postgres, autocommit=True) as connection:
        for name in (*DATABASE_SCHEMAS, "ingest", "vault", "retention", "service", "directory_api"):
            connection.execute(f"drop schema if exists {name} cascade".encode())
    command = [
        str(binaries() / "psql"),
        "--quiet",
        "-v",
        "ON_ERROR_STOP=1",
        line.postgres.dsn.get_secret_value(),
    ]
    subprocess.run(command, input=backup, check=True, capture_output=True)
