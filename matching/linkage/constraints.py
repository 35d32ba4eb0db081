"""What outranks weights: decisions of people, merges that a source announced, sources that hold each person once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.linkage.hashing import Indices
from matching.linkage.model import LinkageModel
from matching.linkage.scoring import Weights


def _no_pairs() -> Indices:
    return np.empty((0, 2), np.int64)


@dataclass(frozen=True, slots=True)
class Constraints:
    """Pairs of row numbers, shape (pairs, 2): `must_link` are one child whatever they weigh, `cannot_link` never are.

    Where both are asked of one pair, or a must-link joins two records of a source that holds each person once, the
    must-link wins: it was said about these very records.
    """

    must_link: Indices = field(default_factory=_no_pairs)
    cannot_link: Indices = field(default_factory=_no_pairs)

    def __bool__(self) -> bool:
        return bool(len(self.must_link) or len(self.cannot_link))


class SourceRules:
    """The source policies of a model as arrays by source code."""

    def __init__(self, model: LinkageModel, source_names: list[str]) -> None:
        policies = [model.uniqueness(name) for name in source_names]
        self.count: Final = len(policies)
        self._hard = np.array([p.unique == "hard" for p in policies], dtype=bool)
        self._penalty = np.array([p.penalty if p.unique == "soft" else 0 for p in policies], np.int64)

    def apply(
        self, weights: Weights, left: npt.NDArray[np.int32], right: npt.NDArray[np.int32]
    ) -> tuple[Weights, npt.NDArray[np.bool_]]:
        """Return the weights less the penalty of a softly unique source, and which pairs a unique source bars.

        `left` and `right` are the source codes of each pair.
        """
        same = left == right
        return weights - np.where(same, self._penalty[left], 0), same & self._hard[left]
