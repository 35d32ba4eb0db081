"""Checklist line 17 of contactpoint-rules.md §6: what went wrong in March 2009 does not go wrong again.

Shielded children had been looked after by hand; then updates of national feeds came that did not match, and each made a
second, visible child. Here such an update is held from its first identity event on, under the model that ships.
"""

from __future__ import annotations

from itertools import permutations

import pytest

from matching.changes import IdentityChange, SourceChange
from matching.linkage.columns import SEPARATOR
from matching.linkage.decisions import Decision
from matching.resident.owner import ResidentOwner
from matching.stage.model_file import read_model

MODEL = read_model()
KNOWN = {
    "given": "ZOE",
    "surname": "OKAFOR",
    "birth_date": "20141103",
    "sex": "F",
    "postcode": "AB12CD",
    "address": "12 MILL LANE EXAMPLETON",
    "carer": "GRACE OKAFOR",
    "nhs": "9434765919",
    "upn": "B801200005001",
    "uln": "",
}
AWAY = {"postcode": "LS11AA", "address": "4 OTHER HOUSE OTHERTOWN", "carer": "", "nhs": "", "upn": ""}
UPDATES = {
    "moved, with another surname": {"surname": "BELL", **AWAY},
    "moved, with another surname of child and carer": {"surname": "BELL", **AWAY, "carer": "GRACE BELL"},
    "moved, with another surname and carer": {"surname": "BELL", **AWAY, "carer": "MARIA COLLINS"},
    "moved, with another surname and numbers": {
        "surname": "BELL", **AWAY, "carer": "GRACE BELL", "nhs": "9434765870", "upn": "H801200001001",
    },
    "moved, with another forename": {"given": "AMY", **AWAY},
    "moved, with a wrong date of birth": {"birth_date": "20150722", **AWAY},
    "moved, without a date of birth": {"birth_date": "", **AWAY},
    "moved, with every name and the date a little wrong": {
        "given": "ZOEY", "surname": "OKAFFOR", "birth_date": "20141130", **AWAY,
    },
    "moved, with a double surname, carer and home a little alike, day and month exchanged": {
        **AWAY, "surname": "OKAFOR BELL", "carer": "GRACE BELL", "address": "1 MALL LANE OTHERTON",
        "birth_date": "20140311",
    },
    "at home, with two other names": {"given": "AMY", "surname": "BELL", "carer": "", "nhs": "", "upn": ""},
}  # fmt: skip
SHIELD = Decision("shield", "shield", 1, ("school-1:1", "health-1:1"))


def observed(key: str, **values: str) -> SourceChange:
    row = SEPARATOR.join({**KNOWN, **values}[field.name] for field in MODEL.fields)
    return SourceChange(key, key.partition(":")[0], "observed", 1, f"{row}", ord(key[0]), f"event {key}", row)


CHILD = (observed("school-1:1"), observed("health-1:1"))


def is_hidden(owner: ResidentOwner, key: str) -> bool:
    """Tell whether a record is with the shielded child, or with one that is held."""
    children = {each: number for number, members in owner.memberships().items() for each in members}
    return children[key] == children["school-1:1"] or children[key] in owner.holds()


def visible(changes: list[IdentityChange], key: str) -> bool:
    """Tell whether a batch publishes a child with this record and without the shielded child's."""
    return any(key in each.members and "school-1:1" not in each.members and not each.held for each in changes)


@pytest.mark.parametrize("update", UPDATES.values(), ids=UPDATES)
def test_a_national_update_that_does_not_match_a_shielded_child_is_never_a_visible_child(
    update: dict[str, str],
) -> None:
    owner = ResidentOwner(MODEL)
    owner.apply(CHILD, 1, [SHIELD])
    changes = owner.apply([observed("health-9:7", **update)], 2).identities
    assert not visible(changes, "health-9:7")
    assert is_hidden(owner, "health-9:7")


@pytest.mark.parametrize("update", UPDATES.values(), ids=UPDATES)
def test_the_order_in_which_child_shield_and_update_arrive_does_not_matter(update: dict[str, str]) -> None:
    for order in permutations([*CHILD, SHIELD, observed("health-9:7", **update)]):
        owner = ResidentOwner(MODEL)
        for batch, each in enumerate(order, 1):
            decisions = [each] if isinstance(each, Decision) else []
            owner.apply([each] if isinstance(each, SourceChange) else [], batch, decisions)
        assert is_hidden(owner, "health-9:7")


def test_a_later_version_that_no_longer_matches_is_held_as_well() -> None:
    owner = ResidentOwner(MODEL)
    owner.apply([*CHILD, observed("health-9:7")], 1, [SHIELD])
    assert len(owner.memberships()) == 1
    moved = observed("health-9:7", **UPDATES["moved, with another surname"])._replace(version=2, fingerprint="2")
    changes = owner.apply([moved], 2).identities
    assert not visible(changes, "health-9:7")
    assert is_hidden(owner, "health-9:7")


def test_a_held_child_is_released_by_a_person_and_only_by_a_person_with_that_right() -> None:
    owner = ResidentOwner(MODEL)
    owner.apply([*CHILD, observed("health-9:7", **UPDATES["moved, with another surname"])], 1, [SHIELD])
    (conflict,) = owner.conflicts().values()
    assert (conflict.kind, conflict.shielded, bool(conflict.held)) == ("shield_in_doubt", True, True)
    apart = Decision("apart", "cannot_link", 2, ("health-9:7",), ("school-1:1",))
    (released,) = owner.apply([], 2, [apart]).identities
    assert (released.kind, released.held, released.members) == ("released", False, ("health-9:7",))
    assert released.causes == ("apart",)
    (held,) = owner.apply([], 3, [Decision("sorry", "retracted", 3, target="apart")]).identities
    assert (held.kind, held.held, held.conflicts) == ("held", True, tuple(owner.conflicts()))


def test_a_shield_that_protects_no_record_any_more_is_asked_about() -> None:
    owner = ResidentOwner(MODEL)
    owner.apply(CHILD, 1, [SHIELD])
    gone = [each._replace(kind="withdrawn", version=2, row=None) for each in CHILD]
    (opened,) = owner.apply(gone, 2).conflicts
    assert (opened.step, opened.state.kind, opened.state.decisions) == ("opened", "shield_in_doubt", ("shield",))
    assert opened.state.shielded
    (closed,) = owner.apply([CHILD[0]._replace(version=3)], 3).conflicts
    assert (closed.step, closed.conflict_id) == ("closed", opened.conflict_id)


def test_nobody_else_is_held() -> None:
    owner = ResidentOwner(MODEL)
    neighbour = observed(
        "health-9:8", given="EVE", surname="REED", **(AWAY | {"carer": "JO REED", "nhs": "9434765870"})
    )
    owner.apply([*CHILD, neighbour], 1, [SHIELD])
    assert (owner.holds(), owner.conflicts()) == ({}, {})
