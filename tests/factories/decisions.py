"""Decision events of every kind that linkage obeys, about given records."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from schemas.decisions import (
    Activation,
    AnyDecisionEvent,
    CannotLinkDecided,
    Clock,
    ClockAdvanced,
    DecisionRetracted,
    ErasedRecord,
    Erasure,
    ErasureOrdered,
    EvidenceSeen,
    IdentitySevered,
    LinkDecision,
    ModelActivated,
    MustLinkDecided,
    Retraction,
    Severance,
    Shield,
    ShieldSet,
)

_START = datetime(2026, 2, 1, tzinfo=UTC)


class Decider:
    """Makes decisions, one a minute; `made` are all of them in order."""

    def __init__(self) -> None:
        self.made: list[AnyDecisionEvent] = []

    def link(self, kind: type[MustLinkDecided | CannotLinkDecided], a: str, b: str, **more: object) -> str:
        """Decide that two records are one child, or two; return the decision's id."""
        data = LinkDecision.model_validate({"records": tuple(sorted((a, b))), **more})
        return self._add(kind.model_validate({**self._envelope(a), "data": data}))

    def must(self, a: str, b: str, **more: object) -> str:
        """Decide that two records are one child."""
        return self.link(MustLinkDecided, a, b, **more)

    def cannot(self, a: str, b: str, **more: object) -> str:
        """Decide that two records are two children."""
        return self.link(CannotLinkDecided, a, b, **more)

    def sever(self, former: Sequence[str], current: Sequence[str]) -> str:
        """Give a child a new identity."""
        data = Severance(former=tuple(former), current=tuple(current))
        return self._add(IdentitySevered(**self._envelope(former[0]), data=data))

    def shield(self, *keys: str) -> str:
        """Shield the child of these records."""
        return self._add(ShieldSet(**self._envelope(keys[0]), data=Shield(records=keys)))

    def retract(self, decision: str) -> str:
        """Take a decision back."""
        return self._add(DecisionRetracted(**self._envelope(decision), data=Retraction(decision=decision)))

    def erase(self, key: str, version: int) -> str:
        """Order the erasure of a record up to a version."""
        data = Erasure(records=(ErasedRecord(key=key, source_version=version),))
        return self._add(ErasureOrdered(**self._envelope(key), data=data))

    def day(self, today: date) -> str:
        """Let a day begin."""
        return self._add(ClockAdvanced(**self._envelope("clock"), data=Clock(today=today)))

    def activate(self, model: str, sha256: str) -> str:
        """Activate a model."""
        return self._add(ModelActivated(**self._envelope("model"), data=Activation(model=model, sha256=sha256)))

    def _envelope(self, subject: str) -> dict[str, Any]:
        number = len(self.made)
        return {
            "event_id": f"{number + 1:032x}",
            "subject": subject,
            "decided_at": _START + timedelta(minutes=number),
            "by": "tester",
            "reason": "test",
        }

    def _add(self, event: AnyDecisionEvent) -> str:
        self.made.append(event)
        return event.event_id


def decide_at_random(keys: Sequence[str], children: Sequence[Sequence[str]], seed: int, count: int) -> Decider:
    """Return decisions about some records, and about children with several: about as many of each kind."""
    rng, decider = random.Random(seed), Decider()
    families = [members for members in children if len(members) > 1]
    for _ in range(count):
        one, other = rng.sample(list(keys), 2)
        together = rng.choice(families)
        seen = EvidenceSeen(model="m", weight=rng.randrange(-900, 900))
        decider.must(one, other, expires=rng.choice([None, date(2026, 3, 1)]), seen=seen)
        decider.cannot(together[0], together[-1], expires=rng.choice([None, date(2026, 3, 9)]))
        decider.shield(rng.choice(keys))
        decider.sever([rng.choice(families)[0]], [one])
        decider.erase(other, rng.randrange(0, len(keys)))
        decider.must(together[0], together[-1])
        decider.retract(f"{rng.randrange(1, 8 * count):032x}")
    decider.day(date(2026, 3, 5))
    return decider
