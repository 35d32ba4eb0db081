"""`contactpoint link` beside Splink 5 on the same file of people: time, processor time and memory of whole processes.

    python -m benchmarks.link ours|splink FILE OUT

Both read the CSV, train without labels, link and write clusters. Ours guesses the columns and picks its threshold;
Splink is told comparisons, rules and the threshold of its tutorials (`benchmarks.accuracy.with_splink`).
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.accuracy.made import Regime, made
from benchmarks.accuracy.sets import ID, PERSON, SOURCE, LabelledSet
from benchmarks.measures import Measure, alone, beside_limit

_PEOPLE = 60_000  # with 1.7 records each on average
_REGIME = "link"
_MIB = 1024


def measure(*, people: int = _PEOPLE, runs: int = 3, beside: bool = True) -> dict[str, Measure]:
    """Return seconds, processor seconds and MiB of `contactpoint link`, with `beside` next to Splink's, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "people.csv")
        frame = made(Regime(_REGIME, people=people)).frame
        frame.drop(columns=[PERSON, SOURCE]).to_csv(path, index=False)
        systems = ("ours", "splink") if beside else ("ours",)
        found = [{system: _process(system, path) for system in systems} for _ in range(runs)]
    rows = f"link, {len(frame):,} rows"
    return {
        f"{rows}{what}{' (Splink 5)' if beside else ''}": beside_limit(
            [each["ours"][place] for each in found], [each["splink"][place] for each in found], unit
        )
        if beside
        else alone([each["ours"][place] for each in found], unit)
        for place, (what, unit) in enumerate((("", "s"), (", processor time", "s"), (", peak memory", "MiB")))
    }


def _process(system: str, path: Path) -> tuple[float, float, float]:
    """Run one system as a process; return its seconds, processor seconds and the most memory that it held, in MiB."""
    command = [sys.executable, "-m", "benchmarks.link", system, str(path), str(path.with_name(f"{system}.csv"))]
    begun = time.perf_counter()
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    seconds = time.perf_counter() - begun
    processor, mebibytes = json.loads(told)
    return seconds, processor, mebibytes


def _ours(path: Path, out: Path) -> None:
    from contactpoint.table_link import Outputs, run_link  # noqa: PLC0415  a process loads what it measures

    run_link([path], None, Outputs(out), lambda *_: None)


def _splink(path: Path, out: Path) -> None:
    from benchmarks.accuracy.with_splink import trained  # noqa: PLC0415  of the bench group

    like: LabelledSet = made(Regime(_REGIME, people=10))
    frame: Any = pd.read_csv(path, dtype="string")
    frame[SOURCE] = "table"
    with contextlib.redirect_stdout(io.StringIO()):
        linker = trained(LabelledSet(like.name, frame, like.fields, like.blocking, date_format=like.date_format))
        predicted = linker.inference.predict(threshold_match_probability=0.5)
        clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(
            predicted, threshold_match_probability=0.95
        )
        clusters.as_pandas_dataframe()[[ID, "cluster_id"]].to_csv(out, index=False)


def main() -> None:
    """Link the file by the named system; print processor seconds and the peak of memory as JSON."""
    {"ours": _ours, "splink": _splink}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
    peak = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text(encoding="ascii"))
    print(json.dumps([time.process_time(), int(peak[1]) / _MIB if peak else 0.0]))


if __name__ == "__main__":
    main()
