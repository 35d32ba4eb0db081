"""Splink 5 on the same set in the way of its documentation: comparisons by kind, EM for two rules, clusters."""

from __future__ import annotations

import contextlib
import io
import logging
import time
from typing import Any

import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

from benchmarks.accuracy.ours import THRESHOLDS, figures
from benchmarks.accuracy.sets import ID, PERSON, SOURCE, LabelledSet
from contactpoint.model_tools.quality import measure_labels
from matching.linkage.model import CENTIBITS

DOCUMENTED_PROBABILITY = 0.95
"""The threshold of Splink's own tutorials; Splink picks none by itself."""


def run(labelled: LabelledSet) -> dict[str, Any]:
    """Estimate, predict and cluster; measure at the documented threshold and at the best one by the labels."""
    begun = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        linker = trained(labelled)
        predicted = linker.inference.predict(threshold_match_weight=min(THRESHOLDS) / CENTIBITS)
    documented = _clusters(linker, predicted, labelled, {"threshold_match_probability": DOCUMENTED_PROBABILITY})
    seconds = time.perf_counter() - begun
    found = {
        threshold: _clusters(linker, predicted, labelled, {"threshold_match_weight": threshold / CENTIBITS})
        for threshold in THRESHOLDS
    }
    best = max(found, key=lambda threshold: found[threshold].f1)
    return {
        "documented threshold (.95)": figures(documented, None),
        "best threshold by the labels": figures(found[best], best / CENTIBITS),
        "seconds": round(seconds, 1),
    }


def trained(labelled: LabelledSet) -> Any:
    """Return a linker whose model is estimated from the set without labels."""
    kept = [ID, SOURCE, *labelled.fields]
    api = DuckDBAPI()
    frame = api.register(labelled.frame[kept].astype("string"))
    settings = SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name=ID,
        comparisons=[_comparison(name, kind, labelled) for name, kind in labelled.fields.items()],
        blocking_rules_to_generate_predictions=[block_on(*rule) for rule in labelled.blocking],
        retain_matching_columns=False,
    )
    linker = Linker(frame, settings, log_level=logging.ERROR)
    names = [name for name, kind in labelled.fields.items() if kind in {"given_name", "surname"}]
    dates = [name for name, kind in labelled.fields.items() if kind == "date"]
    rules = [rule for rule in (names, dates) if rule] or labelled.blocking  # organisations have neither
    sure = block_on(*dict.fromkeys(name for rule in rules for name in rule))
    linker.training.estimate_probability_two_random_records_match([sure], recall=0.6)
    linker.training.estimate_u_using_random_sampling(max_pairs=5e6, seed=1)
    for rule in rules:
        linker.training.estimate_parameters_using_expectation_maximisation(block_on(*rule))
    return linker


def _comparison(name: str, kind: str, labelled: LabelledSet) -> Any:
    if kind in {"given_name", "surname"}:
        return cl.NameComparison(name)
    if kind == "date":
        return cl.DateOfBirthComparison(name, input_is_string=True, datetime_format=labelled.date_format)
    if kind == "identifier":
        return cl.DamerauLevenshteinAtThresholds(name, [1, 2])
    if kind in {"address", "short_string"}:
        return cl.JaroWinklerAtThresholds(name, [0.92, 0.85]).configure(term_frequency_adjustments=True)
    if kind == "postcode":
        return cl.LevenshteinAtThresholds(name, [1, 2])
    return cl.ExactMatch(name)


def _clusters(linker: Any, predicted: Any, labelled: LabelledSet, threshold: dict[str, float]) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(predicted, **threshold)
    frame = clusters.as_pandas_dataframe().set_index(ID)["cluster_id"]
    found = frame.loc[labelled.frame[ID].tolist()].tolist()
    return measure_labels(found, labelled.frame[PERSON].tolist(), births=labelled.births)
