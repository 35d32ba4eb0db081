"""`contactpoint audit` against real servers: what an operator, an auditor and an outsider do with the trail."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from connectors.decisions import publish_decisions
from connectors.postgres import connect
from contactpoint.cli.app import app
from contactpoint.erasing import ordered
from contactpoint.running.audit_parts import audit_parts, make_parts
from projections.access.keys import read_log_keys, read_signer
from projections.access.log import append, create_tables
from projections.access.sequencer import Sequencer
from projections.access.store import erase_keys
from projections.access.witness import Witness
from projections.access.witness_server import HttpWitness, WitnessServer, listening
from schemas.errors import ConfigurationError, RejectedError, RetriableError
from schemas.identity import child_number
from schemas.settings import KafkaSettings, PostgresSettings
from tests.factories.trail import destroying, entry, run_verifier
from tests.factories.waiting import PATIENCE, wait_until
from tests.unit.projections.decision_events import erased

CHILD, OTHER = "1P363AQQSXXVB", child_number("school:1")
WHO = ("--by", "auditor-1", "--organisation", "LA-BOLTON", "--reason", "complaint 12")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WitnessServer]:
    make_parts(tmp_path / "log", tmp_path / "witness")
    keys = read_log_keys(tmp_path / "log")
    signer = read_signer(tmp_path / "witness" / "witness.key")
    witness = Witness(signer, keys.signer.verifier, tmp_path / "witness" / "witness.json", lambda: 1_800_000_000)
    with WitnessServer(0, witness) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_a_second_witness_stands_by_and_takes_over_when_the_first_ends(server: WitnessServer, tmp_path: Path) -> None:
    stop, taken = threading.Event(), ThreadPoolExecutor(1)
    waiting = taken.submit(listening, tmp_path / "witness", server.server_address[1], stop)
    assert not wait([waiting], timeout=0.5).done
    server.shutdown()
    server.server_close()
    second = waiting.result(PATIENCE)
    assert second is not None
    assert second.url == server.url
    second.server_close()
    stop.set()
    assert listening(tmp_path / "witness", 0, stop) is None


def test_a_client_that_leaves_the_witness_before_its_answer_is_told_in_a_line(
    server: WitnessServer, capfd: pytest.CaptureFixture[str]
) -> None:
    with capture_logs() as told, socket.create_connection(("127.0.0.1", server.server_address[1])) as leaving:
        leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        leaving.sendall(b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf")
        leaving.close()
        wait_until(lambda: [each["event"] for each in told] == ["witness_client_left"], "the witness to tell of it")
    assert "Traceback" not in capfd.readouterr().err


@pytest.fixture
def young(
    kafka: KafkaSettings,
    postgres: PostgresSettings,
    server: WitnessServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[psycopg.Connection, Sequencer]]:
    """Yield a trail of nine entries that nobody has witnessed, and who has it witnessed."""
    monkeypatch.setenv("CONTACTPOINT_KAFKA", kafka.bootstrap_servers)
    monkeypatch.setenv("CONTACTPOINT_POSTGRES_DSN", postgres.dsn.get_secret_value())
    monkeypatch.setenv("CONTACTPOINT_AUDIT_KEYS", str(tmp_path / "log"))
    monkeypatch.setenv("CONTACTPOINT_AUDIT_WITNESS", server.url)
    create_tables(postgres)
    with connect(postgres, autocommit=True) as connection:
        append(connection, [entry(request=f"r-{number}", query={"family": "Moss"}) for number in range(9)])
        sequencer = Sequencer(connection, read_log_keys(tmp_path / "log"), HttpWitness(server.url))
        sequencer.number()
        yield connection, sequencer


@pytest.fixture
def trail(young: tuple[psycopg.Connection, Sequencer]) -> psycopg.Connection:
    connection, sequencer = young
    sequencer.witness(sequencer.sign())
    return connection


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["audit", *arguments], catch_exceptions=False)


def test_the_trail_is_verified_and_an_edit_by_the_database_s_owner_is_named(
    trail: psycopg.Connection, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run("verify").exit_code == 0
    assert "9 entries hold: 9 covered" in capfd.readouterr().out
    trail.execute("set session_replication_role = replica")
    trail.execute("update audit.entry set user_id = 'somebody-else' where leaf = 6")
    done = run("verify")
    assert (done.exit_code, "FIRST BAD LEAF 6: misindexed" in done.stdout) == (1, True)
    trail.execute("update audit.entry set user_id = 'u-1' where leaf = 6")
    trail.execute("update vault.audit_key set child_number = '0000000000000' where child_number is not null")
    done = run("verify")
    assert (done.exit_code, "FIRST BAD LEAF 0: miskeyed" in done.stdout) == (1, True)
    trail.execute("update audit.entry set body = replace(body, '\"nurse\"', '\"clerk\"') where leaf = 4")
    assert run("verify").exit_code == 1
    assert "FIRST BAD LEAF 4: edited" in capfd.readouterr().out


def test_a_trail_that_is_too_young_to_be_witnessed_is_told_from_one_that_lost_its_checkpoints(
    young: tuple[psycopg.Connection, Sequencer], capfd: pytest.CaptureFixture[str]
) -> None:
    connection, sequencer = young
    with pytest.raises(RetriableError, match="try again in some seconds"):
        run("verify")
    sequencer.witness(sequencer.sign())
    assert run("verify").exit_code == 0
    connection.execute("set session_replication_role = replica")
    connection.execute("delete from audit.cosignature")
    assert run("verify").exit_code == 1
    assert "not witnessed" in capfd.readouterr().out


def test_a_proof_and_an_export_are_checked_by_an_outsider(trail: psycopg.Connection, tmp_path: Path) -> None:
    (number,) = trail.execute("select entry_id from audit.entry where leaf = 3").fetchone() or (0,)
    assert run("proof", str(number), str(tmp_path / "out")).exit_code == 0
    proof, body = tmp_path / "out" / f"{number}.tlog-proof", tmp_path / "out" / f"{number}.json"
    assert run_verifier(tmp_path, "proof", str(proof), str(body)).startswith("the entry is leaf 3 of the 9")
    assert run("export", str(tmp_path / "export")).exit_code == 0
    assert run_verifier(tmp_path, "trail", str(tmp_path / "export")).startswith("9 entries hold")
    assert run("checkpoint").stdout.startswith("contactpoint.example/audit\n9\n")


def test_an_auditor_searches_and_gets_tables_json_or_fhir(trail: psycopg.Connection) -> None:
    table = run("search", *WHO, "--child", CHILD, "--output", "json")
    assert [row["query"] for row in json.loads(table.stdout)] == [{"family": "Moss"}] * 9
    bundle = json.loads(run("search", *WHO, "--user", "u-1", "--limit", "2", "--fhir").stdout)
    assert [each["resource"]["id"] for each in bundle["entry"]] == ["leaf-8", "leaf-7"]
    looks = trail.execute("select count(*) from audit.pending where entry ->> 'action' = 'viewed_audit'").fetchone()
    assert looks == (2,)


def test_a_misspelt_number_is_refused_and_not_reported_as_a_child_at_whom_nobody_looked(
    trail: psycopg.Connection,
) -> None:
    for command in (("report", "1P363AQQSXXVC"), ("search", "--child", "1P363AQQSXXVC")):
        with pytest.raises(RejectedError, match="check symbol"):
            run(*command, *WHO)
    with pytest.raises(ConfigurationError, match="why you look"):
        run("report", "1P363AQQSXXVB", *WHO, "--reason", "  ")
    assert trail.execute("select count(*) from audit.pending").fetchone() == (0,)


def test_an_erased_child_is_unreadable_and_the_trail_verifies_once_the_log_has_an_order_for_each_key(
    young: tuple[psycopg.Connection, Sequencer], tmp_path: Path, kafka: KafkaSettings
) -> None:
    trail, sequencer = young
    append(trail, [entry(child=OTHER)])
    sequencer.number()
    with destroying(trail) as shown:
        shown.keys = erase_keys(trail, read_log_keys(tmp_path / "log").sealing, [CHILD])
    sequencer.number()
    sequencer.witness(sequencer.sign())
    rows = json.loads(run("search", *WHO, "--output", "json").stdout)
    assert {row["child"] for row in rows} == {"(erased)", None, OTHER}
    done = run("verify")
    assert (done.exit_code, done.stdout) == (
        1,
        "BAD LEAF 10: key not ordered: the log has no order erasure-erasure-1\n",
    )
    publish_decisions(kafka, [erased(("school:1", 1), children=(CHILD,), at=datetime.now(UTC))])
    assert run("verify").exit_code == 0


def test_a_key_that_stays_against_an_order_and_one_that_is_listed_and_gone_are_named(
    young: tuple[psycopg.Connection, Sequencer],
    kafka: KafkaSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trail, sequencer = young
    append(trail, [entry(child=OTHER), entry(child=None, query={"family": "Moss"})])
    sequencer.number()
    publish_decisions(kafka, [erased(("school:1", 1), children=(CHILD, OTHER), at=datetime.now(UTC))])
    with destroying(trail) as shown:
        shown.keys = erase_keys(trail, read_log_keys(tmp_path / "log").sealing, [CHILD])
    sequencer.number()
    sequencer.witness(sequencer.sign())
    kept = "BAD LEAF 9: key kept: erasure-erasure-1 was to destroy what seals this entry\n"
    assert run("verify").stdout == kept
    key = trail.execute("delete from vault.audit_key where month is not null returning key_ref").fetchone()
    assert key is not None
    trail.execute(f"create or replace function audit.ending_keys() returns setof text return '{key[0]}'".encode())
    monkeypatch.setattr(ordered, "_PATIENCE_SECONDS", 1)
    listed = f"BAD LEAF 10: key listed: {key[0]} is listed as there and is not, and no entry ends it\n"
    assert run("verify").stdout == kept + listed


def test_a_witness_that_is_away_or_refuses_is_told_apart(
    trail: psycopg.Connection, server: WitnessServer, tmp_path: Path
) -> None:
    with pytest.raises(RejectedError, match="refused the request"):
        HttpWitness(server.url)(b"nonsense")
    with pytest.raises(RetriableError, match="does not answer"):
        HttpWitness("http://127.0.0.1:9")(b"")
    with pytest.raises(ConfigurationError, match="no address"):
        HttpWitness("witness")


def test_the_local_stack_gets_keys_and_a_witness_once(tmp_path: Path) -> None:
    first = audit_parts({}, tmp_path)
    assert audit_parts({}, tmp_path) == first
    assert [command.name for command in first.commands()] == ["witness", "access"]
    given = audit_parts({**first.as_env()}, tmp_path / "other")
    assert [command.name for command in given.commands()] == ["access"]
