"""People's decisions as a set: which are in force, what they say of which records, and where they clash.

A decision is in force when it was made, was not retracted and has not expired by the newest day of the clock. So the
order in which decisions, retractions and days arrive does not matter, nor how often: a retraction may come before what
it retracts. Erasures, retractions and days are facts and cannot be retracted. Keys may name records that are unknown,
not yet seen or no longer live.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, KeysView, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from matching.linkage.lives import NO_LIVES, Lives, lives_named

DecisionKind = Literal["must_link", "cannot_link", "severed", "retracted", "shield", "erasure", "model", "clock"]

_STANDING: Final = frozenset(("must_link", "cannot_link", "severed", "shield", "model"))
_NOTHING: Final[Mapping[str, frozenset[str]]] = {}


class Decision(NamedTuple):
    """One event of the topic `decisions` as linkage reads it, and its durable form.

    must_link, cannot_link: `left` and `right` hold one record key each; severed: the former and the current keys;
    shield and erasure: `left`, with the highest erased version of each in `versions`. `target` is the retracted event
    id or the model id (`right` then has the SHA-256 of its file), `day` (ISO) the last day of a decision or the day
    that has begun, `seen` the weight that the person saw (centibits, at most one); `decided_at` is in µs since 1970.
    """

    event_id: str
    kind: DecisionKind
    decided_at: int
    left: tuple[str, ...] = ()
    right: tuple[str, ...] = ()
    versions: tuple[int, ...] = ()
    target: str = ""
    day: str = ""
    seen: tuple[int, ...] = ()


class PairBook:
    """Unordered pairs of record keys, and the ids of the decisions that state each."""

    def __init__(self) -> None:
        self._others: dict[str, dict[str, set[str]]] = {}

    def __bool__(self) -> bool:
        return bool(self._others)

    def names(self) -> KeysView[str]:
        """Return the keys of all pairs."""
        return self._others.keys()

    def add(self, a: str, b: str, event_id: str) -> None:
        """Note that a decision states a pair."""
        for one, other in ((a, b), (b, a)):
            self._others.setdefault(one, {}).setdefault(other, set()).add(event_id)

    def remove(self, a: str, b: str, event_id: str) -> None:
        """Take back what `add` noted."""
        for one, other in ((a, b), (b, a)):
            of_one = self._others[one]
            of_one[other].discard(event_id)
            if not of_one[other]:
                del of_one[other]
            if not of_one:
                del self._others[one]

    def others(self, key: str) -> Mapping[str, set[str] | frozenset[str]]:
        """Return the keys paired with this one, and the ids of the decisions that say so."""
        return self._others.get(key, _NOTHING)


@dataclass(frozen=True, slots=True)
class Clash:
    """Must-links that connect records of which a cannot-link says that they are two children.

    `records` (sorted) are all that the must-links connect, `decisions` (sorted) those that contradict each other. Of a
    severed identity only the must-links are named, and `severed` says so: nothing may show the two together.
    """

    records: tuple[str, ...]
    decisions: tuple[str, ...]
    severed: bool


@dataclass(slots=True)
class Judged:
    """What a batch of decisions changed.

    `new` ones are to be kept; `touched` are the keys concerned, with the events that touched each; `erased` are the
    keys of which more is erased than before.
    """

    new: list[Decision] = field(default_factory=list)
    touched: dict[str, list[str]] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)

    def touch(self, keys: Iterable[str], event_id: str) -> None:
        """Note that an event touched keys."""
        for key in keys:
            self.touched.setdefault(key, []).append(event_id)


class DecisionBook:
    """All decisions ever made, and those in force by record key."""

    def __init__(self) -> None:
        self.made: Final[dict[str, Decision]] = {}
        self.must: Final = PairBook()
        self.cannot: Final = PairBook()
        self.severed: Final = PairBook()
        self.lives: Final[dict[str, Lives]] = {}
        self.shields: Final[dict[str, set[str]]] = {}
        self.erased: Final[dict[str, tuple[int, int]]] = {}
        self.today = ""
        self._in_force: set[str] = set()
        self._activations: set[str] = set()
        self._retracted_by: dict[str, str] = {}
        self._clash_of: dict[str, Clash] = {}

    def __bool__(self) -> bool:
        return bool(self._in_force)

    def names(self) -> Iterable[KeysView[str]]:
        """Return the keys that decisions in force about links or shields name."""
        return self.must.names(), self.cannot.names(), self.shields.keys(), self.lives.keys()

    @property
    def model(self) -> Decision | None:
        """The newest activation of a model that is in force, by (decided_at, event_id)."""
        found = (self.made[each] for each in self._activations)
        return max(found, key=lambda each: (each.decided_at, each.event_id), default=None)

    @property
    def activation(self) -> str:
        """The event id of that activation, "" if there is none."""
        return self.model.event_id if self.model else ""

    @property
    def clashes(self) -> set[Clash]:
        """All clashes between decisions in force."""
        return set(self._clash_of.values())

    def clash_of(self, key: str) -> Clash | None:
        """Return the clash that a record's must-links are suspended by."""
        return self._clash_of.get(key)

    def is_beyond_evidence(self, a: str, b: str) -> bool:
        """Tell whether weights cannot contradict what is decided of two records: they are severed, or it clashes."""
        clash = self._clash_of.get(a)
        return b in self.severed.others(a) or (clash is not None and clash is self._clash_of.get(b))

    def must_with(self, key: str) -> Iterable[str]:
        """Return the keys that people say are one child with this one, none while their decisions clash."""
        return () if key in self._clash_of else self.must.others(key)

    def erases(self, key: str, version: int) -> bool:
        """Tell whether a version of a record is erased."""
        return key in self.erased and version <= self.erased[key][0]

    def add(self, decisions: Iterable[Decision]) -> Judged:
        """Take decisions up, in any order and any number of times; return what changed."""
        judged, looked = Judged(), dict[str, str]()
        for decision in decisions:
            known = self.made.get(decision.event_id)
            if known is not None and known >= decision:
                continue
            if known is not None:  # two decisions with one id: the greater one counts, whichever came first
                self._withdraw(known, judged, decision.event_id)
            self.made[decision.event_id] = decision
            judged.new.append(decision)
            self._note(decision, judged, looked)
        for event_id, cause in looked.items():
            self._settle(event_id, cause, judged)
        if judged.touched:
            self._find_clashes(judged)
        return judged

    def _note(self, decision: Decision, judged: Judged, looked: dict[str, str]) -> None:
        """Take up a fact; note whose standing it may change."""
        if decision.kind == "retracted":
            self._retracted_by.setdefault(decision.target, decision.event_id)
            looked[decision.target] = decision.event_id
        elif decision.kind == "clock":
            if decision.day > self.today:
                gone = [d for d in self.made.values() if d.kind in _STANDING and d.day and self.today <= d.day]
                self.today = decision.day
                looked.update((each.event_id, decision.event_id) for each in gone)
        elif decision.kind == "erasure":
            for key, version in zip(decision.left, decision.versions, strict=True):
                highest, at = self.erased.get(key, (version, decision.decided_at))
                known = self.erased.get(key)
                self.erased[key] = max(highest, version), max(at, decision.decided_at)
                if self.erased[key] != known:
                    judged.erased.add(key)
                    judged.touch([key], decision.event_id)
        else:
            looked.setdefault(decision.event_id, decision.event_id)

    def _settle(self, event_id: str, cause: str, judged: Judged) -> None:
        """Bring a decision into force or out of it."""
        decision = self.made.get(event_id)
        if decision is None or decision.kind not in _STANDING:
            return
        holds = event_id not in self._retracted_by and not (decision.day and self.today > decision.day)
        if holds and event_id not in self._in_force:
            self._in_force.add(event_id)
            self._each(decision, PairBook.add, judged, cause)
        elif not holds:
            self._withdraw(decision, judged, cause)

    def _withdraw(self, decision: Decision, judged: Judged, cause: str) -> None:
        if decision.event_id in self._in_force:
            self._in_force.discard(decision.event_id)
            self._each(decision, PairBook.remove, judged, cause)

    def _each(
        self, decision: Decision, act: Callable[[PairBook, str, str, str], None], judged: Judged, cause: str
    ) -> None:
        """Add or remove what a decision says of records."""
        if decision.kind == "model":
            (self._activations.add if act is PairBook.add else self._activations.discard)(decision.event_id)
            return
        judged.touch((*decision.left, *decision.right), cause)
        if decision.kind == "shield":
            for key in decision.left:
                ids = self.shields.setdefault(key, set())
                (ids.add if act is PairBook.add else ids.discard)(decision.event_id)
                if not ids:
                    del self.shields[key]
            return
        books = {"must_link": (self.must,), "cannot_link": (self.cannot,)}.get(
            decision.kind, (self.cannot, self.severed)
        )
        for book in books:
            for a, b in _pairs(decision):
                act(book, a, b, decision.event_id)
        if decision.kind == "severed":
            for key, said in lives_named(decision.event_id, decision.left, decision.right).items():
                known = self.lives.get(key, NO_LIVES)
                self.lives[key] = known | said if act is PairBook.add else known.less(decision.event_id)
                if self.lives[key] == NO_LIVES:
                    del self.lives[key]

    def _find_clashes(self, judged: Judged) -> None:
        """Find the clashes among the touched records again; what is suspended by one, or was, is touched as well."""
        stale = {clash for key in judged.touched if (clash := self._clash_of.get(key))}
        for clash in stale:
            for key in clash.records:
                del self._clash_of[key]
        looked: set[str] = set()
        found: list[Clash] = []
        for key in [*judged.touched, *(key for clash in stale for key in clash.records)]:
            if key in self.must.names() and key not in looked:
                group = connected(key, self.must.others)
                looked |= group
                found += self._clash(group)
        for clash in found:
            self._clash_of.update(dict.fromkeys(clash.records, clash))
        for clash in {*stale, *found}:
            causes = sorted({event for key in clash.records for event in judged.touched.get(key, ())})
            for key in clash.records:
                judged.touched.setdefault(key, causes)

    def _clash(self, group: set[str]) -> list[Clash]:
        """Return the clash of a group that must-links connect, if a cannot-link stands inside it."""
        apart = [(a, b) for a in group for b in self.cannot.others(a) if b in group and a < b]
        if not apart:
            return []
        said = {event for a in group for ids in self.must.others(a).values() for event in ids}
        severed = any(b in self.severed.others(a) for a, b in apart)
        for a, b in apart:
            said |= set(self.cannot.others(a)[b]) - set(self.severed.others(a).get(b, ()))
        return [Clash(tuple(sorted(group)), tuple(sorted(said)), severed)]


def connected(start: str, neighbours: Callable[[str], Iterable[str]]) -> set[str]:
    """Return all keys that can be reached from one, itself included."""
    group, todo = {start}, [start]
    while todo:
        fresh = set(neighbours(todo.pop())) - group
        group |= fresh
        todo.extend(fresh)
    return group


def _pairs(decision: Decision) -> list[tuple[str, str]]:
    """Return the pairs of different keys that a decision speaks of, each once."""
    return sorted({(min(a, b), max(a, b)) for a in decision.left for b in decision.right if a != b})
