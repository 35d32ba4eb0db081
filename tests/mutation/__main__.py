"""How many mutants of the pure cores whose errors cost most their tests notice: `make mutation`.

    python -m tests.mutation [decision constraints retention]

Each mutant is run in a fork of this process, in place of its module, with the tests of its core until one fails. It
fails when fewer than nine in ten of a core's are noticed (R10), or when one that is not is not explained either.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import cedarpy  # noqa: F401 - these are imported once, before the forks
import hypothesis  # noqa: F401
import numpy  # noqa: F401, ICN001
import pytest
import rapidfuzz  # noqa: F401

import schemas.catalogue
import schemas.codec  # noqa: F401
from tests.mutation.equivalent import EQUIVALENT
from tests.mutation.mutants import Mutant, mutants

ROOT = Path(__file__).parents[2]
LEAST = 0.9


@dataclass(frozen=True, slots=True)
class Core:
    """Modules that are mutated, and the files of tests that should notice."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]


CORES: Mapping[str, Core] = {
    "decision": Core(
        ("projections.service.purposes", "projections.service.decision"), ("unit/service/test_decision.py",)
    ),
    "constraints": Core(("matching.linkage.constraints",), ("unit/matching/linkage/test_constraints.py",)),
    "retention": Core(
        ("projections.directory.retention", "projections.erasures"),
        ("unit/projections/test_retention.py", "acceptance/test_checklist_directory.py"),
    ),
}
OPTIONS = ("-x", "-q", "--assert=plain", "-p", "pytest_timeout", "-p", "no:cacheprovider", "-m", "not soak")


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


def start(module: str, source: str, tests: Sequence[str]) -> int:
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
        status = int(pytest.main([*OPTIONS, *(str(ROOT / "tests" / each) for each in tests)]))
    finally:
        os._exit(status)


def survivors(module: str, candidates: Sequence[Mutant], tests: Sequence[str]) -> Iterator[Mutant]:
    """Yield the mutants with which every test passes."""
    running: dict[int, Mutant] = {}
    for mutant in [*candidates, None]:
        while running and (mutant is None or len(running) >= (os.cpu_count() or 1)):
            process, status = os.wait()
            found = running.pop(process)
            if status == 0:
                yield found
        if mutant is not None:
            running[start(module, mutant.source, tests)] = mutant


def measured(name: str, core: Core) -> bool:
    """Test all mutants of a core and say what came out; tell whether it is enough."""
    made, lived, unexplained = 0, 0, 0
    for module in core.modules:
        source = (ROOT / (module.replace(".", "/") + ".py")).read_text(encoding="utf-8")
        lines = ["", *(line.strip() for line in source.splitlines())]
        assert list(survivors(module, [Mutant(0, "none", source)], core.tests)), "the tests fail on the module as it is"
        candidates = list(mutants(source))
        made += len(candidates)
        for mutant in survivors(module, candidates, core.tests):
            reason = EQUIVALENT.get((lines[mutant.line - 1], lines[mutant.line], mutant.change))
            lived += 1
            unexplained += reason is None
            print(f"{module}:{mutant.line}: {mutant.change}: {reason or 'NOT NOTICED'}", flush=True)
    score = (made - lived) / (made - lived + unexplained)
    equivalent = lived - unexplained
    print(f"{name}: {made} mutants, {made - lived} noticed, {equivalent} equivalent, {unexplained} not: {score:.1%}")
    return score >= LEAST and not unexplained


def main() -> int:
    """Measure the cores that are named, or all; return 1 if one is not tested well enough."""
    os.environ["CI"] = "1"  # hypothesis then draws the same examples each time and keeps none
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # they cost more than most tests
    results = [measured(name, CORES[name]) for name in sys.argv[1:] or CORES]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
