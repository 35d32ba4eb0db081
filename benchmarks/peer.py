"""How long Splink takes for clusters alone on the records of a feed: the measure beside our durable load.

    python -m benchmarks.peer FILE EVENTS

The newest version of each record, folded by our reader, goes to Splink as a table in memory; its settings follow the
tutorials of its documentation. Only Splink's own work is timed: estimation, prediction, clustering.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.feed import Feed
from matching.features import ChangeReader
from matching.stage.model_file import read_model

_BATCH = 10_000
_PAIRS = 2e6  # that a step of estimation looks at, as its documentation advises for a million records
_BLOCKING = (
    ("nhs",),
    ("upn",),
    ("birth_date", "given"),
    ("birth_date", "surname"),
    ("birth_date", "postcode"),
    ("given", "postcode"),
)


def splink_seconds(path: Path, events: int) -> float:
    """Run this module in a process of its own and return the seconds that it measured."""
    command = [sys.executable, "-m", "benchmarks.peer", str(path), str(events)]
    measured: float = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return measured


def table_of(path: Path, events: int) -> pd.DataFrame:
    """Return the newest values of each live record among the first events of a feed."""
    model, feed = read_model(None), Feed(path)
    reader = ChangeReader(model)
    newest: dict[str, tuple[str | None, ...]] = {}
    for batch in feed.batches(events, _BATCH):
        for change in map(reader.read, batch):
            if change.row is None:
                newest.pop(change.key, None)
            else:
                # Splink compares one value a field: the first of several.
                newest[change.key] = tuple(value.partition("|")[0] or None for value in change.values)
    feed.close()
    frame = pd.DataFrame(list(newest.values()), columns=[field.name for field in model.fields], dtype="string")
    frame.insert(0, "unique_id", list(newest))
    return frame


def _clusters(frame: pd.DataFrame) -> int:
    """Estimate, predict and cluster; return the number of clusters."""
    import splink.comparison_library as cl  # noqa: PLC0415  of the bench group
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on  # noqa: PLC0415

    comparisons: list[Any] = [
        cl.NameComparison("given"),
        cl.NameComparison("surname"),
        cl.DateOfBirthComparison("birth_date", input_is_string=True, datetime_format="%Y%m%d"),
        cl.ExactMatch("sex"),
        cl.LevenshteinAtThresholds("postcode", [1, 2]),
        cl.JaroWinklerAtThresholds("address", [0.92, 0.85]),
        cl.JaroWinklerAtThresholds("carer", [0.92, 0.85]),
        cl.DamerauLevenshteinAtThresholds("nhs", [1]),
        cl.DamerauLevenshteinAtThresholds("upn", [1]),
    ]
    settings = SettingsCreator(
        link_type="dedupe_only",
        comparisons=comparisons,
        blocking_rules_to_generate_predictions=[block_on(*rule) for rule in _BLOCKING],
        retain_matching_columns=False,
    )
    linker = Linker(DuckDBAPI().register(frame), settings, log_level=logging.ERROR)
    training = linker.training
    training.estimate_probability_two_random_records_match([block_on("given", "surname", "birth_date")], recall=0.6)
    training.estimate_u_using_random_sampling(max_pairs=_PAIRS, seed=1)
    for rule in (("given", "surname"), ("birth_date", "postcode")):
        training.estimate_parameters_using_expectation_maximisation(block_on(*rule), max_pairs=_PAIRS)
    predicted = linker.inference.predict(threshold_match_probability=0.5)
    cluster: Any = linker.clustering.cluster_pairwise_predictions_at_threshold
    clusters = cluster(predicted, threshold_match_probability=0.95)
    return int(clusters.as_pandas_dataframe()["cluster_id"].nunique())


def main() -> None:
    """Print the seconds as JSON."""
    frame = table_of(Path(sys.argv[1]), int(sys.argv[2]))
    begun = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        _clusters(frame)
    print(json.dumps(time.perf_counter() - begun))


if __name__ == "__main__":
    main()
