"""Topics from the manifest, and where they begin and end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, OffsetSpec, TopicMetadata

from connectors.kafka.errors import Trouble, translate
from schemas.errors import ConfigurationError, RetriableError
from schemas.settings import KafkaSettings
from schemas.topics import TOPICS, TopicSpec, min_insync_replicas

LARGEST_MESSAGE = 16 * 1024 * 1024
"""Bytes: a dead letter carries the input that was refused, so this is above the limit of an event."""

Partition = tuple[str, int]
"""Topic and partition."""
Positions = Mapping[Partition, int]
"""The next offset to read of each partition, as Kafka counts: no `+ 1` at any call site."""

Result = TypeVar("Result")

_SECONDS = 30.0
_PAUSE_SECONDS = 0.05


class Watermarks(NamedTuple):
    """The oldest offset that is still there, and the one that the next message will get."""

    low: int
    high: int

    def holds(self, position: int) -> bool:
        """Tell whether reading can go on at this position: at a message that is there, or where the next will be."""
        return self.low <= position <= self.high


def create_topics(settings: KafkaSettings, topics: Sequence[TopicSpec] = TOPICS) -> tuple[str, ...]:
    """Create the topics that are missing and return their names once every partition of all has a leader.

    Raises ConfigurationError when a topic is there with another number of partitions or another retention than the
    manifest's: both are promises to readers, which nothing here may change.
    """
    admin = _admin(settings)
    there = _topics(admin, settings)
    _check_partitions(topics, there)
    _check_config(admin, [topic for topic in topics if topic.name in there])
    missing = [topic for topic in topics if topic.name not in there]
    if missing:
        copies = min(3, _call(lambda: len(admin.list_topics(timeout=_SECONDS).brokers), "asking for the brokers"))
        new = [NewTopic(each.name, each.partitions, copies, config=topic_config(each, copies)) for each in missing]
        for name, future in admin.create_topics(new).items():
            _created(name, future)
    # A leader that answers for every partition: until then a reader that starts would find none.
    places = [(topic.name, number) for topic in topics for number in range(topic.partitions)]
    _offsets(_admin(settings), settings, places, OffsetSpec.latest())
    return tuple(topic.name for topic in missing)


def topic_config(topic: TopicSpec, replication_factor: int) -> dict[str, str]:
    """Return the settings that a topic is created with."""
    return {
        "min.insync.replicas": str(min_insync_replicas(replication_factor)),
        "max.message.bytes": str(LARGEST_MESSAGE),
        **dict(topic.config),
    }


def partitions_of(settings: KafkaSettings, topics: Iterable[str]) -> tuple[Partition, ...]:
    """Return every partition of these topics in order; raise ConfigurationError when a topic does not exist."""
    return _partitions(_admin(settings), settings, topics)


def _partitions(admin: AdminClient, settings: KafkaSettings, topics: Iterable[str]) -> tuple[Partition, ...]:
    there = _topics(admin, settings)
    wanted = sorted(set(topics))
    absent = [name for name in wanted if name not in there]
    if absent:
        message = f"these topics do not exist: {', '.join(absent)}; create them first (create_topics)"
        raise ConfigurationError(message)
    return tuple((name, number) for name in wanted for number in sorted(there[name].partitions))


def end_offsets(settings: KafkaSettings, topics: Iterable[str]) -> dict[Partition, int]:
    """Return, for every partition of these topics, the offset that the next message will get."""
    admin = _admin(settings)
    return _offsets(admin, settings, _partitions(admin, settings, topics), OffsetSpec.latest())


def watermarks(
    settings: KafkaSettings, topics: Iterable[str], since: datetime | None = None
) -> dict[Partition, Watermarks]:
    """Return where every partition of these topics begins (or has its first message from `since` on) and ends."""
    admin = _admin(settings)
    partitions = _partitions(admin, settings, topics)
    begin = OffsetSpec.for_timestamp(int(since.timestamp() * 1000)) if since else OffsetSpec.earliest()
    low = _offsets(admin, settings, partitions, begin)
    high = _offsets(admin, settings, partitions, OffsetSpec.latest())
    return {each: Watermarks(low[each] if low[each] >= 0 else high[each], high[each]) for each in partitions}


def client_config(settings: KafkaSettings, trouble: Trouble) -> dict[str, Any]:
    """Return what every client of librdkafka is made with; its own log is replaced by `trouble`."""
    own = {"client.id": "contactpoint", "log_level": 0, "error_cb": trouble}
    # Half of the first is also how long a new client waits before its second connection.
    backoff = {"reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 2000}
    return {**own, **backoff, **settings.as_librdkafka()}


def _admin(settings: KafkaSettings) -> AdminClient:
    return AdminClient(client_config(settings, Trouble()))


def _topics(admin: AdminClient, settings: KafkaSettings) -> dict[str, TopicMetadata]:
    about = f"asking Kafka at {settings.bootstrap_servers} (CONTACTPOINT_KAFKA, or the local stack) for its topics"
    return _call(lambda: admin.list_topics(timeout=_SECONDS).topics, about)


def _check_partitions(topics: Sequence[TopicSpec], there: Mapping[str, TopicMetadata]) -> None:
    for topic in topics:
        found = len(there[topic.name].partitions) if topic.name in there else topic.partitions
        if found != topic.partitions:
            message = f"topic {topic.name} has {found} partitions, the manifest says {topic.partitions}"
            raise ConfigurationError(message)


def _check_config(admin: AdminClient, topics: Sequence[TopicSpec]) -> None:
    if not topics:
        return
    resources = {ConfigResource(ConfigResource.Type.TOPIC, topic.name): topic for topic in topics}
    for resource, future in admin.describe_configs(list(resources)).items():
        topic = resources[resource]
        found = _call(future.result, f"asking for the settings of topic {topic.name}")
        for key, wanted in topic.config:
            if found[key].value != wanted:
                message = f"topic {topic.name} has {key}={found[key].value}, the manifest says {wanted}"
                raise ConfigurationError(message)


def _created(name: str, future: Future[None]) -> None:
    try:
        future.result(_SECONDS)
    except KafkaException as error:
        if error.args[0].name() != "TOPIC_ALREADY_EXISTS":  # another process was faster
            raise translate(error.args[0], f"creating topic {name}") from error


def _offsets(
    admin: AdminClient, settings: KafkaSettings, partitions: Sequence[Partition], which: OffsetSpec
) -> dict[Partition, int]:
    # These partitions exist, so one that a broker does not know of yet, or that has no leader (just created, or its
    # broker just died), will answer soon. A client that has seen none goes on saying so from its cache: each
    # further try takes a new one.
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            return _offsets_now(admin, partitions, which)
        except KafkaException as failure:
            error = translate(failure.args[0], "asking where topics begin and end")
            unknown = failure.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART
            if time.monotonic() > deadline or not (unknown or isinstance(error, RetriableError)):
                raise error from failure
        time.sleep(_PAUSE_SECONDS)
        admin = _admin(settings)


def _offsets_now(admin: AdminClient, partitions: Sequence[Partition], which: OffsetSpec) -> dict[Partition, int]:
    asked = {TopicPartition(topic, number): which for topic, number in partitions}
    futures = admin.list_offsets(asked, request_timeout=_SECONDS)
    return {(each.topic, each.partition): future.result().offset for each, future in futures.items()}


def _call(call: Callable[[], Result], about: str) -> Result:
    try:
        return call()
    except KafkaException as error:
        raise translate(error.args[0], about) from error
