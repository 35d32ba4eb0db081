from __future__ import annotations

import pytest
from confluent_kafka import KafkaError

from connectors.kafka import translate
from connectors.kafka.admin import topic_config
from connectors.kafka.errors import Trouble, gravest
from schemas.errors import ConfigurationError, ContactPointError, FatalError, RejectedError, RetriableError
from schemas.topics import TOPICS


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        pytest.param(KafkaError._MSG_TIMED_OUT, RetriableError, id="brokers-away"),
        pytest.param(KafkaError._TRANSPORT, RetriableError, id="connection-lost"),
        pytest.param(KafkaError.NOT_LEADER_FOR_PARTITION, RetriableError, id="leader-moves"),
        pytest.param(KafkaError.NOT_ENOUGH_REPLICAS, RetriableError, id="too-few-copies-now"),
        pytest.param(KafkaError.MSG_SIZE_TOO_LARGE, RejectedError, id="too-large"),
        pytest.param(KafkaError.TOPIC_AUTHORIZATION_FAILED, ConfigurationError, id="no-right"),
        pytest.param(KafkaError.UNKNOWN_TOPIC_OR_PART, ConfigurationError, id="no-such-topic"),
        pytest.param(KafkaError.OFFSET_OUT_OF_RANGE, FatalError, id="position-gone"),
        pytest.param(KafkaError.INVALID_REQUIRED_ACKS, FatalError, id="a-mistake-of-ours"),
    ],
)
def test_an_error_is_sorted_by_what_the_caller_does_next(code: int, kind: type[ContactPointError]) -> None:
    error = translate(KafkaError(code), "sending to topic source.schools")
    assert type(error) is kind
    assert "source.schools" in str(error)


def test_a_fatal_error_of_the_client_is_fatal_whatever_its_code() -> None:
    assert isinstance(translate(KafkaError(KafkaError._TRANSPORT, "x", True), "sending"), FatalError)


def test_the_gravest_of_several_failures_is_reported() -> None:
    fatal, retriable = FatalError("a"), RetriableError("b")
    assert gravest([retriable, fatal, retriable]) is fatal


def test_the_last_complaint_of_a_client_ends_the_message() -> None:
    trouble = Trouble()
    assert trouble.suffix == ""
    trouble(KafkaError(KafkaError._AUTHENTICATION))
    assert "_AUTHENTICATION" in trouble.suffix


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_three_copies_keep_every_write_when_one_node_is_lost(topic: object) -> None:
    assert isinstance(topic, type(TOPICS[0]))
    assert topic_config(topic, 3)["min.insync.replicas"] == "2"
    assert topic_config(topic, 1)["min.insync.replicas"] == "1"
