"""The simulated world: seeded children, their records in real file formats or as events, and the truth beside them."""

from __future__ import annotations

from contactpoint.world.settings import Coverage, Delivery, LifeRates, MistakeRates, WorldSettings
from contactpoint.world.simulate import WorldSummary, simulate
from contactpoint.world.stream import WorldEvent, encoded_stream, event_stream, value_stream
from contactpoint.world.truth import person_id

__all__ = [
    "Coverage",
    "Delivery",
    "LifeRates",
    "MistakeRates",
    "WorldEvent",
    "WorldSettings",
    "WorldSummary",
    "encoded_stream",
    "event_stream",
    "person_id",
    "simulate",
    "value_stream",
]
