"""The source connectors, by the name that a feed's settings use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from connectors.ctf import CtfFormat, CtfSettings
from connectors.files import FileFormat
from connectors.formats import FormatContext, FormatSettings
from connectors.hl7_adt import Hl7AdtFormat, Hl7AdtSettings
from connectors.paxlst import PaxlstFormat, PaxlstSettings
from connectors.yot_csv import YotCsvFormat
from connectors.yot_layout import YotCsvSettings
from schemas.errors import ConfigurationError
from schemas.topics import SourceKind


@dataclass(frozen=True, slots=True)
class FormatEntry:
    """One file format: the kind of source it comes from, its settings, and how to make its reader."""

    kind: SourceKind
    settings: type[FormatSettings]
    build: Callable[[Any, FormatContext], FileFormat]
    pattern: str


FORMATS: dict[str, FormatEntry] = {
    "ctf": FormatEntry("schools", CtfSettings, CtfFormat, "*.xml"),
    "hl7_adt": FormatEntry("health", Hl7AdtSettings, Hl7AdtFormat, "*.hl7"),
    "paxlst": FormatEntry("eborders", PaxlstSettings, PaxlstFormat, "*.edi"),
    "yot_csv": FormatEntry("yot", YotCsvSettings, YotCsvFormat, "*.csv"),
}


def format_entry(name: str) -> FormatEntry:
    """Return a registered format; raise ConfigurationError that lists the known names."""
    try:
        return FORMATS[name]
    except KeyError:
        msg = f"unknown connector {name!r}; known: {', '.join(sorted(FORMATS))}"
        raise ConfigurationError(msg) from None
