"""The small pure parts of the projections: texts, rules, registry, positions."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.kafka import ReadMessage
from projections.directory.entry import Entry, fold_name
from projections.directory.survivorship import RULES
from projections.registry import PROJECTIONS, projection
from projections.text import array_text, copy_block, refuse_nul
from projections.worker import last_of
from schemas.errors import ConfigurationError, RejectedError


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        pytest.param("O'Neill", "oneill", id="apostrophe"),
        pytest.param("Zoë", "zoe", id="diaeresis"),
        pytest.param("Van der  Berg", "vanderberg", id="spaces"),
        pytest.param("STRASSE", "strasse", id="case"),
        pytest.param("Straße", "strasse", id="sharp-s"),
        pytest.param("---", "", id="nothing-left"),
    ],
)
def test_a_name_is_folded_to_its_letters_and_digits(name: str, folded: str) -> None:
    assert fold_name(name) == folded


@given(st.text())
def test_folding_a_folded_name_changes_nothing(name: str) -> None:
    assert fold_name(fold_name(name)) == fold_name(name)


def test_every_item_of_an_entry_has_a_rule_that_says_why() -> None:
    derived = {"child_number", "sources", "lead_professional", "assessment"}
    assert set(RULES) == set(Entry.__struct_fields__) - derived
    assert all(rule.why.endswith(".") for rule in RULES.values())


@pytest.mark.parametrize(
    ("value", "refused"),
    [
        pytest.param(b'"\\u0000"', True, id="escaped-nul"),
        pytest.param(b'"\\\\u0000"', False, id="backslash-and-text"),
        pytest.param(b'"\\\\\\u0000"', True, id="backslash-and-nul"),
        pytest.param(b'"u0000"', False, id="text"),
        pytest.param(None, False, id="tombstone"),
    ],
)
def test_only_an_escaped_nul_character_is_refused(value: bytes | None, refused: bool) -> None:
    if refused:
        with pytest.raises(RejectedError):
            refuse_nul(value)
    else:
        refuse_nul(value)
    assert refused == (value is not None and b"\\u0000" in value.replace(b"\\\\", b""))


@pytest.mark.parametrize(
    ("items", "text"),
    [
        pytest.param([], "{}", id="empty"),
        pytest.param(["a:1", "b,2"], '{"a:1","b,2"}', id="comma"),
        pytest.param(['a"b', "c\\d"], '{"a\\"b","c\\\\d"}', id="quote-and-backslash"),
        pytest.param(["NULL", ""], '{"NULL",""}', id="null-and-nothing"),
    ],
)
def test_array_text_quotes_every_item(items: list[str], text: str) -> None:
    assert array_text(items) == text


def test_an_unknown_projection_lists_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="known: directory, audit_trail"):
        projection("directroy")


@pytest.mark.parametrize("name", list(PROJECTIONS))
def test_a_projection_is_registered_under_its_own_name(name: str) -> None:
    assert projection(name).name == projection(name).live.projection == name


def test_a_partition_is_read_as_far_as_its_last_message() -> None:
    messages = [ReadMessage(topic, part, offset, None, None) for topic, part, offset in [("b", 0, 7), ("a", 1, 3)]]
    assert [
        (place, message.offset) for place, message in last_of([*messages, messages[0]._replace(offset=8)]).items()
    ] == [
        (("a", 1), 3),
        (("b", 0), 8),
    ]


_CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)


def _fields(line: str) -> list[str | None]:
    """Read a line of COPY's text form as PostgreSQL documents it."""
    plain = {"\\t": "\t", "\\n": "\n", "\\r": "\r", "\\\\": "\\"}
    return [
        None if field == r"\N" else re.sub(r"\\.", lambda found: plain[found[0]], field) for field in line.split("\t")
    ]


@given(st.lists(st.tuples(_CELLS, st.none() | _CELLS, st.none() | st.integers()), max_size=5))
def test_a_block_for_copy_reads_back_as_the_rows_it_was_made_of(rows: list[tuple[str, str | None, int | None]]) -> None:
    lines = copy_block(rows).decode().split("\n")
    assert lines.pop() == ""
    expected = [[first, second, None if number is None else str(number)] for first, second, number in rows]
    assert [_fields(line) for line in lines] == expected


def test_a_nul_that_came_all_the_same_stays_in_its_row() -> None:
    assert copy_block([("a\0\n", "b"), ("c", "d")]) == b"a\0\\n\tb\nc\td\n"
