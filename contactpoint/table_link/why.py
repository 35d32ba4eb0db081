"""`contactpoint link --explain A B`: why two rows of a table are in one cluster, or are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np

from contactpoint.table_link.advice import FEW_MATCHES
from contactpoint.table_link.blocks import rules_that_bring_together
from contactpoint.table_link.repeats import Repeats
from contactpoint.table_link.table import Grounds
from matching.estimation.implausible import most_precision
from matching.estimation.training import Trained
from matching.linkage.batch import LinkedTable
from matching.linkage.columns import RecordColumns
from matching.linkage.evidence import RULE_WORDS, Evidence, connected_as, evidence_among
from matching.linkage.explain import Explanation, explain_pair
from matching.linkage.marks import Marks
from matching.linkage.merge_tree import MergeTree, merge_tree
from matching.linkage.model import CENTIBITS, LinkageModel
from schemas.errors import ConfigurationError

MOST_RECORDS: Final = 200
"""Records of both clusters together up to which every pair of them is compared, to say how clustering went."""

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class PairAnswer:
    """What is known of two rows: their clusters (name and records), the rules that brought them together, the weights.

    `stopped`: rules that would have, were their block not too large. `because` says in words what clustering did.
    """

    records: Pair
    clusters: Pair
    sizes: tuple[int, int]
    rules: tuple[str, ...]
    stopped: tuple[str, ...]
    explanation: Explanation
    because: str

    @property
    def together(self) -> bool:
        """Whether they are in one cluster."""
        return self.clusters[0] == self.clusters[1]

    def as_dict(self) -> dict[str, Any]:
        """Return the answer as plain values, weights in bits."""
        said = self.explanation
        levels = [
            {**asdict(row), "match_weight": row.match_weight / CENTIBITS} | {"level_code": int(row.level_code)}
            for row in said.rows
        ]
        return {
            "records": self.records,
            "together": self.together,
            "clusters": [{"cluster_id": c, "records": n} for c, n in zip(self.clusters, self.sizes, strict=True)],
            "blocking_rules": self.rules,
            "stopped_rules": self.stopped,
            "prior_bits": said.prior_weight / CENTIBITS,
            "comparisons": levels,
            "total_bits": said.total / CENTIBITS,
            "match_probability": said.match_probability,
            "threshold_bits": said.link_threshold / CENTIBITS,
            "decision": said.decision,
            "because": self.because,
            "model": said.model_id,
        }

    def as_text(self) -> str:
        """Return the answer as lines for a terminal."""
        one, other = (f"{name} ({size:,} records)" for name, size in zip(self.clusters, self.sizes, strict=True))
        where = f"together in cluster {one}" if self.together else f"apart: in clusters {one} and {other}"
        several = ", ".join(self.stopped)
        stopped = f"; their block is too large under {several}, where only near records are compared" if several else ""
        lines = [
            f"{self.records[0]} and {self.records[1]}: {where}",
            f"blocking rules that brought them together: {', '.join(self.rules) or 'none'}{stopped}",
            self.explanation.as_text(),
            self.because,
        ]
        return "\n".join(lines)


def rows_of(ids: Sequence[str], wanted: Pair, column: str) -> tuple[int, int]:
    """Return the rows of two record ids. Raises ConfigurationError if the table has no such row, or they are one."""
    place = {name: row for row, name in enumerate(ids)}
    missing = [name for name in wanted if name not in place]
    if missing:
        named = " and no row ".join(map(repr, missing))
        message = f"--explain: there is no row {named} in column {column!r} (record_id); the first is {ids[0]!r}"
        raise ConfigurationError(message)
    if wanted[0] == wanted[1]:
        message = f"--explain: {wanted[0]!r} is named twice; name two rows"
        raise ConfigurationError(message)
    return place[wanted[0]], place[wanted[1]]


@dataclass(frozen=True, slots=True)
class Linked:
    """One run: the outcome, its model and training (None with a given model), and its rows.

    `ids` and `marks` are of all rows; `dates` says by column how dates were read.
    """

    outcome: LinkedTable
    model: LinkageModel
    trained: Trained | None
    columns: RecordColumns
    ids: Sequence[str]
    marks: Marks | None
    repeats: Repeats
    dates: Grounds

    @property
    def expected(self) -> float:
        """What is expected of the clusters (F1), 0 where training expects hardly a match or there was none.

        That is what training expects, and no more than sources allow that hold each thing once.
        """
        if self.trained is None or self.trained.expected_matches < FEW_MATCHES:
            return 0.0
        point = self.trained.expected
        return replace(point, precision=min(point.precision, self.most_precision)).value

    @property
    def most_precision(self) -> float:
        """The precision that the clusters can have if sources hold each thing as often as the model says."""
        rows, names = self.repeats.rows, self.columns.source_names
        mostly = np.array([self.model.uniqueness(name).unique == "soft" for name in names], dtype=bool)
        return most_precision(self.outcome.clusters[rows], self.columns.sources[rows], mostly)

    def explain(self, rows: tuple[int, int]) -> PairAnswer:
        """Explain two rows of the table."""
        clusters = self.outcome.clusters
        sizes = [int((clusters == clusters[row]).sum()) for row in rows]
        values = self.columns.values(np.array(rows))
        bring, stopped = rules_that_bring_together(self.columns, self.model, rows)
        return PairAnswer(
            (self.ids[rows[0]], self.ids[rows[1]]),
            (self.ids[int(clusters[rows[0]])], self.ids[int(clusters[rows[1]])]),
            (sizes[0], sizes[1]),
            tuple(bring),
            tuple(stopped),
            explain_pair(self.model, values[0], values[1]),
            self._because(rows),
        )

    def _source(self, row: int) -> str:
        return self.columns.source_names[int(self.columns.sources[row])]

    def _because(self, rows: tuple[int, int]) -> str:
        """Say how the clusters of two rows came about, from all pairs of the records that were linked themselves."""
        own = [int(self.repeats.rows[self.repeats.first[row]]) for row in rows]
        clusters = self.outcome.clusters
        members = self.repeats.rows[np.isin(clusters[self.repeats.rows], clusters[own])].tolist()
        followed = "".join(
            f"{self.ids[row]} equals {self.ids[first]} in everything and follows it. "
            for row, first in zip(rows, own, strict=True)
            if row != first
        )
        if own[0] == own[1]:
            return followed.strip()
        if len(members) > MOST_RECORDS:
            return f"{followed}With {len(members):,} records in their clusters, how these came about is not worked out."
        values = self.columns.values(np.array(members))
        marks = [0 if self.marks is None else int(self.marks[row]) for row in members]
        records = [
            (self.ids[row], self._source(row), value, mark)
            for row, value, mark in zip(members, values, marks, strict=True)
        ]
        cluster_of = {self.ids[row]: int(clusters[row]) for row in members}
        evidence = evidence_among(self.model, records)
        both = [[i for i, key in enumerate(evidence.keys) if cluster_of[key] == clusters[row]] for row in own]
        evidence = connected_as(evidence, both)
        place = [evidence.keys.index(self.ids[row]) for row in own]
        return followed + _how(
            evidence, merge_tree(evidence), place, together=bool(clusters[own[0]] == clusters[own[1]])
        )


def _how(evidence: Evidence, tree: MergeTree, place: Sequence[int], *, together: bool) -> str:
    """Say by what mean weight two records (numbers in the evidence) were joined, or what kept their groups apart."""
    threshold = evidence.model.mean_threshold / CENTIBITS
    if together:
        for join in tree.joins:
            if {*place} <= {*join.left, *join.right}:
                sizes = f"{len(join.left):,} and {len(join.right):,} records"
                mean = f"mean weight {join.mean / CENTIBITS:+.2f}, threshold {threshold:+.2f}"
                return f"Clustering joined the groups that hold them, of {sizes}: {mean}."
        return "Other records of their component keep them together."
    for each in tree.apart:
        if any(a in each.left and b in each.right for a, b in (place, place[::-1])):
            mean = f"Between their groups the mean weight is {each.mean / CENTIBITS:+.2f}, threshold {threshold:+.2f}"
            if each.barrier:
                return f"{mean}; a rule keeps them apart: {RULE_WORDS[each.barrier]}."
            enough = each.mean >= evidence.model.mean_threshold
            return f"{mean}{', but no compared pair reaches the threshold' if enough else ''}."
    return "Their component was too large and was cut at its weakest links."
