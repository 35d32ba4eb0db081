"""Texts compared by their words: a rare word tells more, order and common words tell little, numbers part editions."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matching.linkage.words import in_common, text_levels, weighed, word_keys

_TABLE = [
    "ACME TRADING LTD",
    "ACME LTD",
    "BOLT TRADING LTD",
    "CRANE TRADING LTD",
    "DOYLE FOODS LTD",
    "CUP 2003",
    "CUP 2004",
]
_TEXTS = st.lists(st.lists(st.sampled_from("ACME BOLT CRANE LTD TRADING 2003 2004".split()), max_size=5), min_size=2)


def _share(one: str, other: str) -> float:
    by = dict(zip([*_TABLE, one, other], weighed([*_TABLE, one, other]), strict=True))
    return float(in_common([by[one]], [by[other]])[0])


def test_a_rare_word_tells_more_than_common_ones() -> None:
    assert _share("ACME TRADING LTD", "ACME LTD") > _share("BOLT TRADING LTD", "CRANE TRADING LTD")


def test_the_order_of_words_does_not_matter_and_an_error_at_the_end_of_a_word_matters_half() -> None:
    assert _share("LTD ACME TRADING", "ACME TRADING LTD") == pytest.approx(1.0)
    assert 0.5 < _share("DOYLE FOODS LTD", "DOYLE FOODZ LTD") < 1.0


def test_texts_with_different_numbers_have_less_in_common_than_if_one_had_none() -> None:
    weights = weighed(["CUP FINAL 2003", "CUP FINAL 2004", "CUP FINAL"])
    shares = in_common([weights[0], weights[0]], [weights[1], weights[2]])
    assert shares[0] < 0.7 * shares[1] + 0.1


def test_a_text_is_found_by_its_rarest_words_first() -> None:
    first = word_keys(weighed(_TABLE)[0])
    assert first[0] == "ACME"
    assert "ACME TRAD" in first


@given(texts=_TEXTS)
@settings(max_examples=40)
def test_the_share_in_common_is_symmetric_and_a_text_has_all_with_itself(texts: list[list[str]]) -> None:
    values = weighed([" ".join(words) for words in texts])
    forward, back = in_common(values, values[::-1]), in_common(values[::-1], values)
    assert forward == pytest.approx(back)
    assert in_common(values, values) == pytest.approx([1.0 if value else 0.0 for value in values])
    assert set(text_levels(values, values[::-1]).tolist()) <= set(range(1, 9))
