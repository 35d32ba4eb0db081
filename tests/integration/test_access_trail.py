"""The audit trail of access on a real PostgreSQL: numbered, sealed, signed, witnessed, proved, and tampered with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import psycopg
import psycopg.sql
import pytest
from structlog.testing import capture_logs

from connectors.postgres import connect
from projections.access.__main__ import Keeper
from projections.access.export import export_trail, prove_entry
from projections.access.leaves import Pending, make_leaf
from projections.access.log import require_healthy
from projections.access.merkle import Frontier, leaf_hash
from projections.access.note import Checkpoint, sign_checkpoint
from projections.access.sealing import unseal
from projections.access.sequencer import Sequencer
from projections.access.settings import AuditSettings
from projections.access.store import add_leaves, read_tree
from schemas.access import Leaf
from schemas.errors import FatalError, RejectedError, RetriableError
from schemas.settings import KafkaSettings, PostgresSettings
from tests.factories.trail import Trail, entry, in_process, open_trail, run_verifier

MOSS, REED = "1P363AQQSXXVB", "0000000000000"


@pytest.fixture
def trail(postgres: PostgresSettings, tmp_path: Path) -> Iterator[Trail]:
    with open_trail(postgres, tmp_path) as opened:
        yield opened


def bodies(trail: Trail) -> list[Leaf]:
    rows = trail.connection.execute("select body from audit.entry order by leaf").fetchall()
    return [Leaf.model_validate_json(row[0]) for row in rows]


def read_secret(trail: Trail, leaf: Leaf) -> dict[str, object]:
    assert leaf.sealed is not None
    row = trail.connection.execute(
        "select wrapped from vault.audit_key where key_ref = %s", [leaf.sealed.key]
    ).fetchone()
    assert row is not None
    return unseal(trail.keys.sealing.unwrap(row[0]), leaf.entry, leaf.sealed.box)


def test_leaves_are_numbered_without_a_gap_although_transactions_roll_back(trail: Trail) -> None:
    for number in range(20):
        with trail.connection.transaction(force_rollback=number % 3 == 0):
            trail.record([entry(request=f"r-{number}")])
        if number % 7 == 0:
            trail.sequencer.number()
    trail.sequencer.number()
    found = bodies(trail)
    assert [leaf.leaf for leaf in found] == list(range(13))
    assert [leaf.request for leaf in found] == [f"r-{number}" for number in range(20) if number % 3]


def test_an_entry_that_commits_late_is_numbered_after_those_that_were_there(trail: Trail) -> None:
    with connect(trail.settings) as slow:
        slow.execute(
            "select audit.append(%s::jsonb)", [f"[{entry(request='slow').model_dump_json(exclude_none=True)}]"]
        )
        trail.record([entry(request="fast")])
        assert trail.sequencer.number() == 1
        slow.commit()
    assert trail.sequencer.number() == 1
    assert [leaf.request for leaf in bodies(trail)] == ["fast", "slow"]


def test_child_query_and_reason_are_sealed_under_the_child_s_key_and_the_auditor_reads_them(trail: Trail) -> None:
    query = {"family": "Moss, Lee", "birth_date": "2014-11-03"}  # no four letters, which base64 may hold by chance
    trail.record([entry(query=query, reason="She came to A&E alone"), entry(child=REED)])
    trail.record([entry(action="searched", child=None, query=query, results=0)])
    trail.sequencer.number()
    first, second, third = bodies(trail)
    assert read_secret(trail, first) == {"child": MOSS, "query": query, "reason": "She came to A&E alone"}
    assert read_secret(trail, third) == {"query": query}
    keys = {leaf.sealed.key for leaf in (first, second, third) if leaf.sealed}
    assert len(keys) == 3
    text = str(trail.connection.execute("select * from audit.entry").fetchall())
    assert "Moss, Lee" not in text
    assert MOSS not in text


def test_erasing_a_child_leaves_every_proof_valid_and_nothing_readable(trail: Trail) -> None:
    receipts = trail.record([entry(), entry(child=REED)])
    trail.checkpoint()
    trail.record([entry()])  # about the child, not yet numbered
    trail.erase(MOSS)
    assert "2 entries hold" in trail.verify()  # the erasure's own entry has no number yet
    trail.checkpoint()
    assert "4 entries hold" in trail.verify()
    first, second, third, fourth = bodies(trail)
    assert first.sealed is not None
    assert fourth.keys == (first.sealed.key,)
    assert read_secret(trail, second) == {"child": REED}
    assert third.sealed is None
    with pytest.raises(AssertionError):
        read_secret(trail, first)
    proof = prove_entry(trail.connection, receipts[0])
    assert prove(trail, proof.proof, proof.body).startswith("the entry is leaf 0 of the 4")


def prove(trail: Trail, proof: str, body: str) -> str:
    (trail.folder / "proof").write_text(proof, encoding="utf-8")
    (trail.folder / "body").write_text(body, encoding="utf-8")
    return run_verifier(trail.folder, "proof", str(trail.folder / "proof"), str(trail.folder / "body"))


def test_every_entry_has_a_proof_that_an_outsider_can_check_and_no_other_text_has(trail: Trail) -> None:
    receipts = trail.record([entry(request=f"r-{number}") for number in range(300)])
    trail.checkpoint()
    for receipt in (receipts[0], receipts[255], receipts[299]):
        proof = prove_entry(trail.connection, receipt)
        assert len(proof.proof) <= 2_000
        assert "cosigned" in prove(trail, proof.proof, proof.body)
        assert "not in the tree" in prove(trail, proof.proof, proof.body.replace("nurse", "chief"))


def test_an_entry_is_proved_only_once_a_witnessed_checkpoint_covers_it(trail: Trail) -> None:
    trail.record([entry()])
    trail.checkpoint()
    receipt = trail.record([entry()])[0]
    with pytest.raises(RejectedError, match="not in the trail"):
        prove_entry(trail.connection, receipt)
    trail.checkpoint(witnessed=False)
    with pytest.raises(RetriableError, match="no checkpoint covers"):
        prove_entry(trail.connection, receipt)


# Six ways in which a superuser of the database tampers. The attacker passes by the triggers, and makes hashes and the
# tree's row good again; the log's key it has only for the fork.

SIZE = 40


def as_superuser(trail: Trail, *statements: str) -> None:
    trail.connection.execute("set session_replication_role = replica")  # no trigger fires
    for statement in statements:
        trail.connection.execute(statement.encode())
    rows = trail.connection.execute("select body from audit.entry order by leaf").fetchall()
    frontier, _ = Frontier().grow(leaf_hash(row[0].encode()) for row in rows)
    trail.connection.execute("update audit.entry set leaf_hash = sha256('\\x00'::bytea || convert_to(body, 'utf8'))")
    trail.connection.execute("update audit.tree set size = %s, frontier = %s", [frontier.size, frontier.to_bytes()])


def edit(trail: Trail) -> None:
    as_superuser(trail, "update audit.entry set body = replace(body, '\"nurse\"', '\"clerk\"') where leaf = 17")


def delete(trail: Trail) -> None:
    as_superuser(trail, "delete from audit.entry where leaf = 17", SHIFT_DOWN.format(17))


def insert(trail: Trail) -> None:
    as_superuser(trail, SHIFT_UP.format(17), COPY.format(16, 17))


def reorder(trail: Trail) -> None:
    swap = "update audit.entry set leaf = {} where leaf = {}"
    as_superuser(trail, swap.format(-1, 17), swap.format(17, 23), swap.format(23, -1))


def truncate(trail: Trail) -> None:
    as_superuser(trail, "delete from audit.entry where leaf >= 17")


SHIFT_DOWN = (
    "update audit.entry set leaf = leaf + 100000 where leaf > {0}; "
    "update audit.entry set leaf = leaf - 100001 where leaf > 100000"
)
SHIFT_UP = (
    "update audit.entry set leaf = leaf + 100000 where leaf >= {0}; "
    "update audit.entry set leaf = leaf - 99999 where leaf >= 100000"
)
COPY = (
    "insert into audit.entry select {1}, 999999, at, user_id, mediator_id, action, decision, request, key_ref, "
    "leaf_hash, signature, replace(body, '\"leaf\":{0}', '\"leaf\":{1}') from audit.entry where leaf = {0}"
)


@pytest.mark.parametrize(
    ("tamper", "kind"),
    [
        (edit, "edited"), (delete, "deleted"), (insert, "inserted"), (reorder, "reordered"), (truncate, "truncated"),
    ],
)  # fmt: skip
def test_tampering_is_found_and_named_with_the_first_bad_leaf(
    trail: Trail, tamper: Callable[[Trail], None], kind: str
) -> None:
    fill(trail)
    assert trail.verify().startswith(f"{SIZE} entries hold")
    tamper(trail)
    assert trail.verify(seen=False).startswith(f"FIRST BAD LEAF 17: {kind}")
    with pytest.raises((FatalError, RejectedError)):
        trail.checkpoint()


def fill(trail: Trail) -> None:
    """Record SIZE entries under eight checkpoints."""
    for number in range(0, SIZE, 5):
        trail.record([entry(request=f"r-{number + more}") for more in range(5)])
        trail.checkpoint()


def test_a_key_that_is_gone_without_an_entry_is_missed_and_one_that_an_entry_destroyed_is_not(trail: Trail) -> None:
    trail.record([entry(child=REED), entry(), entry(action="searched", child=None, query={"family": "Moss"})])
    trail.erase(REED)
    trail.checkpoint()
    assert trail.verify().startswith("4 entries hold")
    kept = trail.connection.execute("select * from vault.audit_key where child_number is not null").fetchone()
    trail.erase(MOSS)
    trail.checkpoint()
    assert trail.verify().startswith("5 entries hold")
    trail.connection.execute("insert into vault.audit_key values (%s, %s, %s, %s)", kept)
    assert trail.verify().startswith("FIRST BAD LEAF 4: key kept")
    trail.connection.execute("delete from vault.audit_key where child_number is not null")
    assert trail.verify().startswith("5 entries hold")
    trail.connection.execute("delete from vault.audit_key")
    assert trail.verify().startswith("FIRST BAD LEAF 2: key gone")


def test_a_trail_that_was_rolled_back_as_a_whole_is_found_by_what_the_witness_saw(trail: Trail) -> None:
    fill(trail)
    later = ("delete from audit.cosignature where size > 15", "delete from audit.checkpoint where size > 15")
    as_superuser(trail, "delete from audit.entry where leaf >= 15", *later)
    assert trail.verify(seen=False).startswith("15 entries hold")
    assert trail.verify().startswith("FIRST BAD LEAF 15: rolled back")
    restarted = Sequencer(trail.connection, trail.keys, in_process(trail.witness))
    trail.record([entry()])
    restarted.number()
    with pytest.raises(RejectedError, match="rolled back"):
        restarted.witness(restarted.sign())
    with pytest.raises(RetriableError, match="witness"):  # at once, whatever the limit
        require_healthy(trail.connection)


def test_a_fork_by_someone_who_stole_the_log_s_key_is_refused_by_the_witness_and_found(trail: Trail) -> None:
    fill(trail)
    export_trail(trail.connection, trail.folder / "before")
    fork(trail, 17)
    assert trail.verify(seen=False).startswith("40 entries hold: 15 covered")
    assert trail.verify().startswith("FIRST BAD LEAF 15: forked")
    copy = str(trail.folder / "before" / "trail.jsonl")
    assert trail.verify("--copy", copy).startswith("FIRST BAD LEAF 17: forked")
    restarted = Sequencer(trail.connection, trail.keys, in_process(trail.witness))
    trail.record([entry()])
    restarted.number()
    with pytest.raises(RejectedError):
        restarted.witness(restarted.sign())
    with pytest.raises(RetriableError, match="witness"):
        require_healthy(trail.connection)


def fork(trail: Trail, first: int) -> None:
    """Write the trail again from a leaf on, with the log's own key: all signatures hold."""
    rows = trail.connection.execute("select leaf, entry_id, at, body from audit.entry order by leaf").fetchall()
    leaves = []
    for leaf, entry_id, at, body in rows:
        parsed = orjson.loads(body)
        forged = {name: parsed[name] for name in ("action", "decision", "who", "policy", "request", "purpose")}
        if leaf >= first:
            forged["who"] = {**forged["who"], "user": "somebody-else"}
            leaves.append(make_leaf(leaf, Pending(entry_id, forged, at), None, trail.keys.signer))
    connection: psycopg.Connection = trail.connection
    connection.execute("set session_replication_role = replica")
    connection.execute("delete from audit.entry where leaf >= %s", [first])
    connection.execute("delete from audit.cosignature where size > %s", [first])
    connection.execute("delete from audit.checkpoint where size > %s", [first])
    kept = Frontier().grow(leaf_hash(row[3].encode()) for row in rows[:first])[0]
    frontier, _ = kept.grow(leaf.leaf_hash for leaf in leaves)
    add_leaves(connection, leaves, frontier, [])
    note = sign_checkpoint(Checkpoint(trail.keys.signer.name, frontier.size, frontier.root()), trail.keys.signer)
    connection.execute("insert into audit.checkpoint values (%s, %s, now())", [frontier.size, note])


