"""Kafka for every stage: topics from the manifest, a producer that loses nothing silently, reading from positions."""

from __future__ import annotations

from connectors.kafka.admin import (
    LARGEST_MESSAGE,
    Partition,
    Positions,
    Watermarks,
    create_topics,
    end_offsets,
    partitions_of,
    watermarks,
)
from connectors.kafka.errors import translate
from connectors.kafka.group import GroupReader
from connectors.kafka.held import Times, ensure_held
from connectors.kafka.message import ReadMessage
from connectors.kafka.places import read_places
from connectors.kafka.producer import DeliveryFailure, EventProducer
from connectors.kafka.reader import Batches, PartitionReader
from connectors.kafka.spans import read_spans, read_to_end

__all__ = [
    "LARGEST_MESSAGE",
    "Batches",
    "DeliveryFailure",
    "EventProducer",
    "GroupReader",
    "Partition",
    "PartitionReader",
    "Positions",
    "ReadMessage",
    "Times",
    "Watermarks",
    "create_topics",
    "end_offsets",
    "ensure_held",
    "partitions_of",
    "read_places",
    "read_spans",
    "read_to_end",
    "translate",
    "watermarks",
]
