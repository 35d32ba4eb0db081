"""Dense small worlds by seed: few people, many records of each, and decisions that meet. A failure names its seed."""

from __future__ import annotations

import random

from matching.changes import ChangeKind, SourceChange
from matching.linkage.columns import SEPARATOR
from matching.linkage.decisions import Decision, DecisionKind
from tests.unit.matching.worlds import DATES, DAYS, GIVEN, KEYS, NUMBERS, POSTCODES, SURNAMES

_POOLS = (GIVEN, SURNAMES, DATES, POSTCODES, NUMBERS)
_SOME = KEYS[:4]


def random_log(rng: random.Random) -> list[SourceChange]:
    """Return versions of a few records about four people, in any order."""
    people = [tuple(rng.choice(pool) for pool in _POOLS) for _ in range(4)]
    observed: list[ChangeKind] = ["observed"] * 6
    kinds = [*observed, "withdrawn", "merged"]
    return [_change(i, rng, rng.choice(kinds), rng.choice(people)) for i in range(rng.randrange(6, 26))]


def _change(i: int, rng: random.Random, kind: ChangeKind, person: tuple[str, ...]) -> SourceChange:
    key, version = rng.choice(KEYS), rng.randrange(1, 7)
    into, row, authority, verified = None, None, "", 0
    if kind == "merged":
        into = rng.choice(KEYS)
    elif kind == "observed":
        field = rng.randrange(10)  # every other record has one value of its own
        row = SEPARATOR.join(rng.choice(_POOLS[f]) if f == field else value for f, value in enumerate(person))
        authority, verified = rng.choice(("", "north", "south")), rng.randrange(2)
    fingerprint = f"{kind}{into}{row}{authority}{verified}"
    event_id, at = f"{key} {version} {fingerprint} {i}", rng.randrange(7)
    source = key.partition(":")[0]
    return SourceChange(key, source, kind, version, fingerprint, at, event_id, row, into, authority, verified)


def random_decisions(rng: random.Random) -> list[Decision]:
    """Return decisions of every kind about the same records."""
    often: list[DecisionKind] = [
        "must_link",
        "must_link",
        "cannot_link",
        "cannot_link",
        "shield",
        "shield",
        "retracted",
    ]
    kinds: list[DecisionKind] = [*often, "severed", "severed", "erasure", "clock"]
    count = rng.randrange(10)
    return [_decision(f"d{i}", rng.choice(kinds), rng, count) for i in range(count)]


def _decision(name: str, kind: DecisionKind, rng: random.Random, count: int) -> Decision:
    made = Decision(name, kind, rng.randrange(10))
    some, others = (tuple(rng.sample(KEYS, rng.randrange(1, 3))) for _ in range(2))
    if kind in {"must_link", "cannot_link"}:
        pair = ((rng.choice(_SOME),), (rng.choice(_SOME),))
        return made._replace(
            left=pair[0], right=pair[1], day=rng.choice(("", "", *DAYS)), seen=rng.choice(((), (100,)))
        )
    if kind == "severed":
        return made._replace(left=some, right=others)
    if kind == "retracted":
        return made._replace(target=f"d{rng.randrange(count)}")
    if kind == "erasure":
        return made._replace(left=some, versions=tuple(rng.randrange(7) for _ in some))
    return made._replace(left=some) if kind == "shield" else made._replace(day=rng.choice(DAYS))
