"""What each action reads, once it is permitted: one function of the database, and the form of its answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from projections.service.cursor import changed_since, cursor_of
from projections.service.desk import ACTS, Reading

CEILING = 20  # more children than this are too many: refine, and no list
HANDLE_SECONDS = 900
# Who works with the child: the parts that say so.
INVOLVED = ("education", "primary_care", "involvements", "lead_professional", "assessment", "authority")


@dataclass(frozen=True, slots=True)
class Search:
    """Searches by terms that suffice."""

    terms: dict[str, str]
    last: bool = True

    async def __call__(self, reading: Reading) -> str:
        """Return the children, as JSON."""
        ask = reading.finish if self.last else reading.call
        found: str = await ask(
            "search", reading.context, reading.caller.client, Jsonb(self.terms), Jsonb(reading.asked.query), CEILING
        )
        return found


@dataclass(frozen=True, slots=True)
class OpenRecord:
    """Opens one record, or the named parts of it."""

    parts: Sequence[str] | None = None

    async def __call__(self, reading: Reading) -> str:
        """Return the record or its successors, as JSON."""
        asked = reading.asked
        parts = None if self.parts is None else list(self.parts)
        found: str = await reading.finish(
            "open_record",
            reading.context,
            reading.caller.client,
            ACTS[asked.action],
            asked.child,
            parts,
            reading.words,
        )
        return found


@dataclass(frozen=True, slots=True)
class Changes:
    """Compares one record with a cursor; raises CursorError, and nothing is shown, when it is none of theirs."""

    key: bytes
    cursor: str | None

    async def __call__(self, reading: Reading) -> dict[str, Any]:
        """Return the parts that changed and the next cursor."""
        found = json.loads(await OpenRecord()(reading))
        record = found.get("record")
        if record is None:
            return {"changed": [], "cursor": None, "successors": found.get("successors", [])}
        owner = reading.caller.user.subject
        changed = [] if self.cursor is None else changed_since(self.key, owner, record, self.cursor)
        return {"changed": changed, "cursor": cursor_of(self.key, owner, record), "successors": []}


async def lineage(reading: Reading) -> str:
    """Return what became of a child number, as JSON."""
    found: str = await reading.finish("lineage", reading.context, reading.caller.client, reading.asked.child)
    return found


async def override(reading: Reading) -> str:
    """Return the whole record of a shielded child, once, as JSON; an investigation opens with it."""
    found: str = await reading.finish(
        "override_shield",
        reading.context,
        reading.caller.client,
        reading.asked.child,
        reading.asked.ground,
        reading.words,
    )
    return found


async def sources(reading: Reading) -> str:
    """Return how fresh each source is, as JSON."""
    found: str = await reading.finish("sources")
    return f'{{"sources":{found}}}'


async def nothing(_: Reading) -> None:
    """Read nothing: the request was only to be decided."""


async def name_children(reading: Reading, numbers: list[str]) -> list[str]:
    """Return a name for the address of each of these children, for this person and a quarter of an hour."""
    if not numbers:
        return []
    names: list[str] = await reading.call("name_children", reading.caller.user.subject, numbers, HANDLE_SECONDS)
    return names
