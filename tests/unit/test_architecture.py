"""What import-linter cannot see: pure code must not ask for the time either, and logs have a closed list of keys."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.telemetry import ALLOWED_KEYS

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


def keys_logged(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name("log"))):
                yield from (str(each.arg) for each in node.keywords)


def test_the_list_of_keys_that_logs_may_have_holds_what_the_code_logs_and_no_more() -> None:
    folders = ("connectors", "contactpoint", "ingest", "matching", "projections", "schemas")
    logged = {key for folder in folders for path in (ROOT / folder).rglob("*.py") for key in keys_logged(path)}
    by_name = {"None", "conflicts"}  # of `**counts`
    assert logged - ALLOWED_KEYS <= by_name
    assert ALLOWED_KEYS - logged <= {"event", "level", "timestamp", "exception"} | by_name
