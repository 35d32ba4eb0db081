"""Our side: `contactpoint link`'s own function, its own threshold, and the best of all thresholds by the labels."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.accuracy.sets import PERSON, LabelledSet
from contactpoint.model_tools.quality import Quality, measure_labels
from contactpoint.table_link import link_table
from matching.estimation.thresholds import with_threshold
from matching.linkage.batch import cluster_pairs, score_pairs
from matching.linkage.model import CENTIBITS

THRESHOLDS = range(-600, 2401, 100)
HALF = "half_of_the_people"


def unsupervised(labelled: LabelledSet) -> dict[str, Any]:
    """Train on the set without its labels and link it."""
    return _run(labelled, {"method": "unsupervised"}, np.ones(len(labelled.frame), dtype=bool))


def trained_on_half(labelled: LabelledSet) -> dict[str, Any]:
    """Train with the labels of half of the people, and measure on the records of the others."""
    people = np.array(labelled.people)
    names = np.unique(people)
    chosen = np.random.default_rng(4).permutation(names)[: len(names) // 2]
    known = np.isin(people, chosen)
    frame = labelled.frame.assign(
        **{HALF: [person if is_known else None for person, is_known in zip(people, known, strict=True)]}
    )
    half = replace(labelled, frame=frame)
    return _run(half, {"method": "labels", "person": HALF}, ~known)


def _run(labelled: LabelledSet, train: dict[str, str], measured: np.ndarray[Any, Any]) -> dict[str, Any]:
    begun = time.perf_counter()
    linked = link_table(labelled.table, labelled.config(train), _quiet)
    seconds = time.perf_counter() - begun
    people = labelled.frame[PERSON].to_numpy()[measured]
    columns, model = linked.columns, linked.model
    own = measure_labels(linked.outcome.clusters[measured], people, births=labelled.births)
    pairs, _ = score_pairs(columns, model, floor=min(THRESHOLDS))
    found: dict[int, Quality] = {}
    for threshold in THRESHOLDS:
        clusters = cluster_pairs(columns, pairs, with_threshold(model, threshold)).labels
        found[threshold] = measure_labels(clusters[measured], people, births=labelled.births)
    best = max(found, key=lambda threshold: found[threshold].f1)
    return {
        "own threshold": figures(own, model.link_threshold / CENTIBITS),
        "best threshold by the labels": figures(found[best], best / CENTIBITS),
        "seconds": round(seconds, 1),
    }


def figures(quality: Quality, threshold: float | None) -> dict[str, Any]:
    """Return the figures that are compared."""
    return {
        "threshold_bits": threshold,
        "precision": round(quality.precision, 5),
        "recall": round(quality.recall, 5),
        "f1": round(quality.f1, 5),
        "bcubed_f1": round(quality.bcubed_f1, 5),
        "merged_twins": quality.merged_twins,
    }


def _quiet(_step: str) -> None:
    """Show no progress."""
