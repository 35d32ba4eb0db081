"""The Merkle tree: equal to RFC 9162 as other people implement it, and proofs that only true statements have."""

from __future__ import annotations

from hashlib import sha256

import pymerkle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.verify_audit import includes
from projections.access.merkle import (
    EMPTY_ROOT,
    Fetch,
    Frontier,
    Node,
    consistency_proof,
    fetch_from,
    inclusion_proof,
    leaf_hash,
    range_root,
    verify_consistency,
)

MANY = 700  # more than two stored nodes of level 8


def grown(leaves: list[bytes]) -> tuple[Frontier, Fetch]:
    """Return the frontier of the leaf hashes, and a Fetch over what a store would hold."""
    frontier, nodes = Frontier().grow(leaves)
    levels: dict[int, list[bytes]] = {0: leaves}
    for node in sorted(nodes):
        levels.setdefault(node.level, []).append(node.hash)
    return frontier, fetch_from(lambda level, first, count: levels[level][first : first + count])


HASHES = [leaf_hash(b"%d" % number) for number in range(MANY)]
FETCH = grown(HASHES)[1]
ROOTS = [Frontier().grow(HASHES[:size])[0].root() for size in range(MANY + 1)]

sizes = st.integers(1, MANY)


def test_roots_equal_those_of_another_implementation() -> None:
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    assert Frontier().root() == EMPTY_ROOT
    for number in range(130):
        tree.append_entry(b"%d" % number)
        assert tree.get_root() == ROOTS[number + 1]


def test_the_roots_of_certificate_transparency_s_own_test_vector() -> None:
    entries = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    frontier = Frontier().grow([leaf_hash(bytes.fromhex(each)) for each in entries])[0]
    assert frontier.root().hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


@given(sizes)
def test_the_root_follows_from_stored_levels_as_from_the_frontier(size: int) -> None:
    assert range_root(FETCH, 0, size) == ROOTS[size]


@given(st.lists(st.integers(0, 300), max_size=5))
def test_it_does_not_matter_in_how_many_steps_a_tree_grew(steps: list[int]) -> None:
    frontier, nodes, at = Frontier(), list[Node](), 0
    for step in steps:
        frontier, more = frontier.grow(HASHES[at : at + step])
        nodes, at = nodes + more, min(at + step, MANY)
        frontier = Frontier.from_bytes(frontier.size, frontier.to_bytes())
    assert (frontier, nodes) == Frontier().grow(HASHES[:at])


@given(sizes, st.data())
def test_every_leaf_can_be_proved(size: int, data: st.DataObject) -> None:
    leaf = data.draw(st.integers(0, size - 1))
    path = inclusion_proof(FETCH, leaf, size)
    assert includes(ROOTS[size], size, leaf, HASHES[leaf], path)


@given(sizes, st.data())
def test_no_other_leaf_root_size_or_path_is_proved(size: int, data: st.DataObject) -> None:
    leaf, other = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size - 1))
    path = inclusion_proof(FETCH, leaf, size)
    assert includes(ROOTS[size], size, other, HASHES[leaf], path) == (other == leaf)
    assert not includes(ROOTS[size - 1], size, leaf, HASHES[leaf], path)
    assert not includes(ROOTS[size], size, leaf, HASHES[leaf], [*path, HASHES[0]])
    if path:
        broken = [sha256(path[0]).digest(), *path[1:]]
        assert not includes(ROOTS[size], size, leaf, HASHES[leaf], broken)
        assert not includes(ROOTS[size], size, leaf, HASHES[leaf], path[:-1])


@given(st.integers(0, MANY), st.data())
def test_every_prefix_can_be_proved(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(0, new))
    path = consistency_proof(FETCH, old, new)
    assert verify_consistency(old, ROOTS[old], new, ROOTS[new], path)


@given(st.integers(2, MANY), st.data())
def test_no_tree_that_is_not_a_prefix_is_proved(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new - 1))
    changed = data.draw(st.integers(0, old - 1))
    leaves = [*HASHES[:changed], leaf_hash(b"other"), *HASHES[changed + 1 : new]]
    forked, fetch = grown(leaves)
    proofs = (consistency_proof(fetch, old, new), consistency_proof(FETCH, old, new))
    assert not any(verify_consistency(old, ROOTS[old], new, forked.root(), path) for path in proofs)


@given(st.integers(1, 40), st.integers(0, 40), st.lists(st.sampled_from(HASHES[:4]), max_size=7))
def test_no_path_out_of_thin_air_is_taken_for_a_proof(old: int, more: int, path: list[bytes]) -> None:
    assert not verify_consistency(old, leaf_hash(b"x"), old + more + 1, leaf_hash(b"y"), path)
    assert not includes(leaf_hash(b"y"), old + more, old - 1, HASHES[0], path)


def test_what_is_not_in_the_tree_has_no_proof() -> None:
    with pytest.raises(ValueError, match="not in a tree"):
        inclusion_proof(FETCH, 5, 5)
    with pytest.raises(ValueError, match="no prefix"):
        consistency_proof(FETCH, 6, 5)
    with pytest.raises(ValueError, match="peaks"):
        Frontier.from_bytes(3, b"")
