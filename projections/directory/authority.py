"""Who is responsible for a child: one authority at a time, handed over by events of two parties. Pure.

A feed's statement holds until the first `authority.assumed`. From there each event hands the child over from the
authority that is responsible at that moment to another one. Since one event ends the one and begins the other, there is
no day without and no day with two. An event that names another previous authority is not followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from projections.directory.entry import Authority
from projections.directory.rulings import AUTHORITY, Standing


class Responsibility(NamedTuple):
    """The responsible authority and the decision that made it so (None: a feed says it).

    `periods` are the authorities that took the child over, each until the `since` of the next; `ignored` the decisions
    that were not followed.
    """

    authority: Authority
    decision: Standing | None
    periods: tuple[Authority, ...] = ()
    ignored: tuple[Standing, ...] = ()


def responsibility(stated: str | None, standings: Sequence[Standing]) -> Responsibility | None:
    """Return who is responsible, given what the feeds state and the decisions in the order in which they were made."""
    handovers = [each for each in standings if each.ruling.kind == AUTHORITY and each.holds] if standings else ()
    if not handovers:
        return Responsibility(Authority(stated), None) if stated else None
    followed: list[Standing] = []
    ignored: list[Standing] = []
    for each in handovers:
        (followed if not followed or _hands_over(followed[-1], each) else ignored).append(each)
    periods = tuple(_authority(each) for each in followed)
    return Responsibility(periods[-1], followed[-1], periods, tuple(ignored))


def _hands_over(last: Standing, following: Standing) -> bool:
    """Tell whether a decision takes the child over from whom it was with, and not before that one had it."""
    since, began = following.ruling.since, last.ruling.since
    in_order = since is None or began is None or since >= began
    return following.ruling.previous == last.ruling.responsible and in_order


def _authority(each: Standing) -> Authority:
    return Authority(each.ruling.responsible or "", each.ruling.since, each.ruling.previous)
