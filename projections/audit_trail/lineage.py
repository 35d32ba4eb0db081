"""Lineage: where the records of a child number are now, for any number that was ever issued. Pure.

A number is never reused for another child, so its whole life is a list of steps. One that is no longer in use leads to
its successors, and these to theirs, until numbers in use are reached. Where a child has a new identity (a severance,
such as an adoption), no step leads from the one identity to the other, and nothing shows that a step is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

_Holdings = tuple[frozenset[str], frozenset[str]]
"""The records that a number holds after its last step, and all that it ever held."""
LINEAGE_KINDS = frozenset({"merged", "split", "retired"})


@dataclass(frozen=True, slots=True)
class NumberStep:
    """One identity event of a child number: its membership afterwards, and where members went."""

    child_number: str
    kind: str
    version: int
    decided_at: datetime
    members: tuple[str, ...]
    before: tuple[str, ...]
    successors: tuple[str, ...]
    causes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Severance:
    """The records of a former identity and of the new one."""

    former: frozenset[str]
    current: frozenset[str]


@dataclass(frozen=True, slots=True)
class Lineage:
    """The answer: whether the number was ever issued, the numbers in use that it leads to, and the steps on the way."""

    asked: str
    issued: bool
    current: tuple[str, ...]
    steps: tuple[NumberStep, ...]


def lineage(asked: str, steps: Iterable[NumberStep], severances: Sequence[Severance] = ()) -> Lineage:
    """Follow a number through the steps of it and of all its successors, in any order and repeated as they may be."""
    by_number: dict[str, list[NumberStep]] = {}
    for step in sorted(set(steps), key=_order):
        by_number.setdefault(step.child_number, []).append(step)
    current: list[str] = []
    told: list[NumberStep] = []
    waiting, seen = [asked], {asked}
    start = _holdings(by_number.get(asked, ()))
    while waiting:
        number = waiting.pop(0)
        own = [_without_severed(step, start, by_number, severances) for step in by_number.get(number, ())]
        told += [step for step in own if step.kind in LINEAGE_KINDS]
        if not own:
            continue
        if own[-1].members:
            current.append(number)
            continue
        following = [successor for successor in own[-1].successors if successor not in seen]
        seen.update(following)
        waiting += following
    return Lineage(asked, asked in by_number, tuple(current), tuple(told))


def _order(step: NumberStep) -> tuple[str, int, str]:
    return step.child_number, step.version, step.kind


def _without_severed(
    step: NumberStep,
    start: _Holdings,
    by_number: Mapping[str, Sequence[NumberStep]],
    severances: Sequence[Severance],
) -> NumberStep:
    """Return the step as it may be told: without successors on the other side of a severance, nor their causes."""
    held = _holdings(by_number.get(step.child_number, ()))
    allowed = tuple(
        each
        for each in step.successors
        if not any(_severed(one, _holdings(by_number.get(each, ())), severances) for one in (held, start))
    )
    if allowed == step.successors:
        return step
    if step.members and not allowed:
        kind = "changed"
    else:
        kind = ("retired", "merged")[len(allowed)] if not step.members and len(allowed) < 2 else "split"
    return NumberStep(
        step.child_number, kind, step.version, step.decided_at, step.members, step.before, allowed, causes=()
    )


def _holdings(steps: Sequence[NumberStep]) -> _Holdings:
    ever = frozenset(key for step in steps for key in (*step.members, *step.before))
    return (frozenset(steps[-1].members) if steps else frozenset()), ever


def _severed(one: _Holdings, other: _Holdings, severances: Sequence[Severance]) -> bool:
    """Tell whether the one is of a former identity and the other of the new one."""
    return any({_side(one, each), _side(other, each)} == {"former", "current"} for each in severances)


def _side(number: _Holdings, severance: Severance) -> str | None:
    """Return whose number it is: of what it holds now, or else of what it ever held; the former identity comes first.

    Before decision 31 a number that both shared could stay with the new identity: then it leads to the former no more.
    """
    for held in number:
        if held & severance.former:
            return "former"
        if held & severance.current:
            return "current"
    return None
