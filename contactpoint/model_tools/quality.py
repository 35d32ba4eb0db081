"""How good the linkage is against a truth: pairwise and B-cubed precision and recall, merged twins, split children.

Everything follows from one table: how many records each cluster shares with each person. With n(c, p) records of person
p in cluster c, n(c) in the cluster and n(p) of the person, N in all:

- pairwise precision = sum C(n(c, p), 2) / sum C(n(c), 2), recall = sum C(n(c, p), 2) / sum C(n(p), 2);
- B-cubed (Bagga and Baldwin 1998) precision = sum n(c, p)^2 / n(c) / N, recall = sum n(c, p)^2 / n(p) / N.

Counts are integers and exact; the B-cubed sums are correctly rounded, so the result does not depend on any order.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray

Codes = NDArray[np.int64]

_LIVE = "live"
_NO_BIRTH = -1


@dataclass(frozen=True, slots=True)
class Quality:
    """The figures of one comparison of clusters with the truth.

    `merged_clusters` hold records of several people, `merged_twins` are those in which two people of one birth meet;
    `split_people` have their records in several clusters. `unknown_records` are in a cluster but not in the truth and
    are left out; `missing_records` are in the truth but in no cluster and count as clusters of one.
    """

    records: int
    people: int
    clusters: int
    linked_pairs: int
    true_pairs: int
    correct_pairs: int
    bcubed_precision: float
    bcubed_recall: float
    merged_clusters: int
    merged_twins: int
    split_people: int
    unknown_records: int = 0
    missing_records: int = 0

    @property
    def precision(self) -> float:
        """Share of the linked pairs that are of one person; 1 when nothing is linked."""
        return _share(self.correct_pairs, self.linked_pairs)

    @property
    def recall(self) -> float:
        """Share of the pairs of one person that are linked; 1 when there are none."""
        return _share(self.correct_pairs, self.true_pairs)

    @property
    def f1(self) -> float:
        """Harmonic mean of pairwise precision and recall."""
        return _harmonic_mean(self.precision, self.recall)

    @property
    def bcubed_f1(self) -> float:
        """Harmonic mean of B-cubed precision and recall."""
        return _harmonic_mean(self.bcubed_precision, self.bcubed_recall)

    def as_dict(self) -> dict[str, int | float]:
        """Return every figure by name, the counts first."""
        shares = {"precision": self.precision, "recall": self.recall, "f1": self.f1, "bcubed_f1": self.bcubed_f1}
        return {**asdict(self), **shares}


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def _harmonic_mean(left: float, right: float) -> float:
    return 2 * left * right / (left + right) if left + right else 0.0


@dataclass(frozen=True, slots=True)
class Truth:
    """Whose each record is. `births` gives the number of each person's multiple birth, -1 for single births."""

    codes: dict[str, int] = field(repr=False)
    people: Codes
    births: Codes

    @classmethod
    def of(cls, people: dict[str, str], births: dict[str, int] | None = None) -> Truth:
        """Build the truth from record keys and their people, and the people who are twins or triplets."""
        names = {person: code for code, person in enumerate(dict.fromkeys(people.values()))}
        birth_of = births or {}
        return cls(
            codes={key: code for code, key in enumerate(people)},
            people=np.array([names[person] for person in people.values()], np.int64),
            births=np.array([birth_of.get(person, _NO_BIRTH) for person in names], np.int64),
        )


def read_truth(path: Path, *, status: str | None = _LIVE, named: Callable[[str], str] = str) -> Truth:
    """Read the simulated world's `truth.parquet`: the records of one status (live ones), or all of them with None.

    `named` gives the record key that stands for the one in the file.
    """
    columns = pq.read_table(path, columns=["record_key", "person", "status", "birth"]).to_pydict()
    rows = zip(columns["record_key"], columns["person"], columns["status"], columns["birth"], strict=True)
    people, births = {}, {}
    for key, person, is_now, birth in rows:
        if status is None or is_now == status:
            people[named(key)] = person
            if birth is not None:
                births[person] = birth
    return Truth.of(people, births)


