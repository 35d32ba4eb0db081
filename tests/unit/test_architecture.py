"""What import-linter cannot see: pure code must not ask for the time either (`make imports` checks the rest)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PURE = sorted(
    path
    for pattern in (
        "schemas/**/*.py",
        "matching/linkage/**/*.py",
        "matching/resident/**/*.py",
        "projections/*/fold.py",
        "projections/service/decision.py",
    )
    for path in ROOT.glob(pattern)
)
CLOCKS = {"now", "today", "utcnow"}


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(ROOT)))
def test_pure_code_reads_no_clock(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    called = {
        node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert not called & CLOCKS
