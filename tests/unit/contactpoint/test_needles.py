"""Looking for many values at once finds what looking for each one alone finds."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contactpoint.erasing import needles
from contactpoint.erasing.needles import Needles
from schemas.errors import ConfigurationError

LETTERS = st.text("abB é", min_size=4, max_size=13)


def holds(text: bytes, form: bytes) -> bool:
    whole = rb"(?<![0-9a-z])%s(?![0-9a-z])" if len(form) < 12 else rb"%s"
    return re.search(whole % re.escape(form), text) is not None


@given(st.lists(LETTERS, min_size=1, max_size=6), st.lists(st.text("abB é", max_size=40), max_size=6))
def test_what_is_found_is_what_a_search_for_each_value_alone_finds(values: list[str], texts: list[str]) -> None:
    folded = [text.encode().lower() for text in texts]
    expected = {
        (place, number)
        for place, text in enumerate(folded)
        for number, value in enumerate(values)
        if any(holds(text, form.encode().lower()) for form in needles._forms(value))
    }
    assert Needles(values).found_in([text.encode() for text in texts]) == expected


@pytest.mark.parametrize(
    ("content", "dumped", "found"),
    [
        (b'{"family":"ADEWALE-MOSS"}', False, {0}),
        (b"zz993cz", False, {1}),  # as linkage closes up a postcode
        (b"zz99 3c", False, set()),
        (b"adewale-", False, set()),
        (b"school-1:qzz993czk4", False, set()),  # an id that holds it by chance
        (b"(zz993cz", False, {1}),
        (b"xadewale-mossx", False, {0}),  # so long that it is no chance
        ("\\x" + b"Adewale-Moss".lower().hex(), True, {0}),
        ("\\x" + b"Adewale-Moss".lower().hex(), False, set()),
    ],
)
def test_a_value_is_found_in_each_form_in_which_stages_keep_it(
    content: bytes | str, dumped: bool, found: set[int]
) -> None:
    raw = content.encode() if isinstance(content, str) else content
    assert Needles(["Adewale-Moss", "ZZ99 3CZ"]).found_in([b"", raw], dumped=dumped) == {(1, each) for each in found}


def test_a_value_across_the_border_of_two_slices_is_found_and_one_across_two_contents_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(needles, "_SLICE", 10)
    wanted = Needles(["Adewale-Moss"])
    assert wanted.found_in([b"." * 5 + b"adewale-moss" + b"." * 20]) == {(0, 0)}
    assert wanted.found_in([b"adewale", b"-moss"]) == set()


def test_values_too_short_to_mean_anything_are_refused() -> None:
    for values in (["Adewale", "abc"], []):
        with pytest.raises(ConfigurationError):
            Needles(values)
