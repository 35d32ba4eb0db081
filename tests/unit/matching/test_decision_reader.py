from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from matching.decision_reader import read_decision
from matching.linkage.decisions import Decision
from schemas.codec import encode
from schemas.errors import RejectedError
from tests.factories.decisions import Decider

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
AT = round(datetime(2026, 2, 1, tzinfo=UTC).timestamp() * 1_000_000)


def read(make: Callable[[Decider], object]) -> Decision:
    decider = Decider()
    make(decider)
    (decision,) = read_decision(encode(decider.made[0]).value)
    return decision


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (
            lambda d: d.must("b:1", "a:1", expires=date(2026, 3, 1)),
            ("must_link", ("a:1",), ("b:1",), (), "", "2026-03-01"),
        ),
        (lambda d: d.cannot("a:1", "b:1"), ("cannot_link", ("a:1",), ("b:1",), (), "", "")),
        (lambda d: d.sever(["a:1"], ["b:1", "c:1"]), ("severed", ("a:1",), ("b:1", "c:1"), (), "", "")),
        (lambda d: d.shield("a:1", "b:1"), ("shield", ("a:1", "b:1"), (), (), "", "")),
        (lambda d: d.retract("x"), ("retracted", (), (), (), "x", "")),
        (lambda d: d.erase("a:1", 7), ("erasure", ("a:1",), (), (7,), "", "")),
        (lambda d: d.activate("m", "0" * 64), ("model", (), ("0" * 64,), (), "m", "")),
        (lambda d: d.day(date(2026, 3, 1)), ("clock", (), (), (), "", "2026-03-01")),
    ],
)
def test_each_kind_of_decision_is_read(make: Callable[[Decider], object], expected: tuple[object, ...]) -> None:
    assert read(make) == Decision(f"{1:032x}", expected[0], AT, *expected[1:])  # type: ignore[arg-type]


def test_the_weight_that_a_person_saw_is_read() -> None:
    seen = {"model": "m", "weight": -120}
    assert read(lambda d: d.must("a:1", "b:1", seen=seen)).seen == (-120,)


def test_decisions_that_linkage_has_no_use_for_are_passed_over() -> None:
    others = list(GOLDEN.glob("consent.*.json"))
    assert others
    assert all(read_decision(path.read_bytes()) == [] for path in others)


@pytest.mark.parametrize(
    "make",
    [
        lambda d: d.must("a:1", "a:1"),
        lambda d: d.sever(["a:1"], ["a:1"]),
        lambda d: d.shield("no-colon"),
        lambda d: d.shield("a:\x00"),
    ],
)
def test_a_decision_that_cannot_be_right_is_refused(make: Callable[[Decider], object]) -> None:
    with pytest.raises(RejectedError):
        read(make)


def test_an_event_that_is_no_decision_is_refused() -> None:
    with pytest.raises(RejectedError, match="not a decision"):
        read_decision((GOLDEN / "record.withdrawn.v1.json").read_bytes())
