"""Published contracts: a change without a new version fails here, and old examples stay readable for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas import codec, publish
from schemas.catalogue import CURRENT_VERSIONS, EVENT_TYPES
from schemas.upcasters import UPCASTERS, upcast

GOLDEN = Path(__file__).parents[2] / "golden"
EXAMPLES = sorted(GOLDEN.glob("*.json"))


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_an_event_changes_only_together_with_its_version(event_type: str) -> None:
    path = publish.PUBLISHED / publish.file_name(event_type, CURRENT_VERSIONS[event_type])
    assert path.read_text(encoding="utf-8") == publish.render(event_type), (
        f"{event_type} differs from its published schema: give it a new version, an upcaster and a golden example"
    )


def test_a_published_schema_is_never_edited_and_never_taken_away() -> None:
    """Where this fails, take the file back as it was and give the event a new version."""
    recorded = (publish.PUBLISHED / publish.DIGESTS).read_text(encoding="utf-8").splitlines(keepends=True)
    assert sorted(recorded) == sorted(map(publish.digest_line, publish.PUBLISHED.glob("*.json")))


def test_every_event_version_has_a_golden_example() -> None:
    needed = {f"{name}.v{v}" for name, current in CURRENT_VERSIONS.items() for v in range(1, current + 1)}
    assert needed <= {path.stem for path in EXAMPLES}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_golden_example_can_be_read_for_ever(path: Path) -> None:
    event = codec.decode(path.read_bytes())
    assert path.stem.startswith(event.event_type)
    assert event.schema_version == CURRENT_VERSIONS[event.event_type]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_golden_example_at_its_current_version_is_written_back_byte_for_byte(path: Path) -> None:
    event = codec.decode(path.read_bytes())
    if path.stem.endswith(f".v{CURRENT_VERSIONS[event.event_type]}"):
        assert codec.encode(event).value == path.read_bytes()
    else:
        assert codec.decode(codec.encode(event).value) == event


def test_every_older_version_has_an_upcaster() -> None:
    needed = {(name, v) for name, current in CURRENT_VERSIONS.items() for v in range(1, current)}
    assert needed == set(UPCASTERS)


def test_upcasters_run_one_version_at_a_time_in_order() -> None:
    steps = {
        ("thing.seen", 1): lambda document: document | {"trail": "1"},
        ("thing.seen", 2): lambda document: document | {"trail": document["trail"] + "2"},
    }
    lifted = upcast({"event_type": "thing.seen", "schema_version": 1}, steps, {"thing.seen": 3})
    assert lifted == {"event_type": "thing.seen", "schema_version": 3, "trail": "12"}
