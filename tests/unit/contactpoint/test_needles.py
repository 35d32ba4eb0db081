"""Looking for many values at once finds what looking for each one alone finds, in each form that a stage keeps."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contactpoint.erasing import needles
from contactpoint.erasing.forms import forms_of, kept_of
from contactpoint.erasing.needles import Needles
from contactpoint.erasing.proof import read_values
from contactpoint.erasing.values import said_by
from matching.features import DataView, person_values
from projections.directory.child import entry_row
from projections.directory.entry import Entry, Sourced
from projections.directory.views import Name
from schemas.errors import ConfigurationError

LETTERS = st.text("abB é", min_size=4, max_size=13)
PARTS = [
    "Oscar",
    "JOHN",
    "zoë",
    "Zoe",
    "Müller",
    "Mueller",
    "O'Brien",
    "OBrien",
    "Ann",
    "-",
    " ",
    "\N{RIGHT SINGLE QUOTATION MARK}",
    "Ø",
]
CLEAN = (
    st.lists(st.sampled_from(PARTS), min_size=2, max_size=6)
    .map("".join)
    .filter(lambda name: sum(map(str.isalpha, name)) >= 6)
)


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
        if any(holds(text, form.encode().lower()) for form in forms_of(value))
    }
    assert Needles([*map(forms_of, values)]).found_in([text.encode() for text in texts]) == expected


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
        (b"(1,adewalemoss,tom)", False, {0}),  # as the directory is searched
        (rb"\x" + b"ADEWALE MOSS".hex().encode(), True, {0}),  # as linkage keeps it
        (rb"\x" + b"Adewale-Moss".hex().encode(), True, {0}),
        (rb"\x" + b"adewale-moss".hex().encode(), True, {0}),
        (rb"\x" + b"ADEWALE MOSS".hex().encode(), False, set()),
    ],
)
def test_a_value_is_found_in_each_form_in_which_stages_keep_it(content: bytes, dumped: bool, found: set[int]) -> None:
    wanted = Needles([forms_of("Adewale-Moss"), forms_of("ZZ99 3CZ")])
    assert wanted.found_in([b"", content], dumped=dumped) == {(1, each) for each in found}


def statement(*names: tuple[str, str]) -> bytes:
    return json.dumps({"names": [{"kind": "current", "family": family, "given": given} for family, given in names]},
                      ensure_ascii=False).encode()  # fmt: skip


def kept_rows(*names: tuple[str, str]) -> dict[str, bytes]:
    """Return what linkage and the directory keep of a child of these names, as PostgreSQL writes their rows."""
    features = "\x1f".join(person_values(msgspec.json.decode(statement(*names), type=DataView))).encode()
    sourced = [Sourced(Name("current", family, given), 0) for family, given in names]
    row = entry_row(Entry("1", [], names=sourced))
    columns = {name: str(getattr(row, name)).encode() for name in ("surname", "forename", "others", "document")}
    return columns | {"features": rb"\x" + features.hex().encode(), "statement": statement(*names)}


def left_of(value: str, *others: bytes) -> list[frozenset[str]]:
    """Return the forms of a value that none of these statements keeps, if any, as what is to be looked for."""
    forms = sorted(forms_of(value))
    said = said_by(forms, [[(str(number), other.decode()) for number, other in enumerate(others)]])
    return [left] if (left := frozenset(form for form in forms if not said[form])) else []


def found_in(wanted: list[frozenset[str]], contents: Iterable[bytes]) -> bool:
    return bool(wanted) and bool(Needles(wanted).found_in([*contents], dumped=True))


@given(CLEAN, CLEAN, CLEAN)
@example("OSCAR JOHN", "Oscar-John", "Müller")
@example("Mueller", "Müller", "Ann-Ann")
@example("OBrien", "O'Brien-Müller", "Ann-Ann")
@example("Kaylee", "Kayleen", "Ann-Ann")
def test_what_the_stages_keep_of_another_child_is_no_alarm_however_its_names_fold(
    erased: str, given_name: str, family: str
) -> None:
    other = [(family, given_name), (given_name, family)]
    assert not found_in(left_of(erased, statement(*other)), kept_rows(*other).values())


@given(CLEAN)
def test_whatever_a_stage_keeps_of_an_erased_child_alone_is_found_wherever_it_is(name: str) -> None:
    for place, content in kept_rows((name, name), (name, name)).items():
        assert found_in(left_of(name), [content]), place


@given(CLEAN, CLEAN)
@example("Zoë-Marie", "Zoe Marie")
def test_a_form_that_is_the_erased_childs_alone_is_found_beside_a_child_whose_name_folds_alike(
    erased: str, other: str
) -> None:
    kept = kept_of(statement((other, "Tom")))
    for form in forms_of(erased):
        if not Needles([frozenset([form])]).found_in([kept]):
            assert found_in(left_of(erased, statement((other, "Tom"))), [form.encode()])
            assert found_in(left_of(erased, statement((other, "Tom"))), [form.encode().hex().encode()])


def test_an_address_is_not_looked_for_without_its_number() -> None:
    assert not found_in([forms_of("12 High Street")], [b"HIGH STREET", b"14 high street"])
    assert found_in([forms_of("12 High-Street")], [b"12 HIGH STREET BOLTON".hex().encode()])


def test_a_value_across_the_border_of_two_slices_is_found_and_one_across_two_contents_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(needles, "_SLICE", 10)
    wanted = Needles([frozenset(["Adewale-Moss"])])
    assert wanted.found_in([b"." * 5 + b"adewale-moss" + b"." * 20]) == {(0, 0)}
    assert wanted.found_in([b"adewale", b"-moss"]) == set()


def test_values_too_short_to_mean_anything_are_refused() -> None:
    for lines in (["Adewale", "abc"], ["", " "]):
        with pytest.raises(ConfigurationError):
            read_values(lines)
