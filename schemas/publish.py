"""Write the JSON Schema of each event's current version to `schemas/published/`: `python -m schemas.publish`.

A file that already exists with other content is refused: the event needs a new version instead. `DIGESTS` holds the
SHA-256 of every file as it was published, so that no later hand changes one, old versions included.
"""

from __future__ import annotations

import json
import sys
from hashlib import sha256
from pathlib import Path

from schemas.catalogue import CURRENT_VERSIONS, EVENT_TYPES

PUBLISHED = Path(__file__).parent / "published"
DIGESTS = "SHA256SUMS"
"""A line `digest  file` for each schema, as `sha256sum --check` reads it."""


def file_name(event_type: str, version: int) -> str:
    """Return the name of the published schema of an event version."""
    return f"{event_type}.v{version}.json"


def render(event_type: str) -> str:
    """Return the JSON Schema of the event's current version, with a stable layout."""
    return json.dumps(EVENT_TYPES[event_type].model_json_schema(), indent=1, sort_keys=True) + "\n"


def digest_line(path: Path) -> str:
    """Return the line of `DIGESTS` for a file."""
    return f"{sha256(path.read_bytes()).hexdigest()}  {path.name}\n"


def publish(directory: Path = PUBLISHED) -> list[str]:
    """Write the schemas that are missing; return the names of those that exist and differ (they are left alone)."""
    differing = []
    for event_type, version in CURRENT_VERSIONS.items():
        path = directory / file_name(event_type, version)
        if not path.exists():
            path.write_text(render(event_type), encoding="utf-8")
            with (directory / DIGESTS).open("a", encoding="utf-8") as digests:
                digests.write(digest_line(path))
        elif path.read_text(encoding="utf-8") != render(event_type):
            differing.append(path.name)
    return differing


if __name__ == "__main__":
    if changed := publish():
        sys.exit(f"these events changed under a published version; add a version to each: {', '.join(changed)}")
