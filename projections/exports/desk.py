"""The release desk: a project's key, a request, two approvals, one release. It refuses, it never warns."""

from __future__ import annotations

import secrets
from collections import defaultdict
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg.types.json import Jsonb

from connectors.postgres import apply_schema, sql_blocks
from projections.access.deed import Deed, Shown, done
from projections.base import Rows
from projections.exports.control import Cells, Row, Values, cells, published_cells, published_count, refusals, table
from projections.exports.manifest import csv_bytes, signed_manifest
from projections.exports.specification import RECIPIENTS, Purpose, ReleaseSpec
from schemas.access import AccessAction, Person
from schemas.errors import RejectedError
from schemas.settings import PostgresSettings
from schemas.two_people import same_person

_SQL = sql_blocks("projections.exports.sql")
_BLOCK: Final = 64  # bytes: SHA-256's block
_APPROVERS: Final = 2
_POLICY: Final = "release-1"
EXPORTER: Final = "contactpoint_exporter"


@dataclass(frozen=True, slots=True)
class Release:
    """What leaves: the data and the manifest that was signed for them."""

    release_id: str
    data: bytes
    manifest: bytes


def prepare(settings: PostgresSettings) -> None:
    """Create the tables and functions where they are missing. The directory's tables and the roles must be there."""
    apply_schema(settings, "projections.exports.sql")


class ReleaseDesk:
    """Handles requests on one connection, with the rights of `EXPORTER`. Every deed and refusal is in the trail."""

    def __init__(self, connection: Rows) -> None:
        self._connection = connection

    def open_project(self, name: str, purpose: Purpose, recipient: str, who: Person) -> None:
        """Make a project with a pseudonym key of its own. Raises RejectedError for a recipient that is not listed."""
        with self._done("opened_project", who, name):
            if recipient not in RECIPIENTS:
                allowed = ", ".join(sorted(RECIPIENTS))
                raise RejectedError("recipient_not_listed", f"releases go to these recipients only: {allowed}")
            self._connection.execute(_SQL["make_ledger"], _pads())
            made = self._connection.execute(_SQL["create_project"], (name, purpose, recipient, who.user, *_pads()))
            if made.rowcount != 1:
                raise RejectedError("project_exists", f"there is a project {name} already")

    def request(self, spec: ReleaseSpec, who: Person) -> str:
        """Check a release and note the request; return its id. Raises RejectedError that gives every reason."""
        release_id = f"R{secrets.token_hex(6)}"
        with self._done("requested_release", who, release_id):
            self._checked(spec, release_id)
            self._connection.execute(
                _SQL["add_request"], (release_id, spec.project, Jsonb(spec.model_dump(mode="json")), who.user)
            )
        return release_id

    def approve(self, release_id: str, who: Person) -> int:
        """Note one person's approval; return how many there are. The one who asked cannot approve."""
        with self._done("approved_release", who, release_id):
            asked = self._request(release_id)
            if same_person(who.user, asked.requested_by):
                raise RejectedError("own_request", "whoever asked for a release cannot approve it")
            if any(same_person(who.user, each) for each in asked.approved_by):
                return len(asked.approved_by)
            self._connection.execute(_SQL["approve"], (release_id, who.user))
        return len(asked.approved_by) + 1

    def release(self, release_id: str, who: Person, today: date, key: Ed25519PrivateKey) -> Release:
        """Check again, note what leaves, and return it; the caller hands it over after this has returned.

        Raises RejectedError when approvals are missing, it has expired or left before, or the data now fail the checks.
        """
        with self._done("exported", who, release_id):
            asked = self._request(release_id)
            _may_leave(asked, today)
            rows = self._checked(asked.spec, release_id)
            data = csv_bytes(table(rows, asked.spec))
            manifest = signed_manifest(_facts(release_id, asked, rows), data, key)
            self._keep_members(release_id, rows, asked.spec)
            self._connection.execute(_SQL["mark_released"], (sha256(data).hexdigest(), release_id))
        return Release(release_id, data, manifest)

    def destroy_key(self, project: str, who: Person) -> None:
        """Destroy a project's pseudonym key: from now on nobody can tell whom its pseudonyms mean."""
        with self._done("destroyed_keys", who, project):
            if self._connection.execute(_SQL["destroy_key"], (who.user, project)).rowcount != 1:
                raise RejectedError("no_such_key", f"project {project} does not exist or its key is destroyed already")

    def child_behind(self, project: str, pseudonym: str, who: Person) -> str | None:
        """Return the child number behind a pseudonym. Raises RejectedError once the project's key is destroyed."""
        with self._done("resolved_pseudonym", who, project):
            found = self._connection.execute(_SQL["project"], (project,)).fetchone()
            if found is None or found[3]:
                raise RejectedError("key_destroyed", f"project {project} has no key: its pseudonyms mean nobody")
            row = self._connection.execute(_SQL["child_behind"], (project, pseudonym)).fetchone()
        return None if row is None else row[0]

    def _done(self, action: AccessAction, who: Person, reference: str) -> AbstractContextManager[Shown]:
        return done(self._connection, Deed(action, who, _POLICY, reference))

    def _checked(self, spec: ReleaseSpec, release_id: str) -> list[Row]:
        project = self._connection.execute(_SQL["project"], (spec.project,)).fetchone()
        if project is None or project[3]:
            raise RejectedError("no_such_project", f"project {spec.project} does not exist or has ended")
        found = self._connection.execute(_SQL["rows"], (spec.project, spec.as_of, release_id))
        rows = [Row._make(row) for row in found]
        reasons = refusals(rows, spec, self._earlier())
        if reasons:
            raise RejectedError("release_refused", "; ".join(reasons))
        return rows

    def _earlier(self) -> dict[str, Cells]:
        found: defaultdict[str, dict[Values, frozenset[str]]] = defaultdict(dict)
        for release_id, cell, tokens in self._connection.execute(_SQL["released_cells"]):
            found[release_id][tuple(cell)] = frozenset(tokens)
        return dict(found)

    def _request(self, release_id: str) -> _Request:
        found = self._connection.execute(_SQL["request"], (release_id,)).fetchone()
        if found is None:
            raise RejectedError("no_such_release", f"nobody asked for a release {release_id}")
        spec, *rest = found
        return _Request(ReleaseSpec.model_validate(spec), *rest)

    def _keep_members(self, release_id: str, rows: list[Row], spec: ReleaseSpec) -> None:
        columns = spec.quasi_identifiers if spec.kind == "records" else spec.columns
        kept = published_cells(cells(rows, columns), spec)
        with self._connection.cursor() as cursor, cursor.copy(_SQL["copy_members"]) as copy:
            for values, tokens in kept.items():
                for token in sorted(tokens):
                    copy.write_row((release_id, list(values), token))


