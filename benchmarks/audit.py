"""The audit trail: appends beside the same insert without any of it, numbering, and outside verification at a million.

python -m benchmarks.audit      # on a stack of its own; `make bench` runs it with the rest
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from benchmarks.measures import Measure, alone, beside_limit
from connectors.postgres import connect
from contactpoint.running.audit_parts import make_parts
from contactpoint.stack import StackConfig, temporary_stack
from deploy import verify_audit
from projections.access.keys import read_log_keys, read_signer
from projections.access.log import create_tables
from projections.access.merkle import Frontier, fetch_from, inclusion_proof, leaf_hash
from projections.access.note import Checkpoint, cosign, format_proof, sign_checkpoint
from projections.access.sequencer import Sequencer
from schemas.access import AccessEntry, Person
from schemas.settings import PostgresSettings
from schemas.telemetry import configure_logging

CONNECTIONS, SECONDS, RUNS = 8, 3.0, 3
MILLION = 1_000_000
PROOFS = 200
VERIFIER = Path(__file__).parents[1] / "deploy" / "verify_audit.py"
KEY = "7b0a6c5e-6b0f-4f0e-9f6e-0d2f3f9a1c11"
BODY = (
    '{"action":"opened","decision":"permitted","entry":%d,"fields":["names","birth_date","whereabouts","carers"],'
    '"leaf":%d,"policy":"p1","purpose":"safeguarding","request":"r-%d","sealed":{"box":"%s","key":"%s"},'
    '"time":"2026-11-27T20:30:01.250000Z","v":1,"who":{"acr":"AAL3",'
    '"amr":["hwk"],"organisation":"RXX01","role":"health","user":"u-%d"}}'
)


def measure(
    postgres: PostgresSettings, *, entries: int = MILLION, seconds: float = SECONDS, runs: int = RUNS
) -> dict[str, Measure]:
    """Return every measure of the trail: `runs` times so many seconds of appending, and a trail of so many entries."""
    create_tables(postgres)
    with tempfile.TemporaryDirectory() as folder:
        keys, witness = Path(folder) / "log", Path(folder) / "witness"
        make_parts(keys, witness)
        return {
            **_append(postgres, seconds, runs),
            **_number(postgres, keys, runs),
            **_verify(Path(folder), entries),
        }


def _append(postgres: PostgresSettings, seconds: float, runs: int) -> dict[str, Measure]:
    document = _entry().model_dump_json(exclude_none=True)
    with connect(postgres, autocommit=True) as connection:
        connection.execute("create table plain (id bigint generated always as identity primary key, entry jsonb)")

    def audited(connection: psycopg.Connection) -> None:
        """Append an entry to the trail."""
        connection.execute("select audit.append(%s::jsonb), audit.trouble()", [f"[{document}]"])

    def plain(connection: psycopg.Connection) -> None:
        """Insert the same document into a plain table."""
        connection.execute("insert into plain (entry) values (%s::jsonb)", [document])

    pairs = [(_rate(postgres, audited, seconds), _rate(postgres, plain, seconds)) for _ in range(runs)]
    appended, inserted = zip(*pairs, strict=True)
    return {"audit append": beside_limit(appended, inserted, "durable entries/s")}


def _rate(postgres: PostgresSettings, once: Callable[[psycopg.Connection], None], seconds: float) -> float:
    """Return how often it is done a second on all connections together, a transaction each."""
    counts = [0] * CONNECTIONS
    stop = threading.Event()

    def work(lane: int) -> None:
        """Append, one entry after another, until told to stop."""
        with connect(postgres, autocommit=True) as connection:
            while not stop.is_set():
                once(connection)
                counts[lane] += 1

    threads = [threading.Thread(target=work, args=(lane,)) for lane in range(CONNECTIONS)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - start)


def _number(postgres: PostgresSettings, keys: Path, count: int) -> dict[str, Measure]:
    with connect(postgres, autocommit=True) as connection:
        sequencer = Sequencer(connection, read_log_keys(keys), lambda _: "")
        while sequencer.number():
            pass
        many = f"[{','.join([_entry().model_dump_json(exclude_none=True)] * 2_000)}]"
        runs = []
        for _ in range(count):
            for _ in range(5):
                connection.execute("select audit.append(%s::jsonb)", [many])
            start = time.perf_counter()
            total = sum(iter(sequencer.number, 0))
            runs.append(total / (time.perf_counter() - start))
    return {"audit numbering": alone(runs, "entries/s numbered, sealed and signed")}


def _verify(folder: Path, entries: int) -> dict[str, Measure]:
    """Measure the stand-alone verifier on so many entries, and the size of one proof among them."""
    signer, witness = read_signer(folder / "log" / "log.key"), read_signer(folder / "witness" / "witness.key")
    bodies = [BODY % (at, at, at, "A" * 120, KEY, at % 5_000) for at in range(entries)]
    hashes = [leaf_hash(body.encode()) for body in bodies]
    frontier, nodes = Frontier().grow(hashes)
    (folder / "trail.jsonl").write_text(
        "".join(json.dumps({"leaf": at, "body": body, "signature": "A" * 88}) + "\n" for at, body in enumerate(bodies)),
        encoding="utf-8",
    )
    checkpoint = Checkpoint(signer.name, entries, frontier.root())
    note = sign_checkpoint(checkpoint, signer) + cosign(checkpoint, witness, 1_800_000_000)
    (folder / "keys.txt").write_text(KEY, encoding="ascii")
    (folder / "checkpoints.jsonl").write_text(json.dumps({"size": entries, "note": note}) + "\n", encoding="utf-8")
    levels: dict[int, list[bytes]] = {0: hashes}
    for node in sorted(nodes):
        levels.setdefault(node.level, []).append(node.hash)
    fetch = fetch_from(lambda level, first, count: levels[level][first : first + count])
    proof = format_proof(entries // 3, inclusion_proof(fetch, entries // 3, entries), note)
    keys = ["--log", str(folder / "log" / "log.vkey"), "--witness", str(folder / "witness" / "witness.vkey")]
    start = time.perf_counter()
    command = [sys.executable, str(VERIFIER), "trail", str(folder), *keys]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    return {
        "audit verify": alone([seconds], f"s for {entries:,} entries"),
        "audit proof": alone([len(proof.encode())], f"bytes among {entries:,} entries"),
        "audit proof check": alone(_check_times(folder, proof, bodies[entries // 3]), "ms a proof"),
    }


def _check_times(folder: Path, proof: str, body: str) -> list[float]:
    """Return how long the outsider's verifier takes for one proof, both signatures and the path, in milliseconds."""
    log = verify_audit.Key.parse((folder / "log" / "log.vkey").read_text(encoding="utf-8"), verify_audit.LOG)
    text = (folder / "witness" / "witness.vkey").read_text(encoding="utf-8")
    witness = verify_audit.Key.parse(text, verify_audit.WITNESS)
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        for _ in range(PROOFS):
            assert verify_audit.verify_proof(proof, body, log, witness).startswith("the entry is leaf ")
        times.append((time.perf_counter() - start) / PROOFS * 1000)
    return times


def _entry() -> AccessEntry:
    return AccessEntry(
        action="opened",
        decision="permitted",
        who=Person(user="u-1", role="health", organisation="RXX01", acr="AAL3", amr=("hwk",)),
        purpose="safeguarding",
        reason="referral by the ward",
        child="1P363AQQSXXVB",
        fields=("names", "birth_date", "whereabouts", "carers"),
        policy="p1",
        request="r-1",
    )


def main() -> None:
    """Measure on a stack of its own and print."""
    configure_logging(level=logging.WARNING)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CONTACTPOINT_")}
    with temporary_stack(StackConfig.from_env(environment)) as stack:
        print(json.dumps(measure(stack.addresses.postgres_settings()), indent=1))


if __name__ == "__main__":
    main()