def measure(memberships: Iterable[Sequence[str]], truth: Truth) -> Quality:
    """Compare clusters, each given as its record keys (in any order, one at a time), with the truth.

    Raises ValueError when a record is there more than once.
    """
    codes, labels = array("q"), array("q")
    unknown = clusters = 0
    for members in memberships:
        known = [code for code in map(truth.codes.get, members) if code is not None]
        unknown += len(members) - len(known)
        codes.extend(known)
        labels.extend([clusters] * len(known))
        clusters += bool(known)
    records = np.frombuffer(codes, np.int64) if codes else np.empty(0, np.int64)
    if len(np.unique(records)) < len(records):
        msg = "a record is in two clusters, or in one twice"
        raise ValueError(msg)
    cluster_of = np.full(len(truth.codes), -1, np.int64)
    cluster_of[records] = labels
    missing = np.flatnonzero(cluster_of < 0)
    cluster_of[missing] = clusters + np.arange(len(missing))
    return _measured(cluster_of, truth.people, truth.births, unknown, len(missing))


def measure_labels(clusters: ArrayLike, people: ArrayLike, *, births: dict[str, int] | None = None) -> Quality:
    """Compare two labellings of the same records, given as two columns of any labels.

    `births` gives the number of the multiple birth of each person who is a twin or triplet.
    """
    _, cluster_codes = np.unique(np.asarray(clusters), return_inverse=True)
    names, person_codes = np.unique(np.asarray(people), return_inverse=True)
    if cluster_codes.shape != person_codes.shape:
        msg = f"{cluster_codes.size} cluster labels, but {person_codes.size} labels of people"
        raise ValueError(msg)
    birth_of = births or {}
    numbers = np.array([birth_of.get(str(person), _NO_BIRTH) for person in names], np.int64)
    return _measured(cluster_codes.astype(np.int64), person_codes.astype(np.int64), numbers, 0, 0)


def _measured(cluster: Codes, person: Codes, births: Codes, unknown: int, missing: int) -> Quality:
    """Count the records that clusters and people share; both columns hold codes from 0."""
    pairs, shared = np.unique(cluster << 32 | person, return_counts=True)
    in_cluster, of_person = np.bincount(cluster), np.bincount(person)
    of_cell_cluster, of_cell_person = pairs >> 32, pairs & 0xFFFF_FFFF
    squares = (shared * shared).astype(np.float64)
    people_in_cluster = np.bincount(of_cell_cluster)
    records = len(cluster)
    return Quality(
        records=records,
        people=int(np.count_nonzero(of_person)),
        clusters=int(np.count_nonzero(in_cluster)),
        linked_pairs=_pairs(in_cluster),
        true_pairs=_pairs(of_person),
        correct_pairs=_pairs(shared),
        bcubed_precision=_mean(squares / in_cluster[of_cell_cluster], records),
        bcubed_recall=_mean(squares / of_person[of_cell_person], records),
        merged_clusters=int(np.count_nonzero(people_in_cluster > 1)),
        merged_twins=_clusters_with_twins(of_cell_cluster, births[of_cell_person]),
        split_people=int(np.count_nonzero(np.bincount(of_cell_person) > 1)),
        unknown_records=unknown,
        missing_records=missing,
    )


def _pairs(sizes: NDArray[Any]) -> int:
    """Return how many pairs groups of these sizes hold."""
    return int((sizes * (sizes - 1) // 2).sum())


def _mean(parts: NDArray[np.float64], count: int) -> float:
    return math.fsum(parts.tolist()) / count if count else 1.0


def _clusters_with_twins(cluster: Codes, birth: Codes) -> int:
    """Return in how many clusters two people of one birth meet; each row is one person in one cluster."""
    twins = birth != _NO_BIRTH
    meetings, people = np.unique(cluster[twins] << 32 | birth[twins], return_counts=True)
    return len(np.unique(meetings[people > 1] >> 32))
