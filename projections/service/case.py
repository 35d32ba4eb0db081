"""One request on its way through the service: who asks what, how it is read, and what may come of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from psycopg.types.json import Jsonb

from projections.service.decision import POLICY_VERSION, Action, Decision
from projections.service.tokens import Token

# How the audit trail calls each action (schemas.access); those about no child have no entry of their own.
ACTS: dict[Action, str] = {
    Action.SEARCH: "searched",
    Action.OPEN: "opened",
    Action.WHO_ELSE: "listed_involved",
    Action.CHANGES: "read_changes",
    Action.LINEAGE: "read_lineage",
    Action.OVERRIDE: "overrode_shield",
    Action.AUTHORISE_DISCLOSURE: "authorised_disclosure",
    Action.DISCLOSE: "disclosed",
    Action.OPEN_PROJECT: "opened_project",
    Action.END_PROJECT: "destroyed_keys",
    Action.REQUEST_RELEASE: "requested_release",
    Action.APPROVE_RELEASE: "approved_release",
    Action.MAKE_RELEASE: "exported",
}
LOGGED_IN = "logged_in"

Trouble = Literal["audit_unavailable", "proof_replayed", "malformed"]


class Unavailable(Exception):  # noqa: N818 - what the caller is told
    """The database or the audit trail cannot do its part: nothing is answered."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, by tokens that hold; in mediated access `mediator` is the one at the keyboard."""

    user: Token
    mediator: Token | None
    proofs: tuple[bytes, ...]
    request: str

    @property
    def client(self) -> str:
        """Return the client system that the request came through."""
        return self.person.client

    @property
    def person(self) -> Token:
        """Return the person who is at the keyboard: theirs are the limits."""
        return self.mediator or self.user


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked: the action, why, and about which child or with which terms."""

    action: Action
    purpose: str | None = None
    reason: str | None = None
    ground: str | None = None
    child: str | None = None
    query: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no answer: a decision, or a trouble that comes before one.

    `again_in` are the seconds until a limit that is not the person's own ends.
    """

    decision: Decision | None = None
    trouble: Trouble | None = None
    again_in: int | None = None


class Statement(NamedTuple):
    """A call of one of the API's functions: its name in queries.sql, and its values. It returns one value."""

    name: str
    values: tuple[Any, ...] = ()


class Read(Protocol):
    """What an action reads once it is permitted: one statement, and the form of its answer."""

    def statement(self, case: Case, context: Jsonb) -> Statement:
        """Return what to call; `context` is what every entry of this request says."""
        ...

    def form(self, case: Case, found: Any) -> Any:
        """Return the answer to the value that the statement returned."""
        ...


class Refuses(Protocol):
    """Enters in the trail what gets no further than the door."""

    async def refuse_unknown(self, request: str, code: str) -> None:
        """Record an attempt whose token does not hold, so that nobody is known."""

    async def refuse_malformed(self, caller: Caller, action: Action) -> None:
        """Record a request that cannot be read."""


@dataclass(frozen=True, slots=True)
class Case:
    """A request: who asks what, how it is read if it may be, and the keyed digest of the reason's words."""

    caller: Caller
    asked: Asked
    read: Read
    words: bytes

    def admission(self, *, alone: bool = False) -> dict[str, Any]:
        """Return what the database must know to admit this request; `alone`: beside no other of its organisation."""
        caller = self.caller
        return {
            "asking": caller.user.subject,
            "mediator": caller.mediator.subject if caller.mediator else None,
            "client": caller.client,
            "proofs": [proof.hex() for proof in caller.proofs],
            "words": self.words.hex(),
            "alone": alone,
        }


def context_of(caller: Caller, asked: Asked, facts: dict[str, Any]) -> Jsonb:
    """Return what every entry of this request says: who, why, by which policy."""
    context = {
        "who": _who(caller.user, facts.get("person")),
        "mediator": _who(caller.mediator, facts.get("mediator")) if caller.mediator else None,
        "purpose": asked.purpose,
        "reason": asked.reason,
        "policy": POLICY_VERSION,
        "request": caller.request,
    }
    return Jsonb({name: value for name, value in context.items() if value})


def _who(token: Token, person: dict[str, Any] | None) -> dict[str, Any]:
    known = person or {"category": "unknown", "organisation": "unknown"}
    return {
        "user": token.subject,
        "role": known["category"],
        "organisation": known["organisation"],
        "acr": token.acr,
        "amr": list(token.methods),
    }
