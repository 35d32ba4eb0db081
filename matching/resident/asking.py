"""What the resident owner asks about the clusters that a batch touched: questions between them and all others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from matching.linkage.conflicts import NOBODY, Crossing, Question, contradicts, cut_apart, questions, worth_asking
from matching.linkage.constraints import SourceRules
from matching.linkage.hashing import Indices
from matching.linkage.marks import VERIFIED_BITS, VerifiedNumbers
from matching.linkage.model import LinkageModel
from matching.linkage.resolution import Resolution
from matching.linkage.scoring import score
from matching.linkage.twins import Twins
from matching.resident.records import RecordTable
from matching.resident.regroup import Region
from matching.resident.shields import ShieldWatch
from matching.resident.statements import Stated, Statements


@dataclass(frozen=True, slots=True)
class Touched:
    """What a batch touched: its region, what is said of it, its resolution; `former` are the founders before."""

    region: Region
    stated: Stated
    resolution: Resolution
    former: Indices
    compared: Indices


class Asker:
    """Asks by the new clusters: `RecordTable.founders` and `RecordTable.shielded` must be up to date."""

    def __init__(self, records: RecordTable, model: LinkageModel) -> None:
        self._records = records
        self._model: Final = model
        self.twins: Final = Twins(model)
        self.verified: Final = VerifiedNumbers(model)
        self.shields: Final = ShieldWatch(records, model)

    def between(self, touched: Touched, statements: Statements, rules: SourceRules) -> list[Question]:
        """Return the questions between touched clusters and all others."""
        records, region, model = self._records, touched.region, self._model
        loose = self.shields.pairs_of(region.nodes)
        owners, others = np.concatenate([region.owners, loose[0]]), np.concatenate([region.others, loose[1]])
        weights = np.concatenate([region.outer_weights, loose[2]])
        of_owners, of_others = records.founders[owners], records.founders[others]
        across = of_owners != of_others
        if not across.any():
            return []
        marked = (records.verified[owners] & records.verified[others] & VERIFIED_BITS) != 0
        doubt = records.shielded[of_owners] != records.shielded[of_others]
        wanted = (weights >= model.lowest_possible_link) | marked
        wanted[len(region.owners) :] = False  # loose pairs can only raise doubts
        if touched.resolution.oversize:
            wanted &= ~cut_apart(owners, others, (region.nodes[each] for each in touched.resolution.oversize))
        at = np.flatnonzero(across & (wanted | doubt))
        if not len(at):
            return []
        left, right = owners[at], others[at]
        records.keys.recall(right)
        sources, columns = records.columns.sources, records.columns
        penalised, barred = rules.apply(weights[at], sources[left], sources[right])
        barred |= self.twins.apart(columns, records.verified, left, right)
        crossing = Crossing(
            left,
            right,
            of_owners[at].astype(np.int64),
            of_others[at].astype(np.int64),
            penalised,
            barred,
            self.verified.shared(columns, records.verified, left, right),
        )
        wanted = worth_asking(crossing, records.shielded, model)
        crossing = Crossing(*(getattr(crossing, name)[wanted] for name in Crossing.__slots__))
        answered = statements.kept_apart(touched.region.nodes)
        return questions(crossing, records.shielded, answered, model, records.keys.__getitem__)

    def about_decisions(self, touched: Touched, statements: Statements) -> list[Question]:
        """Return the decisions about touched records that evidence speaks strongly against."""
        records, book = self._records, statements.decisions
        pairs: dict[tuple[int, int], bool] = {}
        overruled = {(records.rid_of.get(a, -1), records.rid_of.get(b, -1)) for a, b in touched.stated.overruled}
        nodes = touched.region.nodes
        for rid in nodes[records.concerned[nodes]].tolist():
            key = records.keys[rid]
            for must, others in ((True, book.must.others(key)), (False, book.cannot.others(key))):
                for other in others:
                    at = records.rid_of.get(other)
                    if at is not None and records.live[at] and not book.is_beyond_evidence(key, other):
                        pairs[(rid, at) if key < other else (at, rid)] = must
        if not pairs:
            return []
        left, right = np.array(list(pairs), np.int64).T
        weights = score(records.columns, left, right, self._model).tolist()
        found = []
        for ((a, b), must), weight in zip(pairs.items(), weights, strict=True):
            ids = (book.must if must else book.cannot).others(records.keys[a])[records.keys[b]]
            against = sorted(
                each
                for each in ids
                if contradicts(weight, must=must, seen=book.made[each].seen, model=self._model)
                or ((a, b) in overruled and not must)
            )
            if against:
                clusters = int(records.founders[a]), int(records.founders[b])
                found.append(Question("decision_contradicted", a, b, *clusters, ((a, b),), NOBODY, tuple(against)))
        return found