def test_a_sequencer_goes_on_where_another_stopped_and_refuses_a_tree_that_it_does_not_know(trail: Trail) -> None:
    fill(trail)
    second = Sequencer(trail.connection, trail.keys, in_process(trail.witness))
    trail.record([entry()])
    second.number()
    trail.record([entry()])
    trail.checkpoint()  # the first again
    assert read_tree(trail.connection).size == SIZE + 2
    assert trail.verify().startswith(f"{SIZE + 2} entries hold")
    trail.connection.execute("update audit.tree set frontier = decode(repeat('00', 32 * 3), 'hex')")
    with pytest.raises(FatalError, match="does not extend"):
        second.number()


def test_reads_stop_while_a_part_is_away_and_go_on_when_it_is_back(trail: Trail) -> None:
    away = psycopg.sql.SQL("update audit.pulse set {} = now() - interval '1 day'")
    for part in ("numbered_at", "signed_at", "witnessed_at"):
        trail.connection.execute(away.format(psycopg.sql.Identifier(part)))
        with pytest.raises(RetriableError, match="not kept"):
            require_healthy(trail.connection)
        if part == "witnessed_at":
            trail.checkpoint(witnessed=False)
            with pytest.raises(RetriableError, match="witness"):
                require_healthy(trail.connection)
        trail.checkpoint()
        require_healthy(trail.connection)


