"""Settings that all tests share."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# Two profiles: quick while working, thorough in CI. Deadlines are off: a shared machine's clock proves nothing.
settings.register_profile("work", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", deadline=None, max_examples=100, print_blob=True, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "work")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs servers by the fixtures it asks for, so that it can be chosen without a list."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & {"stack", "kafka", "postgres_dsn", "postgres"}:
            item.add_marker("integration")
        if fixtures & {"postgres_dsn", "postgres"}:
            item.add_marker("postgres")
