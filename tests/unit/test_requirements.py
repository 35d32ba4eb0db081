"""The register of requirements names a test for each, and every test that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
REGISTER = (TESTS.parent / "docs" / "requirements.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| ([RLF]\d+) \| (.+) \|$", REGISTER, re.MULTILINE))


def test_every_requirement_every_fault_and_every_line_of_the_checklist_has_a_row() -> None:
    assert set(ROWS) == {f"R{n}" for n in range(1, 44)} | {f"L{n}" for n in range(1, 31)} | {
        f"F{n}" for n in range(1, 23)
    }


def test_every_row_names_a_test_or_a_row_that_does() -> None:
    assert [name for name, text in ROWS.items() if "::test_" not in text and not re.search(r"as R\d+", text)] == []


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", REGISTER)
    assert len(named) > 80
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not (TESTS / path).is_file() or f"def {name}(" not in (TESTS / path).read_text(encoding="utf-8")
    ]
    assert missing == []
