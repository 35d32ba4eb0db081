from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from matching.linkage.decisions import Decision, DecisionBook
from tests.unit.matching.worlds import KEYS, decision_logs


def book_of(*batches: list[Decision]) -> DecisionBook:
    book = DecisionBook()
    for batch in batches:
        book.add(batch)
    return book


def said(book: DecisionBook) -> tuple[object, ...]:
    pairs = [
        {(a, b): frozenset(ids) for a in KEYS for b, ids in pair_book.others(a).items()}
        for pair_book in (book.must, book.cannot, book.severed)
    ]
    shields = {key: frozenset(ids) for key, ids in book.shields.items()}
    return (*pairs, shields, book.erased, book.clashes, book.today, book.activation)


@settings(max_examples=150, deadline=None)
@given(decision_logs(most=12), st.randoms(use_true_random=False), st.integers(1, 12))
def test_what_is_in_force_does_not_depend_on_order_repeats_or_batches(
    log: list[Decision], rng: random.Random, cut: int
) -> None:
    shuffled = log + rng.sample(log, len(log) // 2)
    rng.shuffle(shuffled)
    assert said(book_of(shuffled[:cut], shuffled[cut:])) == said(book_of(log))


@settings(max_examples=150, deadline=None)
@given(decision_logs(most=12))
def test_every_key_whose_say_changed_is_touched(log: list[Decision]) -> None:
    book = DecisionBook()
    for decision in log:
        before = said(book)
        judged = book.add([decision])
        keys = {key for old, new in zip(before[:4], said(book)[:4], strict=True) for key in _changed(old, new)}
        assert keys <= judged.touched.keys()


def _changed(old: object, new: object) -> set[str]:
    assert isinstance(old, dict)
    assert isinstance(new, dict)
    names = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
    return {key for name in names for key in ((name,) if isinstance(name, str) else name)}


def test_the_newest_activation_counts_whichever_was_read_first() -> None:
    first, second = (Decision(name, "model", at, target=name) for name, at in (("x", 1), ("w", 2)))
    assert book_of([first, second]).activation == book_of([second], [first]).activation == "w"
    assert book_of([first, second], [Decision("r", "retracted", 3, target="w")]).activation == "x"


def test_an_erasure_cannot_be_taken_back() -> None:
    erasure = Decision("e", "erasure", 1, ("a:1",), versions=(4,))
    book = book_of([Decision("r", "retracted", 2, target="e"), erasure])
    assert (book.erases("a:1", 4), book.erases("a:1", 5), book.erases("b:1", 1)) == (True, False, False)


def test_a_clash_with_a_severance_names_the_must_links_only() -> None:
    severed = Decision("s", "severed", 1, ("a:1",), ("b:1",))
    (clash,) = book_of([severed, Decision("m", "must_link", 1, ("a:1",), ("b:1",))]).clashes
    assert (clash.decisions, clash.severed) == (("m",), True)
