"""What the audit trail of access records: one entry a child that was returned, one a search, refusal or act besides.

An entry says who, in which role and for whom, how they logged in, why, what they did to which child, which fields they
were shown, and what was decided by which policy. It holds no content of a record. The child's number, the query's terms
and the reason in the user's own words are sealed (encrypted) before the entry becomes a leaf of the trail.
Sources: facts/contactpoint-rules.md §2.6 (query and results), §2.3 (mediated access); facts/security.md R23, R24.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from schemas.events import Contract, Envelope
from schemas.records import Code

AccessAction = Literal[
    "searched", "opened", "listed_involved", "read_changes", "read_lineage", "overrode_shield", "unmasked", "exported",
    "disclosed", "reported_to_subject", "corrected", "viewed_audit", "logged_in", "logged_out", "changed_rights",
    "suspended_account", "restored_account", "destroyed_keys", "opened_project", "requested_release",
    "approved_release", "resolved_pseudonym", "authorised_disclosure", "reviewed_disclosure",
]  # fmt: skip
Decision = Literal["permitted", "refused"]

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9:/_.@|-]{1,100}$")]
ChildNumber = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9*~$=/_.-]{1,40}$")]
"""A child number, check symbol included (`schemas.identity`), or what somebody took for one."""
Term = Annotated[str, StringConstraints(max_length=200)]
KeyRef = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


class Person(Contract):
    """One authenticated person: account, role, employer, and how they logged in (OpenID Connect's `acr` and `amr`)."""

    user: Name
    role: Code
    organisation: Code
    acr: Name | None = None
    amr: tuple[Code, ...] = Field(default=(), max_length=10)


class AccessEntry(Contract):
    """One act of one person, as the directory service appends it in the transaction of its decision.

    `mediator` is the second person of a mediated access. `refusal` is the reason's code, and is there exactly when the
    decision is "refused". `fields` are names of permitted items, never values. `query` and `reason` may be about a
    child: they are kept sealed, and never get into a log. `keys` names the trail's own keys that were destroyed.
    """

    action: AccessAction
    decision: Decision
    who: Person
    mediator: Person | None = None
    purpose: Code | None = None
    reason: Annotated[str, StringConstraints(max_length=500)] | None = None
    child: ChildNumber | None = None
    fields: tuple[Code, ...] = Field(default=(), max_length=60)
    query: dict[Code, Term] | None = Field(default=None, max_length=20)
    results: int | None = Field(default=None, ge=0, le=1_000_000)
    refusal: Code | None = None
    keys: Annotated[tuple[KeyRef, ...], Field(max_length=200)] | None = None
    policy: Code
    request: Code

    @model_validator(mode="after")
    def _refusals_have_a_reason(self) -> AccessEntry:
        if (self.decision == "refused") != (self.refusal is not None):
            message = "`refusal` is given exactly when the decision is refused"
            raise ValueError(message)
        return self


class Sealed(Contract):
    """What only a holder of the key can read; the key is destroyed when the child is erased (AES-256-GCM, base64)."""

    key: str
    box: str


class Leaf(Contract):
    """One entry as it is hashed into the trail: `leaf` counts from 0 without a gap, `entry` is the receipt's number."""

    v: Literal[1] = 1
    leaf: int = Field(ge=0)
    entry: int = Field(ge=0)
    time: AwareDatetime
    action: AccessAction
    decision: Decision
    who: Person
    mediator: Person | None = None
    purpose: Code | None = None
    fields: tuple[Code, ...] = ()
    results: int | None = None
    refusal: Code | None = None
    keys: tuple[KeyRef, ...] | None = None
    policy: Code
    request: Code
    sealed: Sealed | None = None


class RecordedLeaf(Contract):
    """A leaf's canonical bytes (RFC 8785), as text, and the log's Ed25519 signature of them (base64)."""

    leaf: int = Field(ge=0)
    body: str
    signature: str


class AccessRecorded(Envelope):
    """A committed and numbered entry of the audit trail; `subject` is the key that seals the child, or the user."""

    decided_at: AwareDatetime
    event_type: Literal["access.recorded"] = "access.recorded"
    schema_version: Literal[1] = 1
    data: RecordedLeaf


class SignedCheckpoint(Contract):
    """A checkpoint of the trail: a C2SP signed note with the log's signature and the witness's, if there is one."""

    size: int = Field(ge=0)
    note: str


class AccessCheckpointed(Envelope):
    """The log signed its tree at this size; `subject` is the log's origin."""

    decided_at: AwareDatetime
    event_type: Literal["access.checkpointed"] = "access.checkpointed"
    schema_version: Literal[1] = 1
    data: SignedCheckpoint


AnyAccessEvent = AccessRecorded | AccessCheckpointed
