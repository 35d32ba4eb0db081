"""Kafka's errors put into our own tree, by what the caller does next."""

from __future__ import annotations

import structlog
from confluent_kafka import KafkaError

from schemas.errors import ConfigurationError, ContactPointError, FatalError, RejectedError, RetriableError

log = structlog.get_logger(__name__)

_REJECTED = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
_CONFIGURATION = frozenset(
    {
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.POLICY_VIOLATION,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._AUTHENTICATION,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._UNKNOWN_TOPIC,
    }
)
_RETRIABLE = frozenset(
    {
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.FENCED_LEADER_EPOCH,  # this and UNKNOWN_LEADER_EPOCH: a leader that has just changed or come back
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._MSG_TIMED_OUT,
        KafkaError._NOENT,  # "no leaders found": a topic that was created a moment ago
        KafkaError._PURGE_INFLIGHT,
        KafkaError._PURGE_QUEUE,
        KafkaError._QUEUE_FULL,
        KafkaError._RESOLVE,
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._TRANSPORT,
        KafkaError._WAIT_COORD,
    }
)
# A position that is not in the log: the topic was deleted and made again, so what was built from it no longer holds.
_LOST_POSITION = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})

_GRAVITY = (RetriableError, RejectedError, ConfigurationError, FatalError)


def translate(error: KafkaError, about: str) -> ContactPointError:
    """Return our error for Kafka's; `about` says what was asked, without personal data."""
    text = f"{about}: {error.name()} ({error.str()})"
    if error.fatal():
        return FatalError(text)
    if error.code() in _REJECTED:
        return RejectedError("message_too_large", text)
    if error.code() in _CONFIGURATION:
        return ConfigurationError(f"{text}: check the brokers' address, the topics and the account's rights")
    if error.code() in _LOST_POSITION:
        return position_lost(text)
    if error.retriable() or error.code() in _RETRIABLE:
        return RetriableError(text)
    return FatalError(text)


def position_lost(about: str) -> FatalError:
    """Return the error of every stage whose next message is not in the log any more; `about` says where."""
    return FatalError(
        f"{about}: the topic no longer holds this position; it was deleted, shortened or made again. Nothing is passed "
        "over: bring the topic back from a copy, or, where it is to begin anew, make it again and drop the tables that "
        "were made of it (docs/decisions/0049)"
    )


def gravest(errors: list[ContactPointError]) -> ContactPointError:
    """Return the first error of the gravest kind: fatal, configuration, rejected, retriable."""
    return max(errors, key=_gravity)


def _gravity(error: ContactPointError) -> int:
    return max(place for place, kind in enumerate(_GRAVITY) if isinstance(error, kind))


class Trouble:
    """Remembers what a client last complained of: some reasons (a wrong password) reach its callback only."""

    def __init__(self) -> None:
        self.reason = ""

    def __call__(self, error: KafkaError) -> None:
        """Take one complaint; the same one is logged once."""
        reason = f"{error.name()}"
        if reason != self.reason:
            self.reason = reason
            log.warning("kafka_client_error", code=reason, reason=error.str())

    @property
    def suffix(self) -> str:
        """The reason as the end of a message, empty when there was none."""
        return f"; the client's last complaint was {self.reason}" if self.reason else ""
