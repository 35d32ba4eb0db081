"""Child numbers, record keys, dead letters, topics, settings and logs."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.access import AccessEntry, Person
from schemas.catalogue import CURRENT_VERSIONS, EVENT_TYPES
from schemas.dead_letter import dead_letter, from_message, to_headers
from schemas.errors import ConfigurationError, RejectedError
from schemas.events import event_id, record_event_id
from schemas.identity import ALPHABET, RecordKey, child_number, is_child_number
from schemas.settings import KafkaSettings, PostgresSettings
from schemas.telemetry import HIDDEN, redact
from schemas.topics import MATCHING_CONTROL, TOPICS, min_insync_replicas


@given(st.text(min_size=1))
def test_a_child_number_is_a_function_of_the_founder_and_checks_itself(founder: str) -> None:
    number = child_number(founder)
    assert number == child_number(founder)
    assert is_child_number(number)


@given(st.text(min_size=1), st.integers(0, 11), st.sampled_from(ALPHABET))
def test_one_wrong_symbol_in_a_child_number_is_noticed(founder: str, place: int, symbol: str) -> None:
    number = child_number(founder)
    wrong = number[:place] + symbol + number[place + 1 :]
    assert is_child_number(wrong) == (wrong == number)


@given(st.text(min_size=1))
def test_whatever_its_check_symbol_a_child_number_fits_into_the_trail_of_access(founder: str) -> None:
    who = Person(user="nurse-7", role="health", organisation="trust-1")
    number = child_number(founder)
    entry = AccessEntry(action="opened", decision="permitted", who=who, child=number, policy="p", request="r")
    assert entry.child == number


def test_child_numbers_are_the_same_in_every_release() -> None:
    assert child_number("school-8012000:B801200005001") == "1P363AQQSXXVB"


@given(st.from_regex(r"[a-z0-9-]{1,10}", fullmatch=True), st.text(min_size=1))
def test_a_record_key_survives_being_written_and_read(source: str, source_id: str) -> None:
    assert RecordKey.parse(str(RecordKey(source, source_id))) == (source, source_id)


@pytest.mark.parametrize("text", ["", "school", "school:", ":1"])
def test_a_record_key_without_both_parts_is_rejected(text: str) -> None:
    with pytest.raises(RejectedError):
        RecordKey.parse(text)


def test_event_ids_repeat_with_their_content_and_differ_otherwise() -> None:
    ids = {
        record_event_id("a:1", "record.observed", 1, "ff"),
        record_event_id("a:1", "record.observed", 2, "ff"),
        record_event_id("a:1", "record.withdrawn", 1, "ff"),
        record_event_id("a:1", "record.observed", 1, "fe"),
        event_id("a:1", "identity.created", 1),
    }
    assert len(ids) == 5
    assert record_event_id("a:1", "record.observed", 1, "ff") in ids


@given(st.binary(max_size=50), st.none() | st.binary(max_size=10))
def test_a_dead_letter_keeps_the_bytes_and_comes_back_whole(value: bytes, key: bytes | None) -> None:
    error = RejectedError("not_json", "the value is not JSON")
    letter = dead_letter(stage="ingest", origin="feed-1", place="a.csv:3", key=key, value=value, error=error)
    assert from_message(key, value, to_headers(letter)) == letter


def test_the_manifest_names_each_topic_once_and_keeps_all_but_commands_whole_and_for_ever() -> None:
    names = [spec.name for spec in TOPICS]
    assert len(names) == len(set(names))
    for_ever = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}
    assert [spec.name for spec in TOPICS if dict(spec.config) != for_ever] == [MATCHING_CONTROL]


@pytest.mark.parametrize(("replicas", "needed"), [(1, 1), (2, 1), (3, 2)])
def test_a_write_is_acknowledged_by_all_replicas_but_one(replicas: int, needed: int) -> None:
    assert min_insync_replicas(replicas) == needed


def test_a_missing_address_says_which_variable_and_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match=r"CONTACTPOINT_KAFKA.*make up"):
        KafkaSettings.from_env({})


def test_a_database_password_does_not_show_when_settings_are_printed() -> None:
    settings = PostgresSettings.from_env({"CONTACTPOINT_POSTGRES_DSN": "postgresql://me:hunter2@db/x"})
    assert "hunter2" not in repr(settings)


def test_a_log_entry_cannot_carry_a_field_that_is_not_on_the_list() -> None:
    entry: MutableMapping[str, Any] = {"event": "record_accepted", "count": 3, "surname": "SMITH"}
    assert redact(None, "info", entry) == {"event": "record_accepted", "count": 3, "surname": HIDDEN}


def test_every_event_type_is_in_the_past_tense_register_under_its_own_name() -> None:
    assert {model.model_fields["event_type"].default for model in EVENT_TYPES.values()} == set(CURRENT_VERSIONS)