@pytest.mark.parametrize(("checkpoint_seconds", "told"), [(10.0, []), (1e-9, ["checkpoint_not_witnessed"])])
def test_a_witness_that_may_be_starting_beside_the_keeper_is_no_warning_and_one_that_stays_away_is(
    trail: Trail, checkpoint_seconds: float, told: list[str]
) -> None:
    keeper = Keeper(AuditSettings(
        kafka=KafkaSettings(bootstrap_servers="none:1"), postgres=trail.settings, keys=trail.folder / "log",
        witness="http://127.0.0.1:9", checkpoint_seconds=checkpoint_seconds,
    ))  # fmt: skip
    with capture_logs() as logs:
        keeper.step()
    keeper.close()
    assert [each["event"] for each in logs if each["log_level"] == "warning"] == told


def test_stamps_are_exported_beside_the_checkpoint_that_they_are_over(trail: Trail) -> None:
    trail.record([entry()])
    trail.checkpoint()
    trail.connection.execute("insert into audit.stamp values (1, 'authority', 'stamp'::bytea, now())")
    trail.verify()
    note = trail.folder / "export" / "stamps" / "1.note"
    assert note.read_text(encoding="utf-8").startswith("contactpoint.example/audit\n1\n")
    assert note.with_suffix(".tsr").read_bytes() == b"stamp"


def test_a_checkpoint_that_the_log_never_signed_covers_nothing(trail: Trail) -> None:
    fill(trail)
    trail.record([entry(), entry()])
    trail.sequencer.number()
    as_superuser(trail, "update audit.entry set body = replace(body, '\"nurse\"', '\"clerk\"') where leaf = 41")
    tree = read_tree(trail.connection)
    forged = Checkpoint(trail.keys.signer.name, tree.size, tree.root()).body() + "\n— forged AAAAAAAA\n"
    trail.connection.execute("insert into audit.checkpoint values (%s, %s, now())", [tree.size, forged])
    assert trail.verify(seen=False).startswith("FIRST BAD LEAF 41: edited")
