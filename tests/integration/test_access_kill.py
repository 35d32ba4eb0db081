"""Processes of the audit trail are killed at random points: no acknowledged entry is lost, doubled or unprovable."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from connectors.kafka import EventProducer
from connectors.postgres import connect
from contactpoint.stack.kafka import free_ports
from projections.access.export import export_trail, newest_checkpoint
from projections.access.keys import read_log_keys
from projections.access.log import append, create_tables
from projections.access.note import checkpoint_of
from projections.access.relay import PublishedTrail, read_published, relay
from projections.access.restore import restore
from projections.access.sequencer import Sequencer
from projections.access.store import read_tree
from projections.access.witness_server import HttpWitness
from schemas.access import Leaf
from schemas.errors import RejectedError
from schemas.settings import KafkaSettings, PostgresSettings
from tests.factories.trail import entry, make_keys, open_trail, run_verifier
from tests.factories.waiting import PATIENCE, wait_until

ROOT = Path(__file__).parents[2]


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


class Stage:
    """Keeper, witness and writers as processes of their own."""

    def __init__(self, kafka: KafkaSettings, postgres: PostgresSettings, folder: Path) -> None:
        self.folder = folder
        self.dsn = postgres.dsn.get_secret_value()
        self.port = free_ports(1)[0]
        self.environment = {
            **os.environ,
            "CONTACTPOINT_KAFKA": kafka.bootstrap_servers,
            "CONTACTPOINT_POSTGRES_DSN": self.dsn,
            "CONTACTPOINT_AUDIT_KEYS": str(folder / "log"),
            "CONTACTPOINT_AUDIT_WITNESS": f"http://127.0.0.1:{self.port}",
            "CONTACTPOINT_AUDIT_CHECKPOINT_SECONDS": "0.3",
        }

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log.txt").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, *arguments], cwd=ROOT, env=self.environment, stderr=log, stdout=subprocess.PIPE
            )

    def keeper(self) -> subprocess.Popen[bytes]:
        return self.start("-m", "projections.access")

    def witness(self) -> subprocess.Popen[bytes]:
        return self.start("-m", "projections.access.witness_server", str(self.folder / "witness"), str(self.port))

    def write_and_be_killed(self, name: str, answers: int) -> list[str]:
        """Kill a writer some time after so many answers; return the requests whose answers have left."""
        with ended(self.start("-m", "tests.factories.audit_writer", self.dsn, name)) as writer:
            assert writer.stdout is not None
            silent = threading.Timer(PATIENCE, writer.kill)
            silent.start()
            lines = [writer.stdout.readline() for _ in range(answers)]
            silent.cancel()
            assert all(lines), f"{name} has not answered {answers} requests in {PATIENCE:.0f} s"
            writer.kill()
            lines += writer.stdout
        return [line.decode().strip() for line in lines if line.endswith(b"\n")]


def kill_now_and_then(stage: Stage, writers: int, seed: int) -> list[str]:
    """Run writers side by side and kill each; kill the keeper and the witness meanwhile. Return what was answered."""
    dice, answered = random.Random(seed), list[str]()

    def one_after_the_other(lane: int) -> None:
        for turn in range(writers // 2):
            answered.extend(stage.write_and_be_killed(f"w{lane}-{turn}", dice.randint(20, 90)))

    with ThreadPoolExecutor(2) as pool:
        lanes = [pool.submit(one_after_the_other, lane) for lane in range(2)]
        while not all(lane.done() for lane in lanes):
            with ended(stage.witness()), ended(stage.keeper()):
                time.sleep(dice.uniform(1.0, 3.0))
    for lane in lanes:
        lane.result()
    return answered


def trail_of(connection: psycopg.Connection) -> list[Leaf]:
    rows = connection.execute("select body from audit.entry order by leaf").fetchall()
    return [Leaf.model_validate_json(row[0]) for row in rows]


@pytest.mark.parametrize("writers", [6, pytest.param(60, marks=pytest.mark.soak)])
def test_every_answered_request_is_in_the_trail_once_whatever_is_killed(
    kafka: KafkaSettings, postgres: PostgresSettings, tmp_path: Path, writers: int
) -> None:
    make_keys(tmp_path)
    create_tables(postgres)
    stage = Stage(kafka, postgres, tmp_path)
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    answered = kill_now_and_then(stage, writers, seed)
    with (
        connect(postgres, autocommit=True) as connection,
        ended(stage.witness()),
        ended(stage.keeper()),
    ):
        wait_until(lambda: settled(connection), "all entries numbered, witnessed and published")
        found = Counter(leaf.request for leaf in trail_of(connection))
        export_trail(connection, tmp_path / "export")
        tree = read_tree(connection)
    assert len(answered) >= 100
    assert all(found[request] == 1 for request in answered)
    assert sum(found.values()) - len(answered) <= writers  # at most the one at hand when a writer was killed
    said = run_verifier(tmp_path, "trail", str(tmp_path / "export"))
    assert said.startswith(f"{tree.size} entries hold: {tree.size} covered")
    published = read_published(kafka)
    assert published.frontier() == tree
    assert checkpoint_of(published.checkpoints[-1].note).root == tree.root()
    check_restores_alike(postgres, published, tmp_path)


def check_restores_alike(postgres: PostgresSettings, published: PublishedTrail, folder: Path) -> None:
    """Lose the tables, make them again from what was published, and compare with the exported trail."""
    with connect(postgres, autocommit=True) as connection:
        export_trail(connection, folder / "export")
        connection.execute("drop schema audit cascade")
        create_tables(postgres)
        keys = read_log_keys(folder / "log")
        assert restore(connection, published, keys.signer.verifier, keys.witness) == len(published.leaves)
        export_trail(connection, folder / "again")
        assert restore(connection, published, keys.signer.verifier, keys.witness) == 0
        connection.execute("drop schema audit cascade")
        create_tables(postgres)
        append(connection, [entry(request="another")])
        Sequencer(connection, keys, HttpWitness("http://127.0.0.1:9")).number()
        with pytest.raises(RejectedError, match="no beginning"):
            restore(connection, published, keys.signer.verifier, keys.witness)
    for name in ("trail.jsonl", "checkpoints.jsonl"):
        assert (folder / "again" / name).read_bytes() == (folder / "export" / name).read_bytes()


def test_a_checkpoint_that_was_never_witnessed_is_published_with_the_next(
    kafka: KafkaSettings, postgres: PostgresSettings, tmp_path: Path
) -> None:
    with open_trail(postgres, tmp_path) as trail, EventProducer(kafka) as producer:
        for witnessed in (True, False, True, False):
            trail.record([entry(), entry()])
            trail.checkpoint(witnessed=witnessed)
            while relay(trail.connection, producer):
                pass
        assert [each.size for each in read_published(kafka).checkpoints] == [2, 4, 6]
        trail.checkpoint()
        while relay(trail.connection, producer):
            pass
    check_restores_alike(postgres, read_published(kafka), tmp_path)


def settled(connection: psycopg.Connection) -> bool:
    pending = connection.execute("select exists (select from audit.pending)").fetchone()
    row = connection.execute("select next_leaf, next_checkpoint from audit.relay").fetchone()
    size = read_tree(connection).size
    return pending == (False,) and row == (size, size + 1) and f"\n{size}\n" in newest_checkpoint(connection)
