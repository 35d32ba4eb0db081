from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import xml_records
from connectors.xml_records import Piece, open_text, pieces

text = st.text(st.characters(exclude_characters="<>&", exclude_categories=["Cs", "Cc"]), max_size=30)


def cut(document: bytes, limit: int = 1000) -> list[Piece]:
    chunks, _ = open_text(io.BytesIO(document))
    return list(pieces(chunks, "Pupil", limit))


@given(st.lists(text, max_size=5), st.integers(1, 300))
def test_records_are_cut_whole_whatever_the_size_of_reads(names: list[str], size: int) -> None:
    records = [f"<Pupil><Name>{name}</Name></Pupil>".encode() for name in names]
    document = b"<Root><PupilCount/>" + b"\n".join(records) + b"</Root>"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xml_records, "_CHUNK", size)
        found = cut(document)
    assert [piece.content for piece in found if piece.kind == "record"] == records
    assert found[0].kind == "head"
    assert found[-1].kind == "tail"
    assert found[-1].content.endswith(b"</Root>")


def test_a_record_in_a_comment_is_no_record() -> None:
    found = cut(b"<R><!-- <Pupil>1</Pupil> --><Pupil>2</Pupil><!--<Pupil>3</Pupil>--><Pupil/></R>")
    assert [piece.content for piece in found if piece.kind == "record"] == [b"<Pupil>2</Pupil>", b"<Pupil/>"]


def test_a_missing_end_tag_spoils_only_its_own_record() -> None:
    found = cut(b"<R><Pupil>1<Pupil>2</Pupil></R>")
    assert [(piece.kind, piece.content) for piece in found[1:3]] == [
        ("broken", b"<Pupil>1"),
        ("record", b"<Pupil>2</Pupil>"),
    ]


def test_an_overlong_record_is_cut_and_the_next_one_arrives() -> None:
    found = cut(b"<R><Pupil>" + b"x" * 500_000 + b"</Pupil><Pupil>2</Pupil></R>", limit=100)
    assert [piece.kind for piece in found] == ["head", "overlong", "record", "tail"]
    assert len(found[1].content) == 100


def test_lines_are_counted_to_the_records_first_line() -> None:
    found = cut(b"<R>\n\n<Pupil>\n</Pupil>\n<Pupil/></R>")
    assert [piece.line for piece in found if piece.kind == "record"] == [3, 5]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_byte_order_marks_are_understood(encoding: str) -> None:
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    chunks, name = open_text(io.BytesIO((mark + "<Pupil>Zo\u00eb</Pupil>").encode(encoding)))
    assert name == "utf-8"
    assert b"".join(chunks).decode() == "<Pupil>Zo\u00eb</Pupil>"


def test_the_declared_encoding_is_named() -> None:
    assert open_text(io.BytesIO(b'<?xml version="1.0" encoding="windows-1252"?><R/>'))[1] == "cp1252"
    with pytest.raises(LookupError):
        open_text(io.BytesIO(b'<?xml version="1.0" encoding="klingon"?><R/>'))
