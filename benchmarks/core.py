"""Speed of the pure linkage core on one core: pairs compared a second, and the resident owner's time for a batch.

    python benchmarks/core.py [--base 100000] [--batch 1000] [--batches 15] [--json]

Made-up children with siblings, twins, errors and missing values in four sources; nothing here touches Kafka or
PostgreSQL.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

import numpy as np
import pandas as pd
import recordlinkage

from benchmarks.measures import Measure, alone, beside_limit
from matching.changes import SourceChange
from matching.linkage.batch import cluster_pairs, score_pairs
from matching.linkage.candidates import candidate_pairs
from matching.linkage.columns import SEPARATOR, columns_of
from matching.linkage.comparisons import compare, untrained_comparison
from matching.linkage.hashing import Indices
from matching.linkage.model import BlockingRule, Field, LinkageModel
from matching.resident.owner import ResidentOwner

FIELDS = (
    Field("given_name", "given_name"),
    Field("surname", "surname"),
    Field("date_of_birth", "date"),
    Field("sex", "sex"),
    Field("postcode", "postcode"),
    Field("address", "address"),
    Field("nhs_number", "identifier"),
    Field("upn", "identifier"),
)
RULES = (
    ("nhs_number",),
    ("upn",),
    ("date_of_birth", "given_name"),
    ("date_of_birth", "surname"),
    ("date_of_birth", "postcode"),
    ("date_of_birth", "sorted(given_name, surname)"),
    ("given_name", "postcode"),
    ("given_name", "surname", "year(date_of_birth)"),
)


def bench_model() -> LinkageModel:
    """Return eight comparisons and eight blocking rules with the probabilities that training starts from."""
    comparisons = tuple(
        untrained_comparison(
            f.name,
            f.kind,
            {"given_name": ("given_name", "surname"), "surname": ("surname", "given_name")}.get(f.name, (f.name,)),
        )
        for f in FIELDS
    )
    rules = tuple(BlockingRule(" + ".join(parts), parts) for parts in RULES)
    return LinkageModel("benchmark", "2026-11-23", FIELDS, comparisons, rules, 0.02, 300, -600)


class Children:
    """An endless seeded stream of records of children: about three a child, siblings in every other household."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        syllables = [a + b for a in "BCDFGHJKLMNPRSTVW" for b in "AEIOU"]
        self._given = ["".join(self._rng.choices(syllables, k=self._rng.choice((2, 2, 3)))) for _ in range(3_000)]
        self._surnames = ["".join(self._rng.choices(syllables, k=self._rng.choice((2, 3, 3)))) for _ in range(20_000)]
        self._skew = list(accumulate(1.0 / (i + 4) for i in range(20_000)))
        self._n = 0

    def records(self) -> Iterator[tuple[str, str, tuple[str, ...], int]]:
        """Yield (record key, source, values, person)."""
        pending: list[tuple[str, str, tuple[str, ...], int]] = []
        while True:
            while len(pending) < 20_000:
                pending.extend(self._household())
            self._rng.shuffle(pending)
            yield from pending[10_000:]
            del pending[10_000:]

    def _household(self) -> Iterator[tuple[str, str, tuple[str, ...], int]]:
        rng = self._rng
        surname = rng.choices(self._surnames, cum_weights=self._skew)[0]
        inward = f"{rng.randrange(1, 10)}{rng.choice('ABDEFG')}{rng.choice('HJLNP')}"
        postcode = f"{rng.choice('BLMNS')}{rng.randrange(1, 60)}{inward}"
        address = f"{rng.randrange(1, 200)} {rng.choice(self._surnames)} ROAD"
        year = rng.randrange(1992, 2010)
        for _ in range(rng.choice((1, 1, 2, 3))):
            year += 0 if rng.random() < 0.03 else rng.randrange(1, 4)
            birth = f"{year:04}{rng.randrange(1, 13):02}{rng.randrange(1, 29):02}"
            given = rng.choices(self._given, cum_weights=self._skew[:3_000])[0]
            number, sex = self._n, rng.choice("MF")
            self._n += 1
            child = (
                given,
                surname,
                birth,
                sex,
                postcode,
                address,
                f"{9000000000 + number}",
                f"A{820000000000 + number}",
            )
            for source in rng.sample(("school", "health", "yot", "eborders"), rng.choice((2, 3, 3, 4))):
                yield f"{source}-1:{number}", f"{source}-1", self._noisy(child), number

    def _noisy(self, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(self._slip(value, i) for i, value in enumerate(values))

    def _slip(self, value: str, field: int) -> str:
        rng, chance = self._rng, self._rng.random()
        if chance < (0.5 if field >= 6 else 0.03):
            return ""
        if chance > 0.97 and field != 3:
            at = rng.randrange(len(value))
            letter = rng.choice("0123456789" if value[at].isdigit() else "AEIOULNRST")
            return value[:at] + letter + value[at + 1 :]
        return value


def changes_of(records: Iterator[tuple[str, str, tuple[str, ...], int]], n: int, start: int) -> list[SourceChange]:
    """Return the next n records as observed changes."""
    return [
        SourceChange(key, source, "observed", 1, "f", start + i, f"e{start + i}", SEPARATOR.join(values))
        for i, (key, source, values, _) in zip(range(n), records)  # noqa: B905  the stream has no end
    ]


def median_seconds(action: Callable[[], object], repeats: int = 5) -> float:
    """Return the median wall time of an action."""
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        action()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def bench_batch(model: LinkageModel, base: int) -> dict[str, float]:
    """Compare and cluster a whole table."""
    stream = Children(1).records()
    rows = [next(stream) for _ in range(base)]
    columns = columns_of(model, [r[2] for r in rows], [r[1] for r in rows])
    columns.spread()
    pairs = list(candidate_pairs(columns, model))
    left, right = (np.concatenate([p[side] for p in pairs]) for side in (0, 1))
    person = np.array([r[3] for r in rows])
    table, _ = score_pairs(columns, model)
    compare_s = median_seconds(lambda: compare(columns, left, right, model))
    return {
        "records": base,
        "candidate_pairs": len(left),
        "true_share_of_pairs": round(float((person[left] == person[right]).mean()), 3),
        "compare_pairs_per_s": round(len(left) / compare_s),
        "block_s": round(median_seconds(lambda: list(candidate_pairs(columns, model)), 3), 3),
        "cluster_s": round(median_seconds(lambda: cluster_pairs(columns, table, model), 3), 3),
    }


def bench_resident(model: LinkageModel, base: int, batch: int, batches: int) -> dict[str, float]:
    """Load a base, then apply batches of new records (3% updates) to it."""
    stream = Children(2).records()
    owner = ResidentOwner(model)
    loading = 0.0
    seen: list[SourceChange] = []
    for number, start in enumerate(range(0, base, 5_000)):
        changes = changes_of(stream, min(5_000, base - start), start)
        seen.extend(changes[::30])
        begun = time.perf_counter()
        owner.apply(changes, number + 1)
        loading += time.perf_counter() - begun
    gc.collect()
    gc.freeze()
    # As the stage does: batches make no cycles, and looking for some every 700 objects costs a third of the time.
    gc.set_threshold(200_000, 20, 100)
    rng = random.Random(3)
    times, identities = [], []
    for number in range(batches + 3):
        changes = changes_of(stream, batch - batch // 33, base + number * batch)
        for old in rng.sample(seen, batch // 33):
            values = (*old.values[:5], f"{rng.randrange(1, 200)} NEW STREET", *old.values[6:])
            changes.append(
                old._replace(version=2 + number, row=SEPARATOR.join(values), event_id=f"u{number}-{old.key}")
            )
        begun = time.perf_counter()
        delta = owner.apply(changes, 10_000 + number)
        times.append(1000 * (time.perf_counter() - begun))
        identities.append(len(delta.identities))
    return {
        "base": base,
        "batch": batch,
        "apply_ms": round(statistics.median(times[3:]), 2),
        "apply_ms_worst": round(max(times[3:]), 2),
        "base_records_per_s": round(base / loading),
        "identities": round(statistics.mean(identities[3:])),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def measure(*, base: int = 100_000, batches: int = 15) -> dict[str, Measure]:
    """Return the measures for `make bench`: pairs compared a second beside recordlinkage, and one resident batch."""
    model = bench_model()
    stream = Children(1).records()
    rows = [next(stream) for _ in range(base)]
    columns = columns_of(model, [r[2] for r in rows], [r[1] for r in rows])
    columns.spread()
    pairs = list(candidate_pairs(columns, model))
    left, right = (np.concatenate([p[side] for p in pairs]) for side in (0, 1))
    ours = [len(left) / _seconds(lambda: compare(columns, left, right, model)) for _ in range(5)]
    few = slice(0, 50_000)
    theirs = [_recordlinkage_rate(model, [r[2] for r in rows], left[few], right[few]) for _ in range(3)]
    resident = bench_resident(model, base, 1_000, batches)
    return {
        f"linkage core, pairs of {len(model.comparisons)} comparisons (recordlinkage's Compare)": beside_limit(
            ours, theirs, "pairs/s"
        ),
        f"resident owner, one batch of 1,000 at a {base:,} base": alone([resident["apply_ms"]], "ms"),
        f"resident owner, memory of the process at a {base + 1_000 * (batches + 5):,} base": alone(
            [resident["peak_rss_mb"]], "MB"
        ),
    }


def _seconds(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def _recordlinkage_rate(model: LinkageModel, values: Sequence[Sequence[str]], left: Indices, right: Indices) -> float:
    """Return the pairs a second of recordlinkage on the same pairs: Jaro-Winkler for texts, exact for the rest."""
    frame = pd.DataFrame([list(row) for row in values], columns=[field.name for field in model.fields])
    compared = recordlinkage.Compare()
    for field in model.fields:
        if field.kind in {"given_name", "surname", "address", "short_string", "postcode", "date"}:
            compared.string(field.name, field.name, method="jarowinkler")
        else:
            compared.exact(field.name, field.name)
    index = pd.MultiIndex.from_arrays([left, right])
    return len(left) / _seconds(lambda: compared.compute(index, frame))


def main() -> None:
    """Run both and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=1_000)
    parser.add_argument("--batches", type=int, default=15)
    parser.add_argument("--only", choices=("table", "resident"))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    model = bench_model()
    results: dict[str, dict[str, float]] = {}
    if arguments.only != "resident":
        results["table"] = bench_batch(model, arguments.base)
    if arguments.only != "table":
        results["resident"] = bench_resident(model, arguments.base, arguments.batch, arguments.batches)
    if arguments.json:
        print(json.dumps(results, indent=1))
        return
    for part, measures in results.items():
        for name, value in measures.items():
            print(f"{part:9} {name:24} {value:>14,}")


if __name__ == "__main__":
    main()