@dataclass(frozen=True, slots=True)
class _Request:
    spec: ReleaseSpec
    requested_by: str
    released_at: Any
    purpose: str
    recipient: str
    approved_by: list[str]


def _may_leave(asked: _Request, today: date) -> None:
    if asked.released_at is not None:
        raise RejectedError("released_before", "this release has left: ask for another one")
    if today >= asked.spec.expires:
        raise RejectedError("release_expired", "this release has expired: ask for another one")
    if len(asked.approved_by) < _APPROVERS:
        missing = _APPROVERS - len(asked.approved_by)
        raise RejectedError("approvals_missing", f"{missing} more people have to approve this release")


def _facts(release_id: str, asked: _Request, rows: list[Row]) -> dict[str, Any]:
    spec = asked.spec
    return {
        "release": release_id,
        "project": spec.project,
        "kind": spec.kind,
        "columns": list(spec.columns),
        "as_of": spec.as_of.isoformat(),
        "expires": spec.expires.isoformat(),
        "purpose": asked.purpose,
        "recipient": asked.recipient,
        "requested_by": asked.requested_by,
        "approved_by": list(asked.approved_by),
        "k": spec.k,
        "l": spec.l,
        "children": published_count(len(rows)),
    }


def _pads() -> tuple[bytes, bytes]:
    """Return a new random key as the two padded keys of HMAC (RFC 2104)."""
    key = secrets.token_bytes(32).ljust(_BLOCK, b"\0")
    return bytes(byte ^ 0x36 for byte in key), bytes(byte ^ 0x5C for byte in key)
