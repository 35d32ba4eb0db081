"""Former and new identities: what severances (an adoption, most often) say of records, and what stays apart by them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import reduce
from operator import or_
from typing import Final, NamedTuple, TypeVar

Name = TypeVar("Name", int, str)


class Lives(NamedTuple):
    """The severances in force that say of records: this is the former identity, or: this is the new one."""

    former: frozenset[str] = frozenset()
    new: frozenset[str] = frozenset()

    def __or__(self, other: Lives) -> Lives:
        """Return what is said of the records of both."""
        return Lives(self.former | other.former, self.new | other.new)

    def less(self, severance: str) -> Lives:
        """Return what the others say."""
        return Lives(self.former - {severance}, self.new - {severance})

    def are_apart(self, other: Lives) -> bool:
        """Tell whether the one is a former identity and the other the new one."""
        return not (self.former.isdisjoint(other.new) and self.new.isdisjoint(other.former))


NO_LIVES: Final = Lives()


def lives_named(severance: str, former: Iterable[str], new: Iterable[str]) -> dict[str, Lives]:
    """Return what a severance says of the record keys that it names."""
    named = {key: Lives(frozenset([severance])) for key in former}
    for key in new:
        named[key] = named.get(key, NO_LIVES) | Lives(new=frozenset([severance]))
    return named


def severed_pairs(lives: Mapping[Name, Lives]) -> Iterator[tuple[Name, Name, str]]:
    """Yield the pairs of records of which one is a former identity and the other the new one, and what severed them."""
    new: dict[str, list[Name]] = {}
    for name, own in lives.items():
        for severance in own.new:
            new.setdefault(severance, []).append(name)
    for name, own in lives.items():
        for severance in own.former:
            yield from ((name, other, severance) for other in new.get(severance, ()) if other != name)


def lives_among(part: Iterable[str], known: Mapping[str, Lives]) -> Lives:
    """Return whose former and whose new identity records are that must-links and merges connect."""
    return reduce(or_, (known[each] for each in part if each in known), NO_LIVES) if known else NO_LIVES


def across(origin: Lives, parts: Mapping[Name, Lives]) -> set[Name]:
    """Return those of the present children with members of a former one that its number must not lead to, nor from it.

    `origin` has the severances of which the number's child was the new identity, and as `former` those that named it
    otherwise: all that a child was called before a severance belongs to its former identity.
    """
    former = origin.former | (frozenset[str]().union(*(each.former for each in parts.values())) - origin.new)
    return {name for name, lives in parts.items() if lives.are_apart(Lives(former, origin.new))}


def severed_from(
    key: str, group_of: Callable[[str], Iterable[str]], others: Callable[[str], Iterable[str]]
) -> set[str]:
    """Return the keys of the other identity: of all groups with a key that is severed from one of a key's group."""
    far = {other for each in group_of(key) for other in others(each)}
    return {each for other in far for each in group_of(other)}


def new_identities(lives: Iterable[tuple[int, Lives]]) -> dict[int, tuple[str, ...]]:
    """Return the severances (sorted) that make clusters new identities, from what is said of members by cluster."""
    found: dict[int, set[str]] = {}
    for cluster, own in lives:
        if own.new:
            found.setdefault(cluster, set()).update(own.new)
    return {cluster: tuple(sorted(ids)) for cluster, ids in found.items()}
