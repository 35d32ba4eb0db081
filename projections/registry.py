"""The projections by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from projections.audit_trail.projection import AuditTrailProjection
from projections.base import Projection
from projections.directory.projection import DirectoryProjection
from projections.review.projection import ReviewProjection
from schemas.errors import ConfigurationError

PROJECTIONS: Mapping[str, Projection] = MappingProxyType(
    {"directory": DirectoryProjection(), "audit_trail": AuditTrailProjection(), "review": ReviewProjection()}
)


def projection(name: str) -> Projection:
    """Return the projection of this name; raise ConfigurationError that lists the known ones."""
    found = PROJECTIONS.get(name)
    if found is None:
        message = f"unknown projection {name!r}; known: {', '.join(PROJECTIONS)}"
        raise ConfigurationError(message)
    return found
