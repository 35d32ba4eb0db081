"""The topic of decisions: publish one so that it is safe before the caller goes on, and read all of them."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.kafka import EventProducer, read_to_end
from connectors.vault import KeyVault, Plain, Sealer
from schemas.catalogue import AnyEvent
from schemas.codec import EncodedEvent, as_sealed, decode, encode
from schemas.decisions import DecisionEvent
from schemas.directory_decisions import CorrectionMade
from schemas.errors import ConfigurationError, RejectedError
from schemas.requests import RequestOpened
from schemas.settings import KafkaSettings
from schemas.topics import DECISIONS

_SECONDS = 30.0  # in which the brokers have to answer


def publish_decision(kafka: KafkaSettings, event: AnyEvent) -> None:
    """Return once every in-sync broker holds the decision, sealed if it states values of a child.

    Publishing it again changes nothing: its id is a function of what it says. Raises RetriableError when the brokers do
    not answer in time; the decision may then be published or not, and the same event is to be tried again.
    """
    if isinstance(event, (CorrectionMade, RequestOpened)):
        _publish_sealed(kafka, event)
    else:
        publish_decisions(kafka, [event])


def publish_decisions(kafka: KafkaSettings, events: Sequence[AnyEvent]) -> None:
    """Publish decisions that state no values, all at once, as `publish_decision` does one."""
    _publish(kafka, [encode(event) for event in events])


def key_name(decision_id: str) -> str:
    """Return the name of the data key under which a decision that states values is sealed."""
    return f"decision:{decision_id}"


def _publish_sealed(kafka: KafkaSettings, event: AnyEvent) -> None:
    if kafka.vault is None:
        message = "CONTACTPOINT_KEK is not set: a decision that states values of a child has to be sealed"
        raise ConfigurationError(message)
    encoded = encode(event)
    with KeyVault(kafka.vault) as vault, vault.publishing():
        value = Sealer(vault).seal([Plain(key_name(event.event_id), encoded.key, encoded.value)])[0]
        _publish(kafka, [as_sealed(encoded, value)])


def _publish(kafka: KafkaSettings, events: Sequence[EncodedEvent]) -> None:
    if not events:
        return
    with EventProducer(kafka, linger_ms=0, delivery_seconds=_SECONDS) as producer:
        for event in events:
            producer.send_event(DECISIONS, event)
        producer.flush(_SECONDS)


def read_decisions(kafka: KafkaSettings) -> list[DecisionEvent]:
    """Return every decision event, each once, in the order of the topic; what is no decision is passed over.

    Raises RetriableError when the log does not answer.
    """
    found: dict[str, DecisionEvent] = {}
    for message in read_to_end(kafka, [DECISIONS]):
        event = _decision(message.value)
        if event is not None:
            found.setdefault(event.event_id, event)
    return list(found.values())


def _decision(value: bytes | None) -> DecisionEvent | None:
    try:
        event = decode(value)
    except RejectedError:
        return None  # matching sends it to the dead letters
    return event if isinstance(event, DecisionEvent) else None
