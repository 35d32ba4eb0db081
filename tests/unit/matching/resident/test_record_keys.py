from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.resident import record_keys
from matching.resident.record_keys import CodedTexts, KeyNumbers, RecordKeys

texts = st.text(min_size=1, max_size=6)


@given(st.lists(st.lists(texts, max_size=5), max_size=5), st.lists(texts, max_size=5), st.booleans())
def test_keys_and_numbers_lead_to_each_other(batches: list[list[str]], others: list[str], forget: bool) -> None:
    keys, held = RecordKeys(), list[str]()
    for batch in batches:
        fresh = [key for key in dict.fromkeys(batch) if key not in held]
        keys.extend(fresh)
        held += fresh
    if forget:
        keys.clear()
    numbers = {key: number for number, key in enumerate(held)}
    asked = list(dict.fromkeys([*others, *held]))
    assert keys.numbers(asked) == {key: numbers[key] for key in asked if key in numbers}
    assert [KeyNumbers(keys).get(key, -1) for key in asked] == [numbers.get(key, -1) for key in asked]
    assert ([keys[number] for number in range(len(held))], keys.count) == (held, len(held))


def test_two_keys_with_one_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_keys, "hash_all", lambda keys: np.full(len(keys), 7, np.uint64))
    monkeypatch.setattr(record_keys, "hash_text", lambda _: 7)
    keys = RecordKeys()
    keys.extend(["a:1", "a:2"])
    numbers = KeyNumbers(keys)
    assert keys.numbers(["a:2", "a:3", "a:1"]) == {"a:1": 0, "a:2": 1}
    assert (numbers["a:2"], "a:3" in numbers, numbers.get("a:3")) == (1, False, None)
    with pytest.raises(KeyError):
        numbers["a:3"]


def test_only_recent_keys_are_kept_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_keys, "_RECENT", 3)
    keys = RecordKeys()
    keys.extend([f"a:{number}" for number in range(10)])
    assert [keys[number] for number in (9, 0, 5, 7)] == ["a:9", "a:0", "a:5", "a:7"]
    assert (len(keys), keys.numbers(["a:1"]), dict(keys)) == (4, {"a:1": 1}, {1: "a:1"})


@given(st.lists(st.tuples(st.integers(0, 2_000), st.sampled_from(["", "E1", "E2", "E3"])), max_size=20))
def test_coded_texts_are_what_was_set_last(steps: list[tuple[int, str]]) -> None:
    coded, held = CodedTexts(), dict[int, str]()
    coded.reserve(2_001)
    for place, text in steps:
        coded[place] = held[place] = text
    assert coded.of(range(2_001)) == [held.get(place, "") for place in range(2_001)]
    assert [coded[place] for place in held] == list(held.values())
