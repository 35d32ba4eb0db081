from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka.admin import AdminClient, ConfigResource
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.kafka import (
    LARGEST_MESSAGE,
    EventProducer,
    PartitionReader,
    ReadMessage,
    Watermarks,
    create_topics,
    end_offsets,
    partitions_of,
    read_to_end,
    watermarks,
)
from connectors.kafka.reader import Batches
from contactpoint.stack import LocalStack
from schemas.errors import ConfigurationError, FatalError, RejectedError, RetriableError
from schemas.settings import KafkaSettings
from schemas.topics import TOPICS, TopicSpec

pytestmark = pytest.mark.integration

TOPIC = "source.schools"


def read_until(reader: PartitionReader, count: int) -> list[ReadMessage]:
    messages: list[ReadMessage] = []
    while len(messages) < count:
        for batch in reader.read(500, 0.2).values():
            messages += batch
    return messages


def test_the_topics_are_those_of_the_manifest(kafka: KafkaSettings) -> None:
    admin = AdminClient({**kafka.as_librdkafka()})
    topics = admin.list_topics(timeout=10).topics
    there = {name: len(each.partitions) for name, each in topics.items() if not name.startswith("__")}
    assert there == {topic.name: topic.partitions for topic in TOPICS}
    resource = ConfigResource(ConfigResource.Type.TOPIC, TOPIC)
    found = admin.describe_configs([resource])[resource].result()
    assert found["retention.ms"].value == "-1"
    assert found["cleanup.policy"].value == "delete"


def test_creating_topics_again_changes_nothing(kafka: KafkaSettings) -> None:
    assert create_topics(kafka) == ()


def test_a_topic_with_other_partitions_or_retention_is_refused(kafka: KafkaSettings) -> None:
    with pytest.raises(ConfigurationError, match=r"source\.schools has 4 partitions, the manifest says 5"):
        create_topics(kafka, [TopicSpec(TOPIC, "record key", 5, ())])
    with pytest.raises(ConfigurationError, match=r"retention\.ms=-1, the manifest says 1000"):
        create_topics(kafka, [TopicSpec(TOPIC, "record key", 4, (("retention.ms", "1000"),))])


def test_a_topic_that_does_not_exist_is_named(kafka: KafkaSettings) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere"):
        partitions_of(kafka, [TOPIC, "nowhere"])


def test_what_is_flushed_is_read_back_in_the_order_of_its_key(kafka: KafkaSettings) -> None:
    sent = [(f"school-1:{number % 7}".encode(), str(number).encode()) for number in range(500)]
    with EventProducer(kafka) as producer:
        for key, value in sent:
            producer.send(TOPIC, key, value, [("ce_id", value)])
    assert sum(end_offsets(kafka, [TOPIC]).values()) == len(sent)
    with PartitionReader(kafka, dict.fromkeys(partitions_of(kafka, [TOPIC]), 0), with_headers=True) as reader:
        messages = read_until(reader, len(sent))
    for key in {key for key, _ in sent}:
        assert [m.value for m in messages if m.key == key] == [value for each, value in sent if each == key]
    assert all(message.headers == (("ce_id", message.value),) for message in messages)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(starts=st.lists(st.integers(0, 50), min_size=4, max_size=4))
def test_reading_starts_at_the_given_positions(kafka: KafkaSettings, starts: list[int]) -> None:
    partitions = partitions_of(kafka, [TOPIC])
    if not any(end_offsets(kafka, [TOPIC]).values()):
        with EventProducer(kafka, linger_ms=0) as producer:
            for number in range(400):
                producer.send(TOPIC, str(number).encode(), b"x")
    ends = end_offsets(kafka, [TOPIC])
    positions = dict(zip(partitions, starts, strict=True))
    expected = {(t, p, o) for (t, p), start in positions.items() for o in range(start, ends[t, p])}
    with PartitionReader(kafka, positions) as reader:
        messages = read_until(reader, len(expected))
    assert {(message.topic, message.partition, message.offset) for message in messages} == expected


def test_a_reader_can_be_sent_back(kafka: KafkaSettings) -> None:
    with EventProducer(kafka) as producer:
        for _ in range(10):
            producer.send(TOPIC, b"one key", b"x")
    ((partition, end),) = [(each, end) for each, end in end_offsets(kafka, [TOPIC]).items() if end]
    with PartitionReader(kafka, {partition: end - 1}) as reader:
        assert [message.offset for message in read_until(reader, 1)] == [end - 1]
        reader.start_from({partition: 3})
        assert [message.offset for message in read_until(reader, end - 3)] == list(range(3, end))


