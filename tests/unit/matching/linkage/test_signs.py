from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matching.linkage.comparisons import KINDS
from matching.linkage.nicknames import NICKNAME_GROUPS
from matching.linkage.signs import signs_of
from matching.linkage.similarity import DIFFERENT

letters = st.text("ABCDE ", min_size=1, max_size=9) | st.text("AÉЖ1?🙂 ", min_size=1, max_size=12)
texts = {
    "given_name": letters | st.sampled_from(sorted(NICKNAME_GROUPS)),
    "date": st.text("0129", min_size=8, max_size=8) | st.text("012é", min_size=1, max_size=9),
    "postcode": st.text("AB12", min_size=2, max_size=7),
}
sieved = sorted(name for name, kind in KINDS.items() if kind.sieve is not None)


@pytest.mark.parametrize("name", sieved)
@settings(max_examples=60)
@given(st.data())
def test_a_sieve_lets_through_every_pair_that_is_not_simply_different(name: str, data: st.DataObject) -> None:
    kind = KINDS[name]
    assert kind.kernel is not None
    assert kind.sieve is not None
    values = data.draw(st.lists(texts.get(name, letters), min_size=2, max_size=12, unique=True))
    first, second = np.triu_indices(len(values), 1)
    levels = kind.kernel([values[i] for i in first], [values[i] for i in second])
    through = kind.sieve(signs_of(values), first.astype(np.uint32), second.astype(np.uint32))
    assert not (levels[~through] != DIFFERENT).any()


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("given_name", "OLIVER", "QAMAR"),
        ("surname", "SMITH", "PATEL"),
        ("date", "19930416", "20111205"),
        ("postcode", "BA96HE", "GO115AF"),
        ("address", "54 GREEN WAY", "1 MILL LOCK"),
        ("identifier", "9434765919", "9434761122"),
    ],
)
def test_a_sieve_holds_back_what_has_little_in_common(name: str, one: str, other: str) -> None:
    sieve = KINDS[name].sieve
    assert sieve is not None
    assert not sieve(signs_of([one, other]), np.array([0], np.uint32), np.array([1], np.uint32))[0]


def test_signs_of_many_values_are_those_of_each() -> None:
    values = [f"{number:b}" for number in range(1, 40_000)]
    many, alone = signs_of(values), signs_of(values[-3:])
    assert (many.bags[-3:].tolist(), many.heads[-3:].tolist()) == (alone.bags.tolist(), alone.heads.tolist())
    assert many.sizes[-3:].tolist() == alone.sizes.tolist()
