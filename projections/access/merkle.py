"""The Merkle tree of RFC 9162 §2.1 (SHA-256): growing, roots, proofs of inclusion and consistency; verifies the latter.

Pure. A tree is grown through its frontier: the roots of the perfect subtrees that the leaves so far make up, largest
first. Proofs are made from a `Fetch`: the hash of the perfect subtree at (level, index), which covers the leaves from
`index << level` up to `(index + 1) << level`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

Fetch = Callable[[int, int], bytes]

EMPTY_ROOT = sha256(b"").digest()
STEP = 8  # inner hashes are stored for each eighth level; those between follow from at most 255 hashes below


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf (0x00 keeps leaves and nodes apart)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


class Node(NamedTuple):
    """A completed inner node at a stored level."""

    level: int
    position: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Frontier:
    """All that is needed of a tree to let it grow: its size, and the roots of its perfect subtrees, largest first."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def grow(self, leaves: Iterable[bytes]) -> tuple[Frontier, list[Node]]:
        """Append leaf hashes; return the new frontier and the nodes that were completed at stored levels."""
        size, peaks, nodes = self.size, list(self.peaks), []
        for leaf in leaves:
            index, level, current = size, 0, leaf
            while index & 1:
                current = node_hash(peaks.pop(), current)
                index >>= 1
                level += 1
                if level % STEP == 0:
                    nodes.append(Node(level, index, current))
            peaks.append(current)
            size += 1
        return Frontier(size, tuple(peaks)), nodes

    def root(self) -> bytes:
        """Return the tree's root hash."""
        if not self.peaks:
            return EMPTY_ROOT
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node_hash(peak, root)
        return root

    def to_bytes(self) -> bytes:
        """Return the peaks, one after the other."""
        return b"".join(self.peaks)

    @classmethod
    def from_bytes(cls, size: int, peaks: bytes) -> Frontier:
        """Read what `to_bytes` wrote; raise ValueError when it cannot be a frontier of this size."""
        if len(peaks) != 32 * size.bit_count():
            message = f"a tree of {size} leaves has {size.bit_count()} peaks"
            raise ValueError(message)
        return cls(size, tuple(peaks[at : at + 32] for at in range(0, len(peaks), 32)))


def range_root(fetch: Fetch, start: int, end: int) -> bytes:
    """Return RFC 9162's MTH over the leaves [start, end), which must be a range that the tree's recursion reaches."""
    size = end - start
    if size == 0:
        return EMPTY_ROOT
    if size & (size - 1) == 0:
        level = size.bit_length() - 1
        return fetch(level, start >> level)
    split = start + _split(size)
    return node_hash(range_root(fetch, start, split), range_root(fetch, split, end))


def inclusion_proof(fetch: Fetch, leaf: int, size: int) -> list[bytes]:
    """Return the path of a leaf in the tree of `size` leaves (RFC 9162 §2.1.3.1); ValueError when it is not in it."""
    if not 0 <= leaf < size:
        message = f"leaf {leaf} is not in a tree of {size} leaves"
        raise ValueError(message)
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        split = start + _split(end - start)
        if leaf < split:
            path.append(range_root(fetch, split, end))
            end = split
        else:
            path.append(range_root(fetch, start, split))
            start = split
    return path[::-1]


def consistency_proof(fetch: Fetch, old: int, new: int) -> list[bytes]:
    """Return the proof that the tree of `old` leaves is a prefix of that of `new` leaves (RFC 9162 §2.1.4.1)."""
    if not 0 <= old <= new:
        message = f"a tree of {new} leaves has no prefix of {old}"
        raise ValueError(message)
    if old in {0, new}:
        return []
    path: list[bytes] = []
    start, end, whole = 0, new, True
    while old != end:
        split = start + _split(end - start)
        if old <= split:
            path.append(range_root(fetch, split, end))
            end = split
        else:
            path.append(range_root(fetch, start, split))
            start, whole = split, False
    return path[::-1] if whole else [range_root(fetch, start, end), *path[::-1]]


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Tell whether the proof shows that the old tree is a prefix of the new one (RFC 9162 §2.1.4.2)."""
    if old in {0, new}:
        return not path and old_root == (new_root if old == new else EMPTY_ROOT)
    if not 0 < old < new or not path:
        return False
    hashes = [old_root, *path] if old & (old - 1) == 0 else list(path)
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    first = second = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not position & 1 and position != 0:
                position, last = position >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


def fetch_from(stored: Callable[[int, int, int], Sequence[bytes]]) -> Fetch:
    """Return a Fetch over stored levels: `stored(level, first, count)` gives hashes of level 0, 8, 16 ... in order."""

    def fetch(level: int, index: int) -> bytes:
        """Return one node: stored, or hashed from the stored level below."""
        below = level - level % STEP
        hashes = list(stored(below, index << (level - below), 1 << (level - below)))
        while len(hashes) > 1:
            hashes = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
        return hashes[0]

    return fetch


def _split(size: int) -> int:
    """Return the largest power of two that is smaller than `size` (at least 2)."""
    return 1 << ((size - 1).bit_length() - 1)
