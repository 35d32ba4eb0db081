from __future__ import annotations

import numpy as np
from hypothesis import given

from matching.linkage.batch import link_all
from matching.linkage.columns import columns_of
from matching.linkage.constraints import Constraints
from matching.linkage.evidence import SOURCE_RULE, Evidence, connected_as, evidence_among, group
from matching.linkage.merge_tree import MergeTree, merge_tree
from tests.unit.matching.linkage.small_evidence import evidences, rows, weighing
from tests.unit.matching.worlds import model

Groups = set[frozenset[int]]


def groups_of(labels: list[int]) -> Groups:
    return {frozenset(i for i, other in enumerate(labels) if other == label) for label in labels}


def replayed(tree: MergeTree, n: int) -> Groups:
    """Do the tree's steps, one after another."""
    groups = {frozenset({i}) for i in range(n)}
    for join in tree.joins:
        left, right = frozenset(join.left), frozenset(join.right)
        groups -= {left, right}
        groups.add(left | right)
    return groups


@given(rows)
def test_the_evidence_among_a_few_records_groups_them_as_linkage_of_the_table_does(
    table: list[tuple[tuple[str, ...], str]],
) -> None:
    world = model()
    records = [(f"{source}:{i}", source, row, 0) for i, (row, source) in enumerate(table)]
    ordered = sorted(records)
    columns = columns_of(world, [row for _, _, row, _ in ordered], [source for _, source, _, _ in ordered])
    pair = [(0, len(table) - 1)] if len(table) > 1 else []
    cannot = np.array(pair, np.int64).reshape(-1, 2)
    expected = link_all(columns, world, Constraints(cannot_link=cannot), [key for key, _, _, _ in ordered]).clusters
    found = evidence_among(world, records, (), [(ordered[a][0], ordered[b][0], "d") for a, b in pair])
    assert groups_of(group(found).tolist()) == groups_of(expected.tolist())


@given(evidences())
def test_the_steps_of_the_tree_lead_to_the_groups_of_clustering(evidence: Evidence) -> None:
    tree = merge_tree(evidence)
    assert set(map(frozenset, tree.groups)) == replayed(tree, len(evidence.keys))
    assert set(map(frozenset, tree.groups)) == groups_of(group(evidence).tolist())


@given(evidences())
def test_the_tree_of_one_group_alone_is_that_of_all_records_cut_to_it(evidence: Evidence) -> None:
    whole = merge_tree(evidence)
    for members in whole.groups:
        alone = merge_tree(connected_as(cut(evidence, members), [range(len(members))]))
        inside = [join for join in whole.joins if set(join.left) <= set(members)]
        steps = [(*(tuple(members[i] for i in side) for side in (j.left, j.right)), j.mean) for j in alone.joins]
        assert steps == [(join.left, join.right, join.mean) for join in inside]


def cut(evidence: Evidence, members: tuple[int, ...]) -> Evidence:
    """Return the evidence among some of the records only."""
    inside = np.isin(evidence.left, members) & np.isin(evidence.right, members)
    place = {member: i for i, member in enumerate(members)}
    renumbered = np.array([place.get(i, 0) for i in range(len(evidence.keys))], np.int64)
    must, cannot = (
        tuple(
            type(each)(place[each.left], place[each.right], each.decision)
            for each in kind
            if each.left in place and each.right in place
        )
        for kind in (evidence.must, evidence.cannot)
    )
    return Evidence(
        evidence.model, tuple(evidence.keys[i] for i in members),
        renumbered[evidence.left[inside]], renumbered[evidence.right[inside]],
        evidence.levels[inside], evidence.weights[inside], evidence.penalties[inside], evidence.found[inside],
        must, cannot,
    )  # fmt: skip


def test_each_step_of_a_known_tree_tells_its_mean_and_its_cause() -> None:
    evidence = weighing(4, {(0, 1): 900, (0, 2): 500, (1, 2): 300}, must=[(2, 3, "d1")])
    tree = merge_tree(evidence)
    assert [(j.left, j.right, j.mean, j.cause, j.decision) for j in tree.joins] == [
        ((2,), (3,), -900.0, "must_link", "d1"),
        ((0,), (1,), 900.0, "weight", None),
    ]
    assert tree.groups == ((0, 1), (2, 3))
    assert [(each.mean, each.barrier) for each in tree.apart] == [(-250.0, "")]


def test_what_keeps_two_groups_apart_is_named() -> None:
    tree = merge_tree(weighing(2, {(0, 1): 900}, cannot=[(0, 1, "d7")]))
    assert [(each.mean, each.barrier) for each in tree.apart] == [(900.0, "d7")]
    twice = [(f"school-1:{i}", "school-1", ("ANNA", "SMITH", "20010203", "AB12CD", "9434765919"), 0) for i in range(2)]
    assert [each.barrier for each in merge_tree(evidence_among(model(), twice)).apart] == [SOURCE_RULE]