def read_until_it_raises(reader: PartitionReader) -> Batches:
    batches: Batches = {}
    while not batches:
        batches = reader.read(10, 0.5)
    return batches


def test_a_position_that_is_not_in_the_topic_stops_the_reader(kafka: KafkaSettings) -> None:
    with (
        PartitionReader(kafka, {(TOPIC, 0): 1_000_000}) as reader,
        pytest.raises(FatalError, match="no longer holds this position"),
    ):
        read_until_it_raises(reader)


def test_watermarks_count_what_was_written(kafka: KafkaSettings) -> None:
    with EventProducer(kafka) as producer:
        producer.send(TOPIC, b"k", b"v")
    marks = watermarks(kafka, [TOPIC])
    assert sum(mark.high - mark.low for mark in marks.values()) == 1
    assert {mark.low for mark in marks.values()} == {0}
    now = datetime.now(UTC)
    assert watermarks(kafka, [TOPIC], now - timedelta(minutes=1)) == marks
    nothing = watermarks(kafka, [TOPIC], now + timedelta(minutes=1))
    assert nothing == {place: Watermarks(mark.high, mark.high) for place, mark in marks.items()}


def test_a_message_above_the_limit_is_rejected_and_the_next_one_is_sent(kafka: KafkaSettings) -> None:
    with EventProducer(kafka) as producer:
        with pytest.raises(RejectedError) as caught:
            producer.send(TOPIC, b"k", b"x" * (LARGEST_MESSAGE + 1))
        producer.send(TOPIC, b"k", b"small")
    assert caught.value.code == "message_too_large"
    assert sum(end_offsets(kafka, [TOPIC]).values()) == 1


def test_a_dead_letter_of_ten_megabytes_is_accepted(kafka: KafkaSettings) -> None:
    with EventProducer(kafka) as producer:
        producer.send("dead-letters", b"k", b"x" * 10_000_000)
    assert sum(end_offsets(kafka, ["dead-letters"]).values()) == 1


def test_every_message_that_fails_is_reported(kafka: KafkaSettings) -> None:
    producer = EventProducer(kafka, delivery_seconds=60)
    for number in range(3):
        producer.send("no-such-topic", str(number).encode(), b"x")
    producer.send(TOPIC, b"k", b"v")
    with pytest.raises(ConfigurationError, match="3 messages were not delivered"):
        producer.flush()
    assert {failure.key for failure in producer.undelivered} == {b"0", b"1", b"2"}
    producer.flush()
    assert producer.undelivered == ()
    producer.close()
    assert sum(end_offsets(kafka, [TOPIC]).values()) == 1


def test_brokers_that_are_away_are_worth_another_try(kafka: KafkaSettings, stack: LocalStack) -> None:
    assert stack.kafka is not None
    producer = EventProducer(kafka, linger_ms=0, delivery_seconds=2)
    stack.kafka.kill_node(1)
    producer.send(TOPIC, b"k", b"v")
    with pytest.raises(RetriableError, match="1 messages were not delivered"):
        producer.flush()
    stack.restore()
    producer.send(TOPIC, b"k", b"v")
    producer.close()


def test_a_hint_is_what_lag_dashboards_see(kafka: KafkaSettings) -> None:
    with EventProducer(kafka) as producer:
        producer.send(TOPIC, b"k", b"v")
    ((partition, end),) = [(each, end) for each, end in end_offsets(kafka, [TOPIC]).items() if end]
    with PartitionReader(kafka, {partition: 0}, group="test-hints") as reader:
        read_until(reader, 1)
        reader.hint({partition: end}, wait=True)
    admin = AdminClient({**kafka.as_librdkafka()})
    noted = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions("test-hints")])
    places = noted["test-hints"].result(10).topic_partitions
    assert {(place.topic, place.partition): place.offset for place in places} == {partition: end}


def test_what_a_topic_holds_now_is_read_once_and_no_further(kafka: KafkaSettings) -> None:
    with EventProducer(kafka) as producer:
        for number in range(5):
            producer.send(TOPIC, b"k", b"%d" % number)
        producer.flush()
        assert not list(read_to_end(kafka, ["dead-letters"]))
        reading = read_to_end(kafka, [TOPIC])
        first = next(reading).value
        producer.send(TOPIC, b"k", b"later")
        producer.flush()
        assert [first, *(message.value for message in reading)] == [b"0", b"1", b"2", b"3", b"4"]
