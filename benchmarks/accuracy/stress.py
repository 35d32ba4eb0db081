"""Tables that nothing was tuned for: the F1 at the threshold that training picks, beside the best of all thresholds.

python -m benchmarks.accuracy.stress [--splink] [NAME ...]     (part of a name is enough)
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from benchmarks.accuracy import ours, with_splink
from benchmarks.accuracy.made import Regime, made

BESIDE_SPLINK: Final = "--splink"

_NAMES: Final = ("given", "surname", "born")
_HOME: Final = ("given", "surname", "born", "sex", "postcode", "address")
_WIDE: Final = (*_HOME, "town", "phone", "email", "number")

_FEW: Final = Regime("three columns", _NAMES)
_DEDUPE: Final = Regime("one source", _HOME)
_TWO: Final = Regime("two sources", _HOME, people=4000, overlap=0.8, unique="yes")
_HOUSEHOLDS: Final = replace(_TWO, name="census and survey of households", families=0.8, twins=0.02, missing=0.04)

REGIMES: Final = (
    _FEW,
    replace(_FEW, name="three columns, common names", common_names=True),
    replace(_FEW, name="three columns, dirty", typos=0.15, missing=0.1, exchanged=0.03, day_month=0.05),
    replace(_FEW, name="three columns, two sources", people=4000, overlap=0.7, unique="yes"),
    replace(_FEW, name="three columns, 1 % duplicates", people=5000, copies=(0.99, 0.01)),
    replace(_FEW, name="three columns, small", people=500),
    replace(_FEW, name="three columns, and two that are noise", fields=(*_NAMES, "batch", "invoice")),
    _DEDUPE,
    replace(_DEDUPE, name="one source, clean", typos=0.01, missing=0.0),
    replace(_DEDUPE, name="one source, dirty", typos=0.2, missing=0.1, exchanged=0.03, moved=0.2, short_forms=0.2),
    replace(_DEDUPE, name="one source, 40 % missing", missing=0.4),
    replace(_DEDUPE, name="one source, 1 % duplicates", people=6000, copies=(0.99, 0.01)),
    replace(_DEDUPE, name="one source, no duplicates", people=4000, copies=(1.0,), families=0.6),
    replace(_DEDUPE, name="one source, ten records each", people=500, copies=(0.0,) * 9 + (1.0,), typos=0.1),
    replace(_DEDUPE, name="one source, families and twins", families=0.8, twins=0.1),
    replace(_DEDUPE, name="one source, families, dirty", families=0.8, twins=0.03, typos=0.15, moved=0.15, missing=0.1),
    replace(_DEDUPE, name="one source, common names", common_names=True),
    replace(_DEDUPE, name="one source, renamed and double names", renamed=0.15, double_names=0.3),
    replace(_DEDUPE, name="one source, Cyrillic", latin=False),
    replace(_DEDUPE, name="one source, default dates", no_date=0.25, date_style="british", day_month=0.05),
    replace(_DEDUPE, name="one source, columns exchanged", exchanged=0.15),
    replace(_DEDUPE, name="one source, no postcode", fields=("given", "surname", "born", "address", "town")),
    replace(_DEDUPE, name="one source, wide", fields=_WIDE),
    replace(_DEDUPE, name="one source, wide, dirty", fields=_WIDE, typos=0.2, missing=0.2, moved=0.2, families=0.5),
    replace(_DEDUPE, name="no date", fields=("given", "surname", "postcode", "address", "phone")),
    replace(_DEDUPE, name="no names", fields=("born", "sex", "postcode", "address", "job")),
    _TWO,
    replace(_TWO, name="two sources, dirty", typos=0.2, missing=0.1, moved=0.15, short_forms=0.2, renamed=0.05),
    replace(_TWO, name="two sources, said not to be unique", unique="no"),
    replace(_TWO, name="two sources, mostly unique", unique="mostly", repeats=0.02),
    replace(_TWO, name="two sources, little overlap", overlap=0.03),
    _HOUSEHOLDS,
    replace(_HOUSEHOLDS, name="census and survey, not unique", unique="no"),
    replace(_HOUSEHOLDS, name="census and survey, mostly unique", unique="mostly", repeats=0.01),
    replace(_HOUSEHOLDS, name="census and survey, dirty", typos=0.15, missing=0.1, short_forms=0.1, moved=0.05),
    replace(_HOUSEHOLDS, name="census and survey, names and birth only", fields=("given", "surname", "born", "sex")),
    Regime("organisations", ("organisation", "city", "postcode"), typos=0.1),
    Regime("organisations, names only", ("organisation", "city"), typos=0.1),
    Regime("organisations, two sources", ("organisation", "address", "city"), overlap=0.6, unique="yes", typos=0.15),
)
"""Every regime; see `made.Regime` for what the words mean."""


RESULTS: Final = Path(__file__).resolve().parents[1] / "stress.json"


def main() -> None:
    """Run the regimes named, or all; print a line for each as it comes and keep the figures in `stress.json`."""
    words = [word for word in sys.argv[1:] if word != BESIDE_SPLINK]
    chosen = [regime for regime in REGIMES if not words or any(word in regime.name for word in words)]
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if words and RESULTS.exists() else {}
    console = Console(width=None if sys.stdout.isatty() else 150, highlight=False)
    for regime in chosen:
        labelled = made(regime)
        found = ours.unsupervised(labelled)
        row = {"records": len(labelled.frame), "contactpoint link": found}
        if BESIDE_SPLINK in sys.argv:
            try:
                row["Splink 5"] = with_splink.run(labelled)
            except Exception as error:  # noqa: BLE001  its failure is its result: without duplicates its prior is nil
                row["Splink 5 failed"] = type(error).__name__
        results[regime.name] = row
        console.print(_line(regime.name, row))
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def _line(name: str, row: dict[str, Any]) -> str:
    own, best = (row["contactpoint link"][kind] for kind in ("own threshold", "best threshold by the labels"))
    line = (
        f"{name:40} {row['records']:6}  F1 {own['f1']:.4f} P {own['precision']:.3f} R {own['recall']:.3f} "
        f"at {own['threshold_bits']:+5.1f}, best {best['f1']:.4f} at {best['threshold_bits']:+5.1f}"
    )
    if "Splink 5" not in row:
        return line
    theirs = [row["Splink 5"][kind]["f1"] for kind in ("documented threshold (.95)", "best threshold by the labels")]
    return f"{line}  Splink {theirs[0]:.4f}, best {theirs[1]:.4f}"


if __name__ == "__main__":
    main()
