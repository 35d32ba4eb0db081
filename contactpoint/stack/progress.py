"""How the stack tells a person what it is doing: a line for each step and a bar for the download."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class Step(Protocol):
    """Called once for each unit of work that is done."""

    def __call__(self) -> None:
        """Count one more unit."""


class Reporter(Protocol):
    """Where the stack reports to."""

    def say(self, text: str) -> None:
        """Report a step in one line."""

    def counting(self, text: str, total: int) -> AbstractContextManager[Step]:
        """Report work of `total` units: a context whose value is called after each unit."""


class SilentReporter:
    """Reports nothing: for tests and for callers with a display of their own."""

    def say(self, text: str) -> None:
        """Drop the line."""

    @contextmanager
    def counting(self, text: str, total: int) -> Iterator[Step]:
        """Count nothing."""
        del text, total
        yield lambda: None


class ConsoleReporter:
    """Reports to a terminal through rich; without one (CI, a file) it prints plain lines."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)

    def say(self, text: str) -> None:
        """Print one line."""
        self._console.print(text, highlight=False)

    @contextmanager
    def counting(self, text: str, total: int) -> Iterator[Step]:
        """Show a bar with the count and the time."""
        if not self._console.is_terminal:
            self.say(f"{text} ({total} files)")
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task(text, total=total)
            yield lambda: progress.advance(task)
