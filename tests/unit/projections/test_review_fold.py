"""The review queue's fold: one row a conflict whatever the order, and nothing of a shielded one where others look."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from projections.review.fold import Batch, QueueRow, add_conflict, add_decision, changes
from projections.review.views import ConflictView, DecisionView
from schemas.catalogue import AnyEvent
from schemas.codec import decode_as, encode
from schemas.conflicts import ConflictEvent
from tests.unit.projections.review_memory import InMemoryReview
from tests.unit.projections.reviews import RECORDS, START, conflict, decision, review_history

A, B, C = RECORDS[:3]


def folded(*batches: Sequence[AnyEvent]) -> InMemoryReview:
    state = InMemoryReview()
    for events in batches:
        batch = Batch()
        for event in events:
            value = encode(event).value
            if event.event_type.startswith("conflict."):
                add_conflict(batch, decode_as(value, ConflictView))
            else:
                add_decision(batch, decode_as(value, DecisionView))
        state.save(changes(batch, state))
    return state


def only(state: InMemoryReview) -> QueueRow:
    (row,) = [*state.ordinary.values(), *state.shielded.values()]
    return row


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.data())
def test_order_repeats_and_batches_change_nothing(seed: int, data: st.DataObject) -> None:
    events = review_history(seed, data.draw(st.integers(1, 40)))
    expected = folded(events)
    shuffled = [*events, *data.draw(st.lists(st.sampled_from(events), max_size=5))]
    Random(seed).shuffle(shuffled)
    cut = data.draw(st.integers(0, len(shuffled)))
    found = folded(shuffled[:cut], shuffled[cut:])
    assert (found.ordinary, found.shielded) == (expected.ordinary, expected.shielded)
    assert found.known == expected.known


@given(st.integers(0, 10_000))
def test_a_question_is_in_one_queue_that_of_its_newest_state(seed: int) -> None:
    events = review_history(seed, 40)
    state = folded(*[[event] for event in events])
    assert not state.ordinary.keys() & state.shielded.keys()
    shielded = {e.subject: e.data.shielded for e in events if isinstance(e, ConflictEvent)}
    assert {name for name, hidden in shielded.items() if hidden} == set(state.shielded)


def test_an_open_question_shows_its_owner_its_evidence_and_since_when() -> None:
    row = only(
        folded([conflict("opened", 2, (A, B), authority="E08000001"), conflict("changed", 5, (A, B), weight=700)])
    )
    assert (row.state, row.opened_at, row.changed_at) == (
        "open",
        START + timedelta(hours=2),
        START + timedelta(hours=5),
    )
    assert (row.evidence[0].weight, row.resolution, row.answers) == (700, None, ())


def test_a_question_that_a_person_answered_names_the_decision() -> None:
    answer = decision((A, B), 3)
    row = only(folded([conflict("opened", 2, (A, B)), answer, conflict("closed", 4, (A, B))]))
    assert (row.state, row.resolution, row.answers) == ("closed", "decided", (answer.event_id,))


def test_a_question_whose_evidence_went_is_not_claimed_to_be_answered() -> None:
    others = [decision((A, C), 3), decision((A, B), 1), decision((A, B), 9)]
    row = only(folded([conflict("opened", 2, (A, B)), *others, conflict("closed", 4, (A, B))]))
    assert (row.resolution, row.answers) == ("evidence_gone", ())


def test_a_question_that_comes_up_again_is_as_old_as_its_newest_opening() -> None:
    again = [conflict("opened", 2, (A, B)), conflict("closed", 3, (A, B)), conflict("opened", 7, (A, B))]
    row = only(folded(again))
    assert (row.state, row.opened_at, row.closed_at) == ("open", START + timedelta(hours=7), None)
