"""Blocks of one table, told by rule, that hold more records than may all be compared with each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from matching.estimation.rules import bounded
from matching.linkage.blocking import Blocker
from matching.linkage.columns import RecordColumns
from matching.linkage.hashing import Indices, one_of_each
from matching.linkage.model import LinkageModel


@dataclass(frozen=True, slots=True)
class StoppedRule:
    """A blocking rule of which some blocks are not compared as a whole: how many, their records, the largest."""

    rule: str
    blocks: int
    records: int
    largest: int


@dataclass(frozen=True, slots=True)
class Stopped:
    """The rules with stopped blocks, and how many records of such blocks share no block that is compared as a whole."""

    rules: tuple[StoppedRule, ...]
    alone: int

    def warnings(self) -> list[str]:
        """Return what a person should know, and do, in a sentence; nothing where every block was compared."""
        if not self.rules:
            return []
        blocks, rules = sum(each.blocks for each in self.rules), len(self.rules)
        said = (
            f"{blocks:,} blocks of {rules} blocking rules hold too many records to compare with each other "
            "(stopped_blocks): there each is compared with a few that are alike in other values, so some that agree in "
            f"nothing but these may not be found, and {self.alone:,} records are in no other block. Look for a value "
            "that stands for 'unknown' and leave it empty, or add a column that tells people of one name apart"
        )
        return [said]


def within_budget(columns: RecordColumns, model: LinkageModel) -> LinkageModel:
    """Return a given model whose stop list also keeps blocking of this table within the budget of training."""
    keys = bounded(columns, model).stop_keys
    return replace(model, stop_keys=tuple(sorted({*model.stop_keys, *keys})))


def stopped_blocks(columns: RecordColumns, model: LinkageModel) -> Stopped:
    """Return which blocks of several records the model's stop list leaves out."""
    keys = np.array(model.stop_keys, np.uint64)
    touched, compared = np.zeros(len(columns), dtype=bool), np.zeros(len(columns), dtype=bool)
    found: list[StoppedRule] = []
    rids = np.arange(len(columns), dtype=np.int64)
    by_rule = Blocker(replace(model, stop_keys=())).keys_by_rule(columns, rids)
    for rule, (owners, own) in zip(model.blocking_rules, by_rule, strict=True):
        places, block = one_of_each(own)
        sizes = np.bincount(block, minlength=len(places))
        stopped = np.isin(own[places], keys) & (sizes > 1)
        touched[owners] |= stopped[block]
        compared[owners] |= (~stopped & (sizes > 1))[block]
        if stopped.any():
            left_out = sizes[stopped]
            found.append(StoppedRule(rule.name, len(left_out), int(left_out.sum()), int(left_out.max())))
    return Stopped(tuple(found), int((touched & ~compared).sum()))


def rules_that_bring_together(
    columns: RecordColumns, model: LinkageModel, pair: Sequence[int]
) -> tuple[list[str], list[str]]:
    """Return the rules under which two rows share a compared block, and those under which only a stopped one."""
    rids: Indices = np.array(pair, np.int64)
    bring, stopped = list[str](), list[str]()
    by_rule = Blocker(replace(model, stop_keys=())).keys_by_rule(columns, rids)
    for rule, (owners, keys) in zip(model.blocking_rules, by_rule, strict=True):
        shared = np.intersect1d(keys[owners == 0], keys[owners == 1])
        if len(shared):
            (stopped if np.isin(shared, np.array(model.stop_keys, np.uint64)).all() else bring).append(rule.name)
    return bring, stopped
