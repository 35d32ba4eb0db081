"""The directory's tables, as they are digested and as a rebuild swaps them."""

from __future__ import annotations

from projections.base import Table

_CHILD = ("child_number",)
_ARCHIVED = ("child_number", "cause", "archived_on", "until", "shielded", "document")
_STEP = ("event_id", "child_number", "kind", "version", "successors", "causes", "decided_at")
_ENTRY = (*("child_number", "surname", "forename", "others", "birth_date", "sex", "postcode", "shielded", "document"),)
_IDENTITY = ("child_number", "version", "event_type", "members", "held", "former")
_RECORD = (
    *("record_key", "source_version", "fingerprint", "event_type", "event_id", "source_kind", "recorded_at", "person"),
)

PUBLISHED = (
    Table("entry", _ENTRY, _CHILD, published=True, settled=True),
    Table("gone", _CHILD, _CHILD, published=True),
    Table("lineage", _STEP, ("event_id",), published=True),
)
RESTRICTED = (
    Table("shielded_entry", ("child_number", "document"), _CHILD, published=False, settled=True, area="sealed"),
    Table("sensitive_service", ("child_number", "document"), _CHILD, published=False, settled=True, area="sealed"),
    # These, and `due`, count from when a withdrawal came, and know of a retired number only if it was announced.
    Table("archived_entry", _ARCHIVED, _CHILD, published=False, area="archive"),
    Table("closed_entry", _ARCHIVED, _CHILD, published=False, area="archive"),
)
WORKING = (
    Table("record_version", _RECORD, ("record_key",), published=False, settled=True),
    Table("identity", _IDENTITY, _CHILD, published=False),
    Table("membership", ("record_key", "child_number"), ("record_key", "child_number"), published=False, settled=True),
    Table("lineage_step", (*_STEP, "records"), ("event_id",), published=False),
    Table("ruling", ("event_id", "kind", "document"), ("event_id",), published=False, settled=True),
    Table("ruling_record", ("record_key", "event_id"), ("record_key", "event_id"), published=False, settled=True),
    Table("revocation", ("event_id", "target", "kind", "decided_at"), ("event_id",), published=False, settled=True),
    Table("erased", ("record_key", "source_version", "ordered_at"), ("record_key",), published=False, settled=True),
    Table("clock", ("singleton", "today"), ("singleton",), published=False, settled=True),
    Table("due", ("child_number", "due"), _CHILD, published=False),
)
TABLES = (*PUBLISHED, *RESTRICTED, *WORKING)
