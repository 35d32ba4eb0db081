"""A feed's settings: one TOML file a feed, checked before anything is read.

Every message names the file, the key and what is allowed there.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, StringConstraints, ValidationError, field_validator, model_validator

from connectors.base import SourceConnector
from connectors.ctf import CtfSettings
from connectors.files import FileConnector
from connectors.formats import FormatContext, FormatSettings, SourceName
from connectors.hl7_adt import Hl7AdtSettings
from connectors.paxlst import PaxlstSettings
from connectors.registry import FORMATS, format_entry
from connectors.toml_file import read_toml
from connectors.yot_layout import YotCsvSettings
from ingest.suppliers import SUPPLIERS, USUAL, suppliers_of
from schemas.errors import ConfigurationError
from schemas.records import Code
from schemas.settings import Settings, explain_validation
from schemas.topics import SourceKind, source_topic

ADULT_AGE = 18
OLDEST_AGE = 25  # participating young people, by consent
_ITEM_LIMIT = 12 * 1024 * 1024  # a rejected item's bytes must fit into one message (connectors.kafka.LARGEST_MESSAGE)


class FeedSettings(Settings):
    """One feed: which connector reads which files, and what it may let through.

    `source` is the template of source names, one for each supplier system in the feed. `supplier` is the kind of body
    that sends it (`ingest.suppliers`; the usual one of the format if not given): what is not its to give is left
    out. `authority` is the code of the authority that is responsible for the feed's children where the records do not
    say who is: for feeds of one authority's schools, team or trust. People who are `under_age` or older on the date of
    what is said about them are out of scope and not kept.
    `accept_synthetic` lets through the ranges that are never issued to people (NHS numbers that start with 9, XX99
    postcodes, test names).
    """

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    connector: Literal["ctf", "hl7_adt", "paxlst", "yot_csv"]
    directory: Path
    source: str
    supplier: str = ""
    authority: Code | None = None
    pattern: str = ""
    time_zone: str = "Europe/London"
    under_age: int = Field(default=ADULT_AGE, ge=1, le=OLDEST_AGE)
    accept_synthetic: bool = False
    placeholders: tuple[str, ...] = ()
    batch_size: int = Field(default=1000, ge=1, le=10_000)
    item_limit: int = Field(default=_ITEM_LIMIT, ge=1024, le=_ITEM_LIMIT)
    ctf: CtfSettings | None = None
    hl7_adt: Hl7AdtSettings | None = None
    paxlst: PaxlstSettings | None = None
    yot_csv: YotCsvSettings | None = None

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            return ZoneInfo(name).key
        except (ValueError, OSError, KeyError):
            msg = f"{name!r} is not a time zone such as 'Europe/London'"
            raise ValueError(msg) from None

    @field_validator("pattern")
    @classmethod
    def _inside_the_directory(cls, pattern: str) -> str:
        parts = PurePosixPath(pattern).parts
        if pattern.startswith("/") or any(part == ".." or ("**" in part and part != "**") for part in parts):
            msg = f"{pattern!r} is not a pattern of files inside `directory`, such as '*.xml' or '**/*.xml'"
            raise ValueError(msg)
        return pattern

    @model_validator(mode="after")
    def _listed_supplier(self) -> Self:
        known = suppliers_of(self.connector)
        if self.supplier and self.supplier not in known:
            msg = f"supplier {self.supplier!r} is not listed for {self.connector}; allowed here: {', '.join(known)}"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _authority_is_theirs_to_name(self) -> Self:
        if self.authority and "responsible_authority" not in self.permitted_items:
            msg = f"authority is given, but a {self.supplier or USUAL[self.connector]} may not say who is responsible"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _one_format(self) -> Self:
        strangers = [name for name in FORMATS if name != self.connector and getattr(self, name) is not None]
        if strangers:
            msg = f"[{strangers[0]}] is given, but the connector is {self.connector!r}; its table is [{self.connector}]"
            raise ValueError(msg)
        if self.connector == "yot_csv" and self.yot_csv is None:
            msg = "the table [yot_csv] is missing: it has to say at least `encoding` and [yot_csv.columns]"
            raise ValueError(msg)
        return self

    @property
    def kind(self) -> SourceKind:
        """The kind of source that this feed belongs to."""
        return format_entry(self.connector).kind

    @property
    def permitted_items(self) -> frozenset[str]:
        """The items that are the supplier's to give."""
        return SUPPLIERS[self.supplier or USUAL[self.connector]].items

    @property
    def topic(self) -> str:
        """The topic that the feed's events go to."""
        return source_topic(self.kind)

    @property
    def format_settings(self) -> FormatSettings:
        """The settings of the feed's own format."""
        given: FormatSettings | None = getattr(self, self.connector)
        return given if given is not None else format_entry(self.connector).settings()

    @property
    def max_withdrawn_share(self) -> float:
        """The largest share of a source's records that one full refresh may withdraw by leaving them out."""
        return self.yot_csv.max_withdrawn_share if self.yot_csv else 0.0

    def connect(self) -> SourceConnector:
        """Return the feed's connector; raise ConfigurationError for a source template that does not fit the format."""
        entry = format_entry(self.connector)
        context = FormatContext(SourceName(self.source), ZoneInfo(self.time_zone), self.item_limit)
        reader = entry.build(self.format_settings, context)
        return FileConnector(self.directory, self.pattern or entry.pattern, reader, batch_size=self.batch_size)


def load_feed(path: Path) -> FeedSettings:
    """Read and check one feed file; raise ConfigurationError that names the file, the key and what is allowed."""
    feed = read_toml(path, FeedSettings)
    feed = feed.model_copy(update={"directory": path.parent / feed.directory})
    try:
        feed.connect()
    except ValidationError as error:
        raise ConfigurationError(explain_validation(error, str(path))) from None
    except ConfigurationError as error:
        msg = f"{path}: {error}"
        raise ConfigurationError(msg) from None
    return feed


def load_feeds(*places: Path) -> tuple[FeedSettings, ...]:
    """Read these feed files, and every `*.toml` of these folders in order of name.

    Raises ConfigurationError when there is none, or when two feeds have one name.
    """
    paths = [path for place in places for path in (sorted(place.glob("*.toml")) if place.is_dir() else [place])]
    if not paths:
        msg = f"there is no feed file (*.toml) in {', '.join(map(str, places))}"
        raise ConfigurationError(msg)
    feeds = tuple(load_feed(path) for path in paths)
    names: dict[str, Path] = {}
    for path, feed in zip(paths, feeds, strict=True):
        if feed.name in names:
            msg = f"{path}: name: {feed.name!r} is taken by {names[feed.name]}; give each feed a name of its own"
            raise ConfigurationError(msg)
        names[feed.name] = path
    return feeds
