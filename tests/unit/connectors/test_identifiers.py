from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nhs_number import validate

from connectors.identifiers import is_nhs_number, is_temporary_upn, is_uln, is_upn, upn_check_letter
from tests.unit.connectors.source_samples import upn


def test_the_guides_own_example_of_a_upn_has_its_check_letter() -> None:
    assert upn_check_letter("801200001001") == "H"


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        pytest.param("H801200001001", True, id="guide"),
        pytest.param(upn_check_letter("83840010600A") + "83840010600A", True, id="temporary, authority of 2019"),
        pytest.param("A801200001001", False, id="wrong letter"),
        pytest.param("H80120000100", False, id="too short"),
        pytest.param("H80120000100I", False, id="I is not in the alphabet"),
        pytest.param("UN1", False, id="reason for no number"),
        pytest.param("", False, id="empty"),
    ],
)
def test_unique_pupil_numbers(text: str, valid: bool) -> None:
    assert is_upn(text) is valid


def test_a_temporary_upn_ends_in_a_letter() -> None:
    assert is_temporary_upn("B80120000500A")
    assert not is_temporary_upn(upn(1))


@given(st.integers(1, 999), st.integers(1, 12), st.integers(1, 9))
def test_any_single_wrong_digit_in_a_upn_is_found(number: int, position: int, shift: int) -> None:
    text = upn(number)
    wrong = text[:position] + str((int(text[position]) + shift) % 10) + text[position + 1 :]
    assert is_upn(text)
    assert not is_upn(wrong)


@given(st.integers(3_113_000_000, 9_999_999_999).map(str))
def test_nhs_numbers_agree_with_the_nhs_communitys_library(text: str) -> None:
    """Below that range are Scottish CHI numbers, of which the library also wants a real date."""
    same_digit = len(set(text)) == 1
    assert is_nhs_number(text) == (validate.is_valid(text) and not same_digit)


def test_numbers_of_one_digit_are_no_nhs_numbers() -> None:
    assert not any(is_nhs_number(str(digit) * 10) for digit in range(10))


@pytest.mark.parametrize(
    ("text", "valid"),
    [("1000000019", True), ("1000000018", False), ("9999999999", False), ("100000001", False), ("ABCDEFGHIJ", False)],
)
def test_unique_learner_numbers(text: str, valid: bool) -> None:
    assert is_uln(text) is valid
