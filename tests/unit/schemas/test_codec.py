"""The codec: what goes in comes out, and what is not an event is refused without its content."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import codec
from schemas.errors import RejectedError
from schemas.events import RecordMerged, RecordObserved, RecordWithdrawn
from tests.strategies import record_events

AnyRecordEvent = RecordObserved | RecordWithdrawn | RecordMerged


class SubjectView(codec.EventView, frozen=True):
    """Reads two fields only."""

    subject: str
    source_version: int


@given(record_events())
def test_decoding_gives_back_what_was_encoded(event: AnyRecordEvent) -> None:
    assert codec.decode(codec.encode(event).value) == event


@given(record_events())
def test_data_that_is_spelt_already_gives_the_same_bytes(event: AnyRecordEvent) -> None:
    assert codec.encode(event, codec.spell(event.data)) == codec.encode(event)


@given(record_events())
def test_a_view_reads_the_same_values_as_the_whole_event(event: AnyRecordEvent) -> None:
    view = codec.decode_as(codec.encode(event).value, SubjectView)
    assert (view.event_type, view.subject, view.source_version) == (
        event.event_type,
        event.subject,
        event.source_version,
    )


@given(record_events())
def test_headers_follow_the_cloudevents_kafka_binding(event: AnyRecordEvent) -> None:
    encoded = codec.encode(event)
    headers = dict(encoded.headers)
    assert headers["ce_specversion"] == b"1.0"
    assert headers["ce_id"].decode() == event.event_id
    assert headers["ce_type"].decode() == event.event_type
    assert headers["ce_subject"] == encoded.key == event.subject.encode()
    assert {"ce_source", "ce_time", "ce_dataschema", "content-type"} <= headers.keys()


@pytest.mark.parametrize(
    ("value", "code"),
    [
        pytest.param(None, "not_json", id="tombstone"),
        pytest.param(b"", "not_json", id="empty"),
        pytest.param(b"\x00\xff", "not_json", id="binary"),
        pytest.param(b"[" * 100_000, "not_an_event", id="deep nesting"),
        pytest.param(b"[1]", "not_an_event", id="not an object"),
        pytest.param(b'{"a":1}', "not_an_event", id="no envelope"),
        pytest.param(b'{"event_type":"x","schema_version":1}', "event_type_unknown", id="unknown type"),
        pytest.param(
            b'{"event_type":"record.observed","schema_version":99}', "schema_version_unknown", id="newer version"
        ),
        pytest.param(b'{"event_type":"record.observed","schema_version":1}', "event_invalid", id="fields missing"),
    ],
)
def test_what_is_not_an_event_is_rejected_with_a_code(value: bytes | None, code: str) -> None:
    with pytest.raises(RejectedError) as refusal:
        codec.decode(value)
    assert refusal.value.code == code


@given(record_events(), st.sampled_from(["offence", "risk_score", "notes", "assessment"]))
def test_case_information_cannot_pass_and_its_content_is_not_repeated(event: AnyRecordEvent, field: str) -> None:
    value = codec.encode(event).value.replace(b'"data":{', b'"data":{"%s":"stole a bicycle",' % field.encode(), 1)
    with pytest.raises(RejectedError, match="extra_forbidden") as refusal:
        codec.decode(value.replace(b",}", b"}"))
    assert "bicycle" not in str(refusal.value)


@given(record_events())
def test_an_encoded_value_gets_its_own_key_and_headers_back(event: AnyRecordEvent) -> None:
    encoded = codec.encode(event)
    assert codec.with_headers(encoded.value) == encoded
