"""Commands that are loaded when they are called: a start imports the modules of one command instead of all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup

Parts = Mapping[str, Mapping[str, str]]
"""Module of `contactpoint.cli` -> name of each command that its `register` adds -> what the list of commands says."""


class LateGroup(TyperGroup):
    """A group whose commands are names and first sentences until one of them is called or described."""

    parts: ClassVar[Parts] = {}

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for lines in self.parts.values():
            self.commands.update({name: TyperCommand(name, help=line) for name, line in lines.items()})

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Load the command that is called, then find it as any group does."""
        self.load(args[:1])
        return super().resolve_command(ctx, args)

    def load(self, names: Iterable[str]) -> None:
        """Import the modules of these commands and put the commands themselves in their places."""
        for module, lines in self.parts.items():
            if not lines.keys().isdisjoint(names):
                for name, command in _commands(module).items():
                    command.help = command.help or lines[name]
                    self.commands[name] = command


@cache
def _commands(module: str) -> Mapping[str, Any]:
    root = typer.Typer()
    import_module(f"contactpoint.cli.{module}").register(root)
    return typer.main.get_group(root).commands
