"""What each action reads, once it is permitted: one function of the database, and the form of its answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from projections.service import fhir
from projections.service.case import ACTS, Case, Statement
from projections.service.cursor import changed_since, cursor_of

CEILING = 20  # more children than this are too many: refine, and no list
HANDLE_SECONDS = 900
# Who works with the child: the parts that say so.
INVOLVED = ("education", "primary_care", "involvements", "lead_professional", "assessment", "responsible_authority")


class AsFound:
    """A read whose answer is what the database returned."""

    def form(self, case: Case, found: Any) -> Any:  # noqa: ARG002 - others use it
        """Return it."""
        return found


@dataclass(frozen=True)
class Search(AsFound):
    """Searches by terms that suffice, for at most so many children; the answer is JSON."""

    terms: Mapping[str, str]
    most: int = CEILING

    def statement(self, case: Case, context: Jsonb) -> Statement:
        """Return the search."""
        return Statement("search", self.values(case, context))

    def values(self, case: Case, context: Jsonb) -> tuple[Any, ...]:
        """Return what a search is given."""
        return context, case.caller.client, Jsonb(self.terms), Jsonb(case.asked.query), self.most


@dataclass(frozen=True)
class Match(Search):
    """Searches, and names each child that is found for its address; the answer is a FHIR Bundle."""

    def statement(self, case: Case, context: Jsonb) -> Statement:
        """Return the search."""
        return Statement("match", (*self.values(case, context), HANDLE_SECONDS))

    def form(self, case: Case, found: Any) -> dict[str, Any]:  # noqa: ARG002
        """Return the Bundle."""
        answer = json.loads(found)
        return fhir.bundle(answer["names"], answer["answer"])


@dataclass(frozen=True)
class OpenRecord(AsFound):
    """Opens one record, or the named parts of it; the answer is the record or its successors, as JSON."""

    parts: Sequence[str] | None = None

    def statement(self, case: Case, context: Jsonb) -> Statement:
        """Return the opening."""
        asked = case.asked
        parts = None if self.parts is None else list(self.parts)
        values = (context, case.caller.client, ACTS[asked.action], asked.child, parts, case.words)
        return Statement("open_record", values)


@dataclass(frozen=True)
class Changes(OpenRecord):
    """Opens a record and compares it with a cursor; the answer is the parts that changed, and the next cursor."""

    key: bytes = b""
    cursor: str | None = None

    def form(self, case: Case, found: Any) -> dict[str, Any]:
        """Return the changes; raise CursorError, and show nothing, when the cursor is none of theirs.

        Of a record that is not shown any more every part that was there has changed, and there is no next cursor.
        """
        answer = json.loads(found)
        shown = answer.get("record")
        owner, record = case.caller.user.subject, shown or {"child_number": case.asked.child}
        changed = [] if self.cursor is None else changed_since(self.key, owner, record, self.cursor)
        following = cursor_of(self.key, owner, record) if shown else None
        return {"changed": changed, "cursor": following, "successors": answer.get("successors", [])}


class Lineage(AsFound):
    """Tells what became of a child number, as JSON."""

    def statement(self, case: Case, context: Jsonb) -> Statement:
        """Return the lineage's reading."""
        return Statement("lineage", (context, case.caller.client, case.asked.child))


class Override(AsFound):
    """Shows the whole record of a shielded child, once, as JSON; an investigation opens with it."""

    def statement(self, case: Case, context: Jsonb) -> Statement:
        """Return the override."""
        asked = case.asked
        return Statement("override_shield", (context, case.caller.client, asked.child, asked.ground, case.words))


class Sources:
    """Tells how fresh each source is, as JSON."""

    def statement(self, case: Case, context: Jsonb) -> Statement:  # noqa: ARG002
        """Return the reading."""
        return Statement("sources")

    def form(self, case: Case, found: Any) -> str:  # noqa: ARG002
        """Return the answer."""
        return f'{{"sources":{found}}}'


class Unnamed(AsFound):
    """Opens nothing, since the address names no child; the attempt is entered."""

    def statement(self, case: Case, context: Jsonb) -> Statement:
        """Return the refusal."""
        return Statement("refuse", (ACTS[case.asked.action], "id_unknown", context, None, None))


class Nothing(AsFound):
    """Reads nothing: the request was only to be decided."""

    def statement(self, case: Case, context: Jsonb) -> Statement:  # noqa: ARG002
        """Return a statement that returns null."""
        return Statement("nothing")
