"""Every part of `make bench` still runs: at sizes that show nothing but that."""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator

import pytest

from benchmarks.speed import PARTS, SMALL
from schemas.settings import KafkaSettings, PostgresSettings

QUICK = frozenset({"core", "misuse", "audit", "projections", "ingest", "link"})


@pytest.fixture(autouse=True)
def _usual_garbage_collection() -> Iterator[None]:
    """Put back what the parts set to be measured as the stages run."""
    threshold = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)


@pytest.mark.parametrize(
    "part", [pytest.param(part, marks=[] if part in QUICK else [pytest.mark.soak]) for part in PARTS]
)
def test_a_part_of_the_benchmark_runs_and_gives_figures(
    part: str, kafka: KafkaSettings, postgres: PostgresSettings
) -> None:
    measures = PARTS[part](kafka, postgres, **SMALL[part])
    assert any(each["value"] > 0 for each in measures.values())
    for name, each in measures.items():
        assert each["unit"], name
        assert all(math.isfinite(run) for run in each["runs"]), name
        assert min(each["runs"]) <= each["value"] <= max(each["runs"]), name
