from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from matching.changes import ConflictChange, ConflictState, ConflictStep, EvidencePair
from matching.stage.conflict_events import PublishedConflict, encode_conflict, published_conflicts
from matching.stage.replay_conflicts import conflict_differences
from schemas.codec import decode
from schemas.conflicts import Conflict, ConflictOpened
from schemas.events import Evidence

STATE = ConflictState(
    "shield_in_doubt", ("a:1", "b:1"), ("A", "B"), (EvidencePair("a:1", "b:1", -30, (1, 0)),), ("d",), "801", True, "B"
)  # fmt: skip
states = st.dictionaries(st.sampled_from("wxyz"), st.sampled_from((STATE, STATE._replace(authority=""))))


def test_a_conflict_is_published_as_its_contract_says_and_says_not_whom_it_holds() -> None:
    event = decode(encode_conflict(ConflictChange("opened", "id", 7, STATE), "model", "2026-03-02T09:21:00Z").value)
    assert isinstance(event, ConflictOpened)
    assert event.subject == "id"
    assert event.data == Conflict(
        kind="shield_in_doubt",
        version=7,
        records=("a:1", "b:1"),
        children=("A", "B"),
        evidence=(Evidence(left="a:1", right="b:1", weight=-30, levels=(1, 0)),),
        decisions=("d",),
        authority="801",
        shielded=True,
        model="model",
    )


@given(st.permutations([("opened", 1, STATE), ("changed", 2, STATE._replace(authority="")), ("closed", 3, STATE)]))
def test_what_was_published_of_a_conflict_is_its_newest_event_in_any_order(
    steps: list[tuple[ConflictStep, int, ConflictState]],
) -> None:
    changes = [ConflictChange(step, "id", version, state) for step, version, state in steps]
    values = [encode_conflict(change, "model", "2026-03-02T09:21:00Z").value for change in changes]
    assert published_conflicts([None, b"not ours", *values]) == {
        "id": PublishedConflict(3, False, STATE._replace(held=""))
    }
    assert published_conflicts(values[:1]) == {
        "id": PublishedConflict(steps[0][1], steps[0][0] != "closed", steps[0][2]._replace(held=""))
    }


@given(before=states, now=states, closed=st.booleans())
def test_the_differences_after_a_replay_lead_from_what_was_published_to_what_is_open(
    before: dict[str, ConflictState], now: dict[str, ConflictState], *, closed: bool
) -> None:
    published = {name: PublishedConflict(3, not closed, state._replace(held="")) for name, state in before.items()}
    state = {} if closed else dict(before)
    for change in conflict_differences(published, now, 8):
        assert (change.step == "opened") == (change.conflict_id not in state)
        state[change.conflict_id] = change.state
        if change.step == "closed":
            del state[change.conflict_id]
    assert state == now
