"""How the command line answers: tables for people, JSON for programs, one sentence for a user's mistake."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

Report = Callable[[int, int | None], None]


class Output(StrEnum):
    """The form of a result."""

    TABLE = "table"
    JSON = "json"


_PASTED = frozenset({"id", "conflict", "decision", "sample", "item", "request"})
"""Columns of ids that people paste into the next command: other columns give way to them."""

# Into a file or a pipe there is no width to fit: wide enough that a table's cells stay whole.
console = Console(width=None if sys.stdout.isatty() else 160)
messages = Console(stderr=True)


def show(output: Output, rows: Sequence[dict[str, Any]] | dict[str, Any], title: str = "") -> None:
    """Print rows (or one mapping) as a table, or as JSON on standard output."""
    if output is Output.JSON:
        sys.stdout.buffer.write(orjson.dumps(rows, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE, default=str))
        sys.stdout.flush()
    elif isinstance(rows, dict):
        console.print(_facts(rows, title))
    elif rows:
        console.print(_table(rows, title))
    else:
        console.print(f"{title}: none" if title else "none")


def _facts(facts: dict[str, Any], title: str) -> Table:
    table = Table(title=title or None, show_header=False, title_justify="left")
    for name, value in facts.items():
        table.add_row(name, Text(_text(value)))
    return table


def _table(rows: Sequence[dict[str, Any]], title: str) -> Table:
    table = Table(title=title or None, title_justify="left")
    columns = list(dict.fromkeys(name for row in rows for name in row))
    for name in columns:
        numeric = all(isinstance(row.get(name), int | float) for row in rows)
        whole = name in _PASTED
        table.add_column(name, justify="right" if numeric else "left", overflow="fold", no_wrap=whole)
    for row in rows:
        table.add_row(*(Text(_text(row.get(name))) for name in columns))
    return table


def _text(value: Any) -> str:
    match value:
        case None:
            text = ""
        case bool():
            text = "yes" if value else "no"
        case int():
            text = f"{value:,}"
        case float():
            text = f"{value:,.4g}"
        case list() | tuple():
            text = "\n".join(map(_text, value))
        case dict():
            text = "; ".join(f"{name} {_text(item)}" for name, item in value.items())
        case _:
            text = str(value)
    return text


@contextmanager
def progress(description: str) -> Iterator[Report]:
    """Show progress on standard error while the block runs; call the yielded function with (done, total or None)."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal) as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def steps(description: str) -> Iterator[Callable[[str], None]]:
    """Show on a terminal's standard error which step the block is at; call the yielded function with its name."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal) as bar:
        task = bar.add_task(description, total=None)
        yield lambda step: bar.update(task, description=f"{description}: {step}")
