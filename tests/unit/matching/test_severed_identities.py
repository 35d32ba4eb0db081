"""What becomes of numbers when a child has a new identity, batch after batch; a:1 is the eldest record, then b:1."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import or_

import pytest

from matching.changes import IdentityChange, SourceChange
from matching.linkage.decisions import Decision
from matching.linkage.lives import NO_LIVES, Lives
from matching.resident.owner import ResidentOwner
from schemas.errors import ConfigurationError
from schemas.identity import child_number, number_basis
from tests.unit.matching.durable import DurableRows
from tests.unit.matching.random_worlds import random_decisions, random_log
from tests.unit.matching.test_known_answers import WORLD, A, B, C, Story, cannot, must, observed, retract
from tests.unit.matching.worlds import ANNA, BEN, model

TOGETHER = (observed("a:1", ANNA, verified=1), observed("b:1", ANNA, verified=1))


def severed(former: str, new: str) -> Decision:
    return Decision("severed", "severed", 1, (former,), (new,))


def fresh(founder: str) -> str:
    """Return the number that a new identity has instead of its founder's own."""
    return child_number(number_basis(founder, ["severed"]))


def led(story: Story) -> set[tuple[str, str]]:
    """Return which number the newest events lead to from which, forwards or backwards."""
    assert story.last is not None
    changes = story.last.identities
    return {(each.child_number, successor) for each in changes for successor in each.successors} | {
        (former.child_number, each.child_number) for each in changes for former in each.before
    } - {(each.child_number, each.child_number) for each in changes}


def test_a_severed_identity_is_connected_nowhere() -> None:
    story = Story().then(*TOGETHER)
    assert story.children == {A: ("a:1", "b:1")}
    story.then(severed("a:1", "b:1"))
    assert (story.children, story.asked) == ({A: ("a:1",), fresh("b:1"): ("b:1",)}, set())
    assert (story.kinds, led(story)) == ({A: "changed", fresh("b:1"): "created"}, set())
    assert story.last is not None
    assert all(former.members == ("a:1",) for change in story.last.identities for former in change.before)
    assert not any(change.decisions for change in story.last.identities)


def test_the_new_identity_gets_a_number_of_its_own_though_the_founder_is_with_it() -> None:
    story = Story().then(*TOGETHER).then(severed("b:1", "a:1"))
    assert story.children == {B: ("b:1",), fresh("a:1"): ("a:1",)}
    assert story.kinds == {A: "merged", B: "created", fresh("a:1"): "created"}
    assert led(story) == {(A, B)}
    assert story.then(retract("severed")).children == {A: ("a:1", "b:1")}
    assert led(story) == {(B, A), (fresh("a:1"), A)}, "nothing is severed any more"


@pytest.mark.parametrize("values", [ANNA, BEN])
def test_the_number_that_the_new_identity_had_by_itself_ends_too(values: tuple[str, ...]) -> None:
    story = Story().then(observed("a:1", values), observed("b:1", ANNA), cannot("a:1", "b:1"))
    assert story.children == {A: ("a:1",), B: ("b:1",)}
    story.then(severed("a:1", "b:1"))
    assert story.children == {A: ("a:1",), fresh("b:1"): ("b:1",)}
    assert (story.kinds, led(story)) == ({B: "retired", fresh("b:1"): "created"}, set())


def test_a_new_identity_goes_on_like_any_child() -> None:
    story = Story().then(observed("b:1", ANNA), observed("c:1", BEN), severed("a:1", "b:1")).then(must("b:1", "c:1"))
    assert (story.children, led(story)) == ({fresh("b:1"): ("b:1", "c:1")}, {(C, fresh("b:1"))})
    story.then(observed("a:1", ANNA))
    assert (story.children[A], led(story)) == (("a:1",), set()), "an elder record of the former life changes nothing"
    story.then(observed("b:1", BEN, 2))
    assert story.children[fresh("b:1")] == ("b:1", "c:1")


@pytest.mark.parametrize(("loser", "lives"), [("a:1", ["b:1", "z:1"]), ("b:1", ["a:1", "z:1"])])
def test_what_is_severed_stays_so_when_a_source_merges_a_record_of_either_life(loser: str, lives: list[str]) -> None:
    story = Story().then(*TOGETHER, severed("a:1", "b:1")).then(observed("z:1", ANNA, verified=1))
    into = observed(loser, (), 2)._replace(kind="merged", row=None, merged_into="z:1")
    story.then(into)
    former, new = sorted(lives) if loser == "b:1" else reversed(lives)
    assert story.children == {child_number(former): (former,), fresh(new): (new,)}
    assert story.asked == set()
    assert not {number for number, _ in led(story)} & {fresh("b:1"), fresh("z:1")} or loser == "b:1"


def test_tables_in_which_the_new_identity_still_has_an_old_number_are_refused() -> None:
    rows, owner = DurableRows(), ResidentOwner(WORLD)
    rows.commit(owner.apply(TOGETHER, 1, [cannot("a:1", "b:1")]))
    with pytest.raises(ConfigurationError, match="rebuild"):
        ResidentOwner(WORLD).load(rows.rows.values(), [severed("a:1", "b:1")])


class Watch:
    """What was published so far, and which numbers were known when each severance came into force."""

    def __init__(self) -> None:
        self.published: dict[str, frozenset[str]] = {}
        self.known: dict[str, frozenset[str]] = {}

    def see(self, changes: Sequence[IdentityChange], lives: Mapping[str, Lives]) -> int:
        """Check a batch's changes against the severances now in force; return how many new identities there are."""
        in_force = {each for own in lives.values() for each in own.former | own.new}
        self.known = {each: self.known.get(each, frozenset(self.published)) for each in in_force}
        after = self.published | {each.child_number: frozenset(each.members) for each in changes}
        steps = {(each.child_number, to) for each in changes for to in each.successors}
        steps |= {(former.child_number, each.child_number) for each in changes for former in each.before}
        told = [self._crosses(*step, severance, lives, after) for step in steps for severance in in_force]
        assert not any(told)
        new = [(number, each) for number, keys in after.items() for each in _named(keys, lives).new]
        assert not [number for number, each in new if number in self.known[each]]
        self.published = after
        return len(new)

    def _crosses(
        self, one: str, other: str, severance: str, lives: Mapping[str, Lives], after: Mapping[str, frozenset[str]]
    ) -> bool:
        was, now = _named(self.published.get(one, frozenset()), lives), _named(after[other], lives)
        if severance in now.new:
            return one in self.known[severance] and severance in was.former | was.new
        return one != other and severance in now.former and severance in was.new and one not in self.known[severance]


def _named(keys: Iterable[str], lives: Mapping[str, Lives]) -> Lives:
    return reduce(or_, (lives.get(key, NO_LIVES) for key in keys), NO_LIVES)


def test_in_no_world_does_a_step_cross_a_severance_or_a_new_identity_get_a_known_number() -> None:
    seen = 0
    for seed in range(150):
        rng, owner, watch = random.Random(seed), ResidentOwner(model()), Watch()
        events: list[SourceChange | Decision] = [*random_log(rng), *random_decisions(rng)]
        rng.shuffle(events)
        for batch in range(0, len(events), 3):
            part = events[batch : batch + 3]
            changes = [each for each in part if isinstance(each, SourceChange)]
            delta = owner.apply(changes, batch + 1, [each for each in part if isinstance(each, Decision)])
            seen += watch.see(delta.identities, owner.decisions.lives)
    assert seen > 100
