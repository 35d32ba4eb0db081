"""`make bench`: every speed measure on one machine in one go, into `benchmarks/results.json` and a table.

Each benchmark runs in a process of its own with a stack of its own, so that none warms or starves another.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.measures import Measure

RESULTS = Path(__file__).parent / "results.json"
PARTS = ("core", "stage", "projections", "ingest", "end_to_end")


def main() -> None:
    """Run the named parts (all of them by default), merge their measures into the results, print the table."""
    chosen = sys.argv[1:] or list(PARTS)
    results: dict[str, Measure] = json.loads(RESULTS.read_text()) if RESULTS.exists() and sys.argv[1:] else {}
    for part in chosen:
        Console(stderr=True).print(f"benchmarks.{part} ...")
        command = [sys.executable, "-m", f"benchmarks.{part}", "--json"]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=dict(os.environ))
        results |= json.loads(done.stdout)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    Console(width=None if sys.stdout.isatty() else 150).print(_table(results))


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
