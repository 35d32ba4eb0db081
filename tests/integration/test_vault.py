"""The vault on a real PostgreSQL and Kafka: keys once a record, opened in batches, destroyed for good."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from pydantic import SecretStr

from connectors.kafka import EventProducer, ReadMessage, end_offsets, read_to_end
from connectors.postgres import connect, sql_blocks
from connectors.vault import ERASED, KeyVault, Plain, Sealer
from connectors.vault.opener import Opener
from contactpoint.erasing.letters import read_dead_letters
from ingest.seals import Seals
from ingest.store import PostgresStore, StoredRecord, Writes
from projections.directory.projection import DirectoryProjection
from projections.directory.reader import DirectoryReader
from projections.runner import Pace, Runner
from schemas.codec import encode
from schemas.dead_letter import dead_letter, to_headers
from schemas.errors import ConfigurationError, RejectedError
from schemas.settings import KafkaSettings, PostgresSettings, VaultSettings
from tests.factories.line import KEK
from tests.unit.projections.histories import CHILDREN, identity_events, topic_of
from tests.unit.projections.test_directory_decisions import told

TOPIC = "source.schools"
QUICK = Pace(batch=100, wait=0.02, first_delay=0.05, standby=0.1)


@pytest.fixture
def settings(postgres: PostgresSettings) -> VaultSettings:
    return VaultSettings(kek=SecretStr(KEK), dsn=postgres.dsn)


@pytest.fixture
def vault(settings: VaultSettings) -> Iterator[KeyVault]:
    with KeyVault(settings) as opened:
        yield opened


def nothing() -> None:
    """Do nothing else with an erasure."""


def test_a_name_has_one_key_whoever_asks_first(settings: VaultSettings) -> None:
    def ask(_: int) -> object:
        with KeyVault(settings) as own:
            return sorted(own.keys_for([f"school-1:{number}" for number in range(50)]).items())

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, range(4)))
    assert all(answer == answers[0] for answer in answers)


def test_a_destroyed_key_is_known_as_such_and_its_name_gets_a_new_one(vault: KeyVault) -> None:
    before = vault.keys_for(["school-1:a", "school-1:b"])
    assert vault.carry_out("erasure-1", ["school-1:a"], nothing)
    old = before["school-1:a"].key_id
    assert vault.keys([old, before["school-1:b"].key_id])[old] == ERASED
    after = vault.keys_for(["school-1:a"])["school-1:a"]
    assert after.key_id != old
    assert not vault.carry_out("erasure-1", ["school-1:a"], nothing)  # repeated: the new key stays
    assert vault.keys([after.key_id])[after.key_id] == after.key


def test_a_batch_is_looked_up_by_the_index_also_while_the_table_is_small(vault: KeyVault) -> None:
    key_id = vault.keys_for(["school-1:a"])["school-1:a"].key_id
    vault._connection.execute("vacuum analyze vault.data_key")  # one page: reading it whole looks cheaper
    cursor = psycopg.ClientCursor(vault._connection)
    parameters = {"ids": key_id, "count": 1, "destroyed": b""}
    plan = str(cursor.execute("explain " + sql_blocks("connectors.vault.sql")["by_id"], parameters).fetchall())
    assert "Index Scan using data_key_pkey" in plan
    assert "Seq Scan" not in plan


def test_neither_a_key_nor_a_destroyed_name_is_in_the_vaults_tables(
    vault: KeyVault, postgres: PostgresSettings
) -> None:
    key = vault.keys_for(["school-1:a"])["school-1:a"]
    vault.carry_out("erasure-1", ["school-1:a"], nothing)
    vault.keys_for(["school-1:b"])
    with connect(postgres, autocommit=True) as connection:
        text = str(connection.execute("select k::text from vault.data_key k").fetchall())
    assert "school-1:b" in text
    assert "school-1:a" not in text
    assert key.key.hex() not in text


def test_another_key_encryption_key_and_an_empty_vault_are_told_to_the_operator(
    vault: KeyVault, settings: VaultSettings
) -> None:
    with pytest.raises(ConfigurationError, match="is empty"):
        vault.keys([bytes(16)])
    vault.keys_for(["school-1:a"])
    wrong = settings.model_copy(update={"kek": SecretStr(KEK[:10] + "B" + KEK[11:])})
    with KeyVault(wrong) as other, pytest.raises(ConfigurationError, match="CONTACTPOINT_KEK"):
        other.keys_for(["school-1:a"])
    with pytest.raises(ConfigurationError, match="the log is sealed"):
        Opener(None).open([[ReadMessage(TOPIC, 0, 0, b"k", b"\x01sealed")]])


def test_a_reader_opens_what_is_sealed_marks_what_is_erased_and_leaves_what_nobody_can_open(
    kafka: KafkaSettings, settings: VaultSettings, vault: KeyVault
) -> None:
    names = ["school-1:a", "school-1:b"]
    values = Sealer(vault).seal([Plain(name, name.encode(), f"said of {name}".encode()) for name in names])
    with EventProducer(kafka) as producer:
        producer.send(TOPIC, b"school-1:a", b"{}")
        for name, value in zip(names, values, strict=True):
            producer.send(TOPIC, name.encode(), value)
        producer.send(TOPIC, b"school-1:c", values[0])  # moved to another record
        producer.send(TOPIC, b"school-1:c", b"\x01" + bytes(40))  # of no vault
    vault.carry_out("erasure-1", ["school-1:b"], nothing)
    found = list(read_to_end(kafka.model_copy(update={"vault": settings}), [TOPIC]))
    read = {(message.key, message.value, message.erased) for message in found}
    assert read == {
        (b"school-1:a", b"{}", False),
        (b"school-1:a", b"said of school-1:a", False),
        (b"school-1:b", None, True),
        (b"school-1:c", values[0], False),
        (b"school-1:c", b"\x01" + bytes(40), False),
    }
    assert {message.original for message in found} == {b"{}", *values, b"\x01" + bytes(40)}


def test_the_ledger_keeps_of_an_erased_record_its_version_and_nothing_else(postgres: PostgresSettings) -> None:
    said = StoredRecord("school-1:a", 7, "00ff", content=b"what was said", seen=3)
    newer = said._replace(key="school-1:b", version=9)
    with closing(PostgresStore(postgres)) as store:
        store.commit("feed", {}, Writes(records=(said, newer)))
        store.erase({"school-1:a": 7, "school-1:b": 8, "school-1:c": 5})
        found = store.records(["school-1:a", "school-1:b", "school-1:c"])
    assert found["school-1:a"] == said._replace(fingerprint="~", status="erased", content=None)
    assert found["school-1:b"] == newer
    assert found["school-1:c"] == StoredRecord("school-1:c", 5, "~", "erased")


def test_a_projection_folds_sealed_events_and_goes_past_erased_ones(
    kafka: KafkaSettings, postgres: PostgresSettings, settings: VaultSettings, vault: KeyVault
) -> None:
    keys = ["school-1:1", "health-1:1"]
    records = [encode(told(key)) for key in keys]
    values = Sealer(vault).seal([Plain(each.key.decode(), each.key, each.value) for each in records])
    vault.carry_out("erasure-1", ["health-1:1"], nothing)
    with EventProducer(kafka) as producer:
        for key, value in zip(keys, values, strict=True):
            producer.send(topic_of(told(key)), key.encode(), value)
        for number, key in enumerate(keys):
            for event in identity_events({}, {CHILDREN[number]: frozenset({key})}, 1):
                producer.send_event(topic_of(event), encode(event))
    sealed, directory = kafka.model_copy(update={"vault": settings}), DirectoryProjection()
    Runner(directory, sealed, postgres, pace=QUICK).catch_up(end_offsets(kafka, directory.topics))
    with connect(postgres, autocommit=True) as connection:
        reader = DirectoryReader(connection)
        assert [len(reader.entry(child).entries) for child in CHILDREN[:2]] == [1, 0]
    assert sum(end_offsets(kafka, ["dead-letters"]).values()) == 0


def test_a_dead_letter_can_be_read_for_its_days_or_until_its_record_is_erased(
    kafka: KafkaSettings, settings: VaultSettings, vault: KeyVault, postgres: PostgresSettings
) -> None:
    error, sealed = RejectedError("row_invalid", "a column is missing"), kafka.model_copy(update={"vault": settings})
    with Seals.of(sealed) as seals, EventProducer(kafka) as producer:
        for number, key in enumerate([None, None, b"school-1:a", b"school-1:ab"]):
            letter = dead_letter(stage="ingest", origin="f", place=f"f:{number}", key=key, value=b"row", error=error)
            (closed,) = seals.sealed([], [letter])[1]
            producer.send("dead-letters", closed.key, closed.value, to_headers(closed))
    vault.carry_out("erasure-1", ["school-1:a"], nothing)
    with connect(postgres, autocommit=True) as connection:
        connection.execute(
            "update vault.data_key set created_at = now() - interval '31 days' where key_id in "
            "(select key_id from vault.data_key where name like 'letter:#%' limit 1)"
        )
    today = datetime.now(UTC)
    assert vault.destroy_letters(today - timedelta(days=30)) == 1
    until = f"until {(today + timedelta(days=30)).date()}"
    contents = [each.content for each in read_dead_letters(sealed, 30)]
    assert sorted(contents[:2]) == ["destroyed", until]
    assert contents[2:] == ["destroyed", until]
