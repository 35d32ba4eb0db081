"""`make bench`: every speed measure on one machine in one go, into `benchmarks/results.json` and a table.

    python -m benchmarks.speed [part ...]

Each part runs in a process of its own with a stack of its own, so that none warms or starves another.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import (
    audit,
    core,
    end_to_end,
    ingest,
    keeper,
    latency,
    link,
    misuse,
    projections,
    service,
    shared,
    stage,
)
from benchmarks.measures import Measure
from connectors.kafka import create_topics
from contactpoint.stack import StackConfig, temporary_stack
from schemas.telemetry import configure_logging

RESULTS = Path(__file__).parent / "results.json"

Part = Callable[..., dict[str, Any]]
"""Takes the settings of Kafka and PostgreSQL, and sizes by name; the usual ones where none are given."""

PARTS: dict[str, Part] = {
    "core": lambda _kafka, _postgres, **sizes: core.measure(**sizes),
    "stage": stage.measure,
    "latency": latency.measure,
    "projections": projections.measure,
    "ingest": ingest.measure,
    "service": lambda _kafka, postgres, **sizes: service.measure(postgres, **sizes),
    "end_to_end": end_to_end.measure,
    "audit": lambda _kafka, postgres, **sizes: audit.measure(postgres, **sizes),
    "shared": lambda _kafka, postgres, **sizes: shared.measure(postgres, **sizes),
    "misuse": lambda _kafka, _postgres, **sizes: misuse.measure(**sizes),
    "keeper": keeper.measure,
    "link": lambda _kafka, _postgres, **sizes: link.measure(**sizes),
}
SMALL: dict[str, dict[str, Any]] = {
    "core": {"base": 2_000, "batches": 2},
    "stage": {"bases": (1_000,), "runs": 1},
    "latency": {"base": 500, "rate": 200, "seconds": 1, "runs": 1},
    "projections": {"records": 600, "runs": 1},
    "ingest": {"children": 60, "runs": 1},
    "service": {"children": 200, "requests": 32, "runs": 1},
    "end_to_end": {"base": 500, "records": 200, "runs": 1},
    "audit": {"entries": 1_000, "seconds": 0.2, "runs": 1},
    "shared": {"bases": (1_000,), "records": 1_000, "runs": 1},
    "misuse": {"seeds": (1,), "users": 200, "children": 2_000},
    "keeper": {"children": 100, "due": 3},
    "link": {"people": 100, "runs": 1, "beside": False},
}
"""Sizes at which each part takes seconds, for the tests that they all still run; their figures mean nothing."""


def main() -> None:
    """Run the named parts (all by default), merge their measures into the results, print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"all by default: {', '.join(PARTS)}")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if unknown := [part for part in given.parts if part not in PARTS]:
        parser.error(f"there is no part {unknown[0]}; there are {', '.join(PARTS)}")
    if given.part:
        _run_here(given.part)
        return
    results: dict[str, Measure] = {}
    if given.parts and RESULTS.exists():
        results = json.loads(RESULTS.read_text(encoding="utf-8"))
    for part in given.parts or PARTS:
        Console(stderr=True).print(f"measuring {part} ...")
        command = [sys.executable, "-m", "benchmarks.speed", "--part", part]
        results |= json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    Console(width=None if sys.stdout.isatty() else 150).print(_table(results))


def _run_here(part: str) -> None:
    configure_logging(level=logging.WARNING)  # to standard error: standard output is for the result
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CONTACTPOINT_")}
    with temporary_stack(StackConfig.from_env(environment)) as stack:
        kafka, postgres = stack.addresses.kafka_settings(), stack.addresses.postgres_settings()
        create_topics(kafka)
        print(json.dumps(PARTS[part](kafka, postgres)))


def _table(results: dict[str, Measure]) -> Table:
    table = Table("measure", title=f"on {os.cpu_count()} cores; medians", title_justify="left")
    for name in ("value", "unit", "limit", "ratio"):
        table.add_column(name, justify="left" if name == "unit" else "right")
    for name, each in results.items():
        limit, ratio = each["limit"], each["ratio"]
        table.add_row(
            name,
            f"{each['value']:,.0f}" if each["value"] >= 100 else f"{each['value']:,.3g}",
            each["unit"],
            "" if limit is None else f"{limit:,.0f}",
            "" if ratio is None else f"{ratio:.3g}",
        )
    return table


if __name__ == "__main__":
    main()
