"""What every file format is given by its feed, and how a feed names the source systems inside its files."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from string import Formatter
from typing import Annotated

from pydantic import AfterValidator

from schemas.errors import ConfigurationError, RejectedError
from schemas.settings import Settings

NUL = b"\x00"
_NOT_IN_SOURCE = re.compile(r"[^A-Za-z0-9._-]+")


def _known_encoding(name: str) -> str:
    """Return Python's name of a text encoding."""
    try:
        "".encode(name)
        return codecs.lookup(name).name
    except LookupError:
        msg = f"{name!r} is not an encoding; common ones are utf-8, cp1252, iso8859-1, utf-16"
        raise ValueError(msg) from None


EncodingName = Annotated[str, AfterValidator(_known_encoding)]


class FormatSettings(Settings):
    """Base of the settings that only one format knows: the TOML table named after the connector."""


class SourceName:
    """The template of a feed's source names, such as `school-{lea}{estab}`; one name is one supplier system."""

    def __init__(self, template: str) -> None:
        self.template = template
        try:
            parts = [(literal, field) for literal, field, _, _ in Formatter().parse(template)]
        except ValueError as error:
            msg = f"source: {template!r} is not a template: {error}"
            raise ConfigurationError(msg) from error
        self.placeholders = frozenset(field for _, field in parts if field is not None)
        self._parts = parts

    def require(self, known: frozenset[str]) -> None:
        """Raise ConfigurationError when the template asks for something that the format does not have."""
        unknown = sorted(self.placeholders - known)
        if unknown:
            allowed = ", ".join("{" + name + "}" for name in sorted(known))
            msg = f"source: unknown placeholder {{{unknown[0]}}}; allowed: {allowed or 'none'}"
            raise ConfigurationError(msg)

    def render(self, values: Mapping[str, str]) -> str:
        """Return the source's name; raise RejectedError when the item does not say which source it is from."""
        rendered = ""
        for literal, field in self._parts:
            rendered += literal
            if field is None:
                continue
            value = _NOT_IN_SOURCE.sub("-", values.get(field, "").strip())
            if not value:
                raise RejectedError("source_unknown", f"{field} is empty, so the source system cannot be told")
            rendered += value
        return rendered


@dataclass(frozen=True, slots=True)
class FormatContext:
    """The feed's settings that every format needs."""

    source: SourceName
    zone: tzinfo
    item_limit: int


def too_long(limit: int) -> str:
    """Return the reason for refusing an item above the feed's limit."""
    return f"the item is longer than {limit:,} bytes; its first {limit:,} are kept here, the rest is in the file"


def clean_id(value: str) -> str:
    """Return a source's record id as it may stand in a record key; raise RejectedError when there is none.

    Spaces around it go; control characters and anything beyond 100 characters cannot be an id.
    """
    trimmed = value.strip()
    if not trimmed:
        raise RejectedError("identity_missing", "the item has no record id")
    if len(trimmed) > 100 or not trimmed.isprintable():
        raise RejectedError(
            "identity_invalid", "the record id is longer than 100 characters or holds control characters"
        )
    return trimmed
