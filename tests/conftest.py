"""Settings that all tests share."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# Quick while working, thorough in CI, and both the same each time: a rare failure is to be found by whoever looks for
# one (`pytest --hypothesis-profile fresh`). Deadlines are off: a shared machine's clock proves nothing.
settings.register_profile("fresh", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("work", settings.get_profile("fresh"), derandomize=True)
settings.register_profile("ci", deadline=None, max_examples=100, print_blob=True, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "work")


# Half a minute and more. What is not named comes after, with servers before without: the last to end is a short one.
LONGEST = (
    *("test_keeper", "test_main_line", "test_decide", "test_shared_matching", "test_stack", "test_decisions"),
    *("test_matching", "test_matching_takeover", "test_projections_kill", "test_erasure", "test_review_desk"),
    *("test_explain", "test_model_whatif", "test_owner_kills"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs servers by the fixtures it asks for, so that it can be chosen without a list; longest first."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & {"stack", "kafka", "postgres_dsn", "postgres"}:
            item.add_marker("integration")
        if fixtures & {"postgres_dsn", "postgres"}:
            item.add_marker("postgres")
    items.sort(key=_begins)


def _begins(item: pytest.Item) -> tuple[int, bool]:
    """Order whole files: the sort keeps each one's own order and that of all that are alike."""
    name = item.path.stem if item.path.parent.name == "integration" else ""
    return (LONGEST.index(name) if name in LONGEST else len(LONGEST), item.path.parent.name != "integration")
