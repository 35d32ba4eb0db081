"""Run every set (or those named) through both systems; write `benchmarks/accuracy.json` and print a table.

python -m benchmarks.accuracy [febrl3 febrl4 historical children]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.accuracy import ours, with_splink
from benchmarks.accuracy.sets import SETS

RESULTS = Path(__file__).resolve().parents[1] / "accuracy.json"
SYSTEMS = {
    "contactpoint link, unsupervised": ours.unsupervised,
    "contactpoint link, trained on half of the people": ours.trained_on_half,
    "Splink 5": with_splink.run,
}


def main() -> None:
    """Measure, write, print."""
    chosen = sys.argv[1:] or list(SETS)
    results: dict[str, Any] = (
        json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() and sys.argv[1:] else {}
    )
    for name in chosen:
        labelled = SETS[name]()
        results[labelled.name] = {}
        for system, run in SYSTEMS.items():
            Console(stderr=True).print(f"{labelled.name}: {system} ...")
            results[labelled.name][system] = run(labelled)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    Console(width=None if sys.stdout.isatty() else 150).print(_table(results))


def _table(results: dict[str, Any]) -> Table:
    table = Table("set", "system", "threshold", title="clusters, pairwise", title_justify="left")
    for name in ("bits", "precision", "recall", "F1", "B-cubed F1", "seconds"):
        table.add_column(name, justify="right")
    for labelled, systems in results.items():
        for system, found in systems.items():
            for kind, row in found.items():
                if kind == "seconds":
                    continue
                values = [row["threshold_bits"], row["precision"], row["recall"], row["f1"], row["bcubed_f1"]]
                shown = ["" if value is None else f"{value:.5g}" for value in values]
                table.add_row(labelled, system, kind, *shown, str(found["seconds"]))
    return table


if __name__ == "__main__":
    main()
