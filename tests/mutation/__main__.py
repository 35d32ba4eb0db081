"""How many mutants of the decision function its tests notice: `make mutation`.

Each mutant is run in a fork of this process, in place of the module, with the tests of the decision until one fails. It
fails when fewer than nine in ten are noticed (R10), or when one that is not is neither noticed nor explained.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

import cedarpy  # noqa: F401 - this and the next are imported once, before the forks
import hypothesis  # noqa: F401
import pytest

from tests.mutation.equivalent import EQUIVALENT
from tests.mutation.mutants import Mutant, mutants

ROOT = Path(__file__).parents[2]
MODULES = ("projections.service.purposes", "projections.service.decision")
TESTS = ROOT / "tests" / "unit" / "service" / "test_decision.py"
LEAST = 0.9
OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning")


class Instead(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from other source."""

    def __init__(self, name: str, source: str) -> None:
        self.name = name
        self.source = source

    def find_spec(self, fullname: str, path: object, target: object = None) -> importlib.machinery.ModuleSpec | None:
        """Find the module that is replaced, and leave all others to the next."""
        return importlib.util.spec_from_loader(fullname, self) if fullname == self.name else None

    def exec_module(self, module: ModuleType) -> None:
        """Run the other source as the module."""
        exec(compile(self.source, self.name, "exec"), module.__dict__)  # noqa: S102 - that is what a mutant is


def start(module: str, source: str) -> int:
    """Fork a process that tests this source of the module; it ends with 0 when all tests pass."""
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        sys.meta_path.insert(0, Instead(module, source))
        status = int(pytest.main([*OPTIONS, str(TESTS)]))
    finally:
        os._exit(status)


def survivors(module: str, candidates: Sequence[Mutant]) -> Iterator[Mutant]:
    """Yield the mutants with which every test passes."""
    running: dict[int, Mutant] = {}
    for mutant in [*candidates, None]:
        while running and (mutant is None or len(running) >= (os.cpu_count() or 1)):
            process, status = os.wait()
            found = running.pop(process)
            if status == 0:
                yield found
        if mutant is not None:
            running[start(module, mutant.source)] = mutant


def main() -> int:
    """Test all mutants and say what came out."""
    os.environ["CI"] = "1"  # hypothesis then draws the same examples each time and keeps none
    made, lived, unexplained = 0, 0, 0
    for module in MODULES:
        source = (ROOT / (module.replace(".", "/") + ".py")).read_text(encoding="utf-8")
        lines = ["", *(line.strip() for line in source.splitlines())]
        assert list(survivors(module, [Mutant(0, "none", source)])), "the tests fail on the module as it is"
        candidates = list(mutants(source))
        made += len(candidates)
        for mutant in survivors(module, candidates):
            reason = EQUIVALENT.get((lines[mutant.line - 1], lines[mutant.line], mutant.change))
            lived += 1
            unexplained += reason is None
            print(f"{module}:{mutant.line}: {mutant.change}: {reason or 'NOT NOTICED'}", flush=True)
    score = (made - lived) / (made - lived + unexplained)
    print(f"{made} mutants, {made - lived} noticed, {lived - unexplained} equivalent, {unexplained} not: {score:.1%}")
    return 0 if score >= LEAST and not unexplained else 1


if __name__ == "__main__":
    sys.exit(main())
