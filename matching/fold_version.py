"""The version of matching's fold: by it an upgrade tells that tables of an earlier build have to be made again."""

from __future__ import annotations

from typing import Final

FOLD_VERSION: Final = 1
"""The fold's version: counted up when the same log gives other rows under the same model, so that they are made again.

The fold is everything that makes rows of events: values and marks (`features`, `linkage.normalise`), value hashes and
blocking keys, comparison levels, constraints and twins, clusters, questions, child numbers, and the form in which rows
hold all this. `tests/golden/matching.folds.txt` says for each version what it makes of one small world.
"""
