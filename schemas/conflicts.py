"""Conflicts: questions that linkage cannot answer and a person has to. Events of the topic `conflicts`.

A conflict is a function of the records, the model and the decisions, like a membership: it closes by itself when its
evidence goes. Its id is a function of its kind and of the records (or decisions) that it is about.
"""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime

from schemas.events import Contract, Envelope, Evidence
from schemas.records import Code

ConflictKind = Literal[
    "possible_link", "constraint_broken", "bridge", "decision_contradicted", "decisions_clash", "shared_identifier",
    "oversize", "shield_in_doubt",
]  # fmt: skip


class Conflict(Contract):
    """The whole state of one conflict at `version` (the owner's batch number).

    `records` are those it is about (sorted), `children` the numbers they have now, `evidence` the pairs that raise the
    question, `decisions` the decisions that play a part. `authority` is the responsible one, who owns the question.
    `shielded`: only reviewers with that right may see it.
    """

    kind: ConflictKind
    version: int
    records: tuple[str, ...]
    children: tuple[str, ...]
    evidence: tuple[Evidence, ...] = ()
    decisions: tuple[str, ...] = ()
    authority: Code | None = None
    shielded: bool = False
    model: str


class ConflictEvent(Envelope):
    """A fact about one conflict (`subject`: its id), found by the matching stage at `decided_at`."""

    decided_at: AwareDatetime


class ConflictOpened(ConflictEvent):
    """A question came up, or came up again."""

    event_type: Literal["conflict.opened"] = "conflict.opened"
    schema_version: Literal[1] = 1
    data: Conflict


class ConflictChanged(ConflictEvent):
    """An open question has other evidence, children or decisions than before."""

    event_type: Literal["conflict.changed"] = "conflict.changed"
    schema_version: Literal[1] = 1
    data: Conflict


class ConflictClosed(ConflictEvent):
    """The question is answered, or its evidence has gone; `data` is its last state."""

    event_type: Literal["conflict.closed"] = "conflict.closed"
    schema_version: Literal[1] = 1
    data: Conflict


AnyConflictEvent = ConflictOpened | ConflictChanged | ConflictClosed
