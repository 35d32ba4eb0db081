"""The simulated world: seeded children, their records in real file formats, and the truth beside them."""

from __future__ import annotations

from contactpoint.world.settings import Coverage, Delivery, LifeRates, MistakeRates, WorldSettings
from contactpoint.world.simulate import WorldSummary, simulate

__all__ = ["Coverage", "Delivery", "LifeRates", "MistakeRates", "WorldSettings", "WorldSummary", "simulate"]
