from __future__ import annotations

import io

import hl7
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.er7 import RawMessage, Segment, messages, parse
from schemas.errors import RejectedError
from tests.unit.connectors.source_samples import CR, adt

value = st.text(st.characters(codec="latin-1", categories=["L", "N", "P", "S"]), max_size=8)


def cut(content: bytes, limit: int = 1000) -> list[RawMessage]:
    return list(messages(io.BytesIO(content), limit))


def segments(text: str, encoding: str = "utf-8") -> list[Segment]:
    return parse(RawMessage(text.encode(encoding), 1, overlong=False, stray=False), "utf-8")


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\n\n"], ids=["cr", "lf", "crlf", "double"])
def test_segments_end_with_any_line_end(end: str) -> None:
    (first, second) = cut((adt(1, end=end) + adt(2, end=end)).encode())
    assert first.content == adt(1).encode().removesuffix(b"\r")
    assert second.content.count(b"\r") == 2


def test_batch_headers_and_mllp_frames_are_no_part_of_a_message() -> None:
    batch = "FHS|^~\\&|A\rBHS|^~\\&|A\r" + "\x0b" + adt(1) + "\x1c\r" + adt(2) + "BTS|2\rFTS|1\r"
    assert [message.content for message in cut(batch.encode())] == [
        message.content for message in cut((adt(1) + adt(2)).encode())
    ]


def test_a_line_break_inside_a_field_does_not_end_the_segment() -> None:
    (message,) = cut(b"MSH|^~\\&|PAS\nPID|1||12 Mill\nLane|x\n")
    assert message.content == b"MSH|^~\\&|PAS\rPID|1||12 Mill Lane|x"


def test_what_stands_before_the_first_header_is_stray() -> None:
    assert [message.stray for message in cut(b"PID|1\r" + adt(1).encode())] == [True, False]


def test_an_overlong_message_is_cut_and_the_next_one_arrives() -> None:
    content = adt(1, more=["NTE|" + "x" * 5000] * 3) + adt(2)
    assert [message.overlong for message in cut(content.encode())] == [True, False]


@given(st.lists(value, min_size=1, max_size=5))
def test_escaped_fields_come_back_as_they_were(values: list[str]) -> None:
    marks = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"}
    written = "|".join("".join(marks.get(character, character) for character in one) for one in values)
    (_, segment) = segments(f"MSH|^~\\&|||||||||||||||UNICODE UTF-8\rZZZ|{written}")
    expected = ["" if one == '""' else one.strip() for one in values]
    assert [segment.component(number, 1) for number in range(1, len(values) + 1)] == expected


@given(st.integers(1, 9), st.lists(value.filter(lambda text: not set(text) & set('|^~\\&"')), min_size=1, max_size=4))
def test_components_agree_with_python_hl7(number: int, values: list[str]) -> None:
    text = adt(number, more=["ZZZ|a|" + "~".join(f"{one}^{one}x" for one in values)]).removesuffix(CR)
    oracle = hl7.parse(text)
    ours = segments(text)[-1]
    repetitions = oracle.segment("ZZZ")(2)
    expected = [[str(repetition(1)).strip(), str(repetition(2)).strip()] for repetition in repetitions]
    assert ours.repetitions(2) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param("a\\T\\b", "a&b", id="ampersand"),
        pytest.param("a\\.br\\b", "a b", id="line break"),
        pytest.param("Zo\\XEB\\", "Zo\u00eb", id="hexadecimal"),
        pytest.param("a\\H\\b\\N\\", "ab", id="highlighting"),
        pytest.param("C:\\dir", "C:\\dir", id="a lone backslash"),
        pytest.param('""', "", id="deleted"),
        pytest.param("a&b", "a", id="first subcomponent"),
    ],
)
def test_escape_sequences(written: str, expected: str) -> None:
    assert segments(f"MSH|^~\\&|X\rZZZ|{written}")[1].component(1, 1) == expected


def test_a_message_names_its_own_separators() -> None:
    header, pid = segments("MSH#*!/%#PAS#RX1\rPID#1##5***RX1!6*x%y")
    assert (header.component(3, 1), header.component(4, 1)) == ("PAS", "RX1")
    assert pid.repetitions(3) == [["5", "", "", "RX1"], ["6", "x"]]


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [("", "utf-8"), ("UNICODE UTF-8", "utf-8"), ("8859/1", "latin-1"), ("8859/15~UNICODE", "iso8859-15")],
)
def test_the_character_set_of_the_header_is_used(declared: str, encoding: str) -> None:
    text = f"MSH|^~\\&||||||||||||||||{declared}\rPID|Zo\u00eb"
    assert segments(text, encoding)[1].raw(1) == "Zo\u00eb"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(b"MSH|^~\\&||||||||||||||||ISO IR87", "encoding_unknown", id="unknown character set"),
        pytest.param("MSH|^~\\&|Zo\u00eb".encode("latin-1"), "undecodable", id="wrong default"),
        pytest.param(b"MSH", "not_hl7", id="short"),
        pytest.param(b"MSHA^~\\&A1234", "not_hl7", id="letter as separator"),
    ],
)
def test_a_message_that_cannot_be_read_is_rejected(content: bytes, code: str) -> None:
    with pytest.raises(RejectedError) as caught:
        parse(RawMessage(content, 1, overlong=False, stray=False), "utf-8")
    assert caught.value.code == code


def test_fields_beyond_the_segments_end_are_empty() -> None:
    (segment,) = segments("MSH|^~\\&|X")
    assert (segment.raw(99), segment.component(99, 1), segment.repetitions(99), segment.deleted(99)) == (
        "",
        "",
        [],
        False,
    )
