r"""Verify an exported audit trail, or one proof, without trusting whoever exported it.

    python verify_audit.py trail FOLDER --log LOG.vkey --witness WITNESS.vkey [--seen NOTE] [--copy TRAIL.jsonl]
    python verify_audit.py proof PROOF ENTRY --log LOG.vkey --witness WITNESS.vkey

Needs this one file, Python 3.11 and `cryptography`, and nothing of the system that made the trail. The two public keys
must come from somewhere else than the export: the witness's from the witness. NOTE is the newest checkpoint as the
witness gives it (its `GET /`): without it a trail that was rolled back as a whole cannot be told from a younger one.
TRAIL.jsonl is an older export or another copy: with it a fork is found to the leaf.

FOLDER holds `trail.jsonl` (one object a leaf: `leaf`, `body`, `signature`), `checkpoints.jsonl` (`size`, `note`), and
`keys.txt`, which names the keys that open what is sealed: of one that is gone an entry must say that it was destroyed,
and such a one must be gone.
A leaf is SHA-256(0x00 || body); the tree is RFC 9162's; checkpoints and cosignatures are C2SP's; a leaf's signature is
Ed25519 over "contactpoint/leaf/v1\n" || leaf hash. Exit status: 0 it holds, 1 it does not, 2 it cannot be read.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LOG, WITNESS = 0x01, 0x04


class BadTrailError(Exception):
    """The trail does not hold: what was done to it, and the first bad leaf."""

    def __init__(self, kind: str, leaf: int, detail: str) -> None:
        super().__init__(f"FIRST BAD LEAF {leaf}: {kind}: {detail}")


@dataclass(frozen=True)
class Key:
    """A public key of a signed note."""

    name: str
    kind: int
    public: bytes

    @classmethod
    def parse(cls, text: str, kind: int) -> Key:
        """Read `name+id+base64(kind || key)`."""
        name, _, rest = text.strip().partition("+")
        raw = base64.b64decode(rest.partition("+")[2], validate=True)
        found = cls(name, raw[0], raw[1:])
        if len(raw) != 33 or found.kind != kind or found.key_id.hex() != rest.partition("+")[0]:
            raise ValueError("this is no public key of a signed note, or not of this kind")
        return found

    @property
    def key_id(self) -> bytes:
        """The first four bytes of each of its signatures."""
        return sha256(f"{self.name}\n".encode() + bytes([self.kind]) + self.public).digest()[:4]

    def holds(self, signature: bytes, message: bytes) -> bool:
        """Tell whether it signed the message."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class Checkpoint:
    """A note, as it claims to be: signatures are checked by `signed`."""

    size: int
    root: bytes
    note: str

    @classmethod
    def parse(cls, note: str) -> Checkpoint:
        """Read the text of a note."""
        lines = note.split("\n")
        return cls(int(lines[1]), base64.b64decode(lines[2], validate=True), note)

    def signed(self, key: Key) -> bool:
        """Tell whether this key has signed it."""
        body, _, lines = self.note.partition("\n\n")
        text = body + "\n"
        if key.kind == LOG and text.partition("\n")[0] != key.name:
            return False
        for line in lines.rstrip("\n").split("\n"):
            name, _, encoded = line.removeprefix("— ").partition(" ")
            raw = base64.b64decode(encoded)
            if name == key.name and raw[:4] == key.key_id:
                timed = f"cosignature/v1\ntime {int.from_bytes(raw[4:12], 'big')}\n{text}"
                message, signature = (text, raw[4:]) if key.kind == LOG else (timed, raw[12:])
                if key.holds(signature, message.encode()):
                    return True
        return False


def hash_leaf(body: str) -> bytes:
    """Return the hash of a leaf."""
    return sha256(b"\x00" + body.encode()).digest()


def hash_node(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


class Tree:
    """A growing tree, known by the roots of its perfect subtrees."""

    def __init__(self) -> None:
        self.size = 0
        self.peaks: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """Append a leaf's hash."""
        rest = self.size
        while rest & 1:
            leaf = hash_node(self.peaks.pop(), leaf)
            rest >>= 1
        self.peaks.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Return the root."""
        root = self.peaks[-1] if self.peaks else sha256(b"").digest()
        for peak in reversed(self.peaks[:-1]):
            root = hash_node(peak, root)
        return root


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file, one a line."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def claimed(row: dict[str, Any]) -> int:
    """Return the number that a leaf gives itself; -1 for none."""
    try:
        number = json.loads(row["body"])["leaf"]
    except (ValueError, KeyError, TypeError):
        return -1
    return number if isinstance(number, int) else -1


def authentic(row: dict[str, Any], log: Key) -> bool:
    """Tell whether the log signed this very leaf, wherever it stands now."""
    try:
        signature = base64.b64decode(row["signature"], validate=True)
    except ValueError:
        return False
    return log.holds(signature, b"contactpoint/leaf/v1\n" + hash_leaf(row["body"]))


def find_first_bad(trail: Path, log: Key, start: int) -> BadTrailError | None:
    """Return what is wrong with the first leaf from `start` on that does not stand where the log had put it."""
    for at, row in enumerate(rows(trail)):
        if at < start:
            continue
        good, number = authentic(row, log), claimed(row)
        if good and number == at and row["leaf"] == at:
            continue
        others = (other for place, other in enumerate(rows(trail)) if place != at and claimed(other) == at)
        elsewhere = any(authentic(other, log) for other in others)
        if not good and elsewhere:
            return BadTrailError("inserted", at, "an entry that the log never signed stands before the real one")
        if not good:
            return BadTrailError("edited", at, "the log never signed an entry with this content")
        if number < at:
            return BadTrailError("inserted", at, f"a copy of leaf {number} stands here")
        if elsewhere:
            return BadTrailError("reordered", at, f"leaf {number} stands here, and this leaf somewhere later")
        return BadTrailError("deleted", at, f"this entry is gone; leaf {number} stands in its place")
    return None


def verify_trail(folder: Path, log: Key, witness: Key, seen: Checkpoint | None, copy: Path | None) -> str:
    """Verify a whole export; return what it shows, or raise BadTrailError."""
    trail = folder / "trail.jsonl"
    checkpoints = [Checkpoint.parse(row["note"]) for row in rows(folder / "checkpoints.jsonl")]
    checkpoints.sort(key=lambda each: each.size)
    wanted = {each.size for each in checkpoints} | ({seen.size} if seen else set())
    tree, roots = Tree(), {0: Tree().root()}
    for row in rows(trail):
        tree.add(hash_leaf(row["body"]))
        if tree.size in wanted:
            roots[tree.size] = tree.root()
    good = 0
    for each in checkpoints:
        if roots.get(each.size) != each.root:
            raise _explain(trail, each, good, tree.size, log)
        good = each.size
    witnessed = _witnessed(checkpoints, log, witness)
    late = find_first_bad(trail, log, witnessed.size)  # what no witness covers stands on the leaves' signatures
    if late is not None:
        raise late
    if seen is not None:
        _compare_with_witness(trail, tree.size, roots, witnessed, seen, copy)
    _check_keys(trail, folder / "keys.txt")
    sizes = f"{tree.size} entries hold: {witnessed.size} covered by a checkpoint that the witness cosigned"
    return f"{sizes}, {tree.size - witnessed.size} newer ones by the log's signatures alone"


def _check_keys(trail: Path, keys: Path) -> None:
    there = {bytes.fromhex(line.replace("-", "")) for line in keys.read_text(encoding="ascii").split()}
    gone: dict[str, int] = {}
    destroyed: dict[str, int] = {}
    for row in rows(trail):
        said = json.loads(row["body"])
        key = said.get("sealed", {}).get("key")
        if key is not None and bytes.fromhex(key.replace("-", "")) not in there:
            gone.setdefault(key, row["leaf"])
        for each in said.get("keys", ()) if said["action"] == "destroyed_keys" else ():
            destroyed.setdefault(each, row["leaf"])
    for key, leaf in gone.items():
        if key not in destroyed:
            raise BadTrailError("key gone", leaf, "no entry says that the key of what it keeps sealed was destroyed")
    for key, leaf in destroyed.items():
        if bytes.fromhex(key.replace("-", "")) in there:
            raise BadTrailError("key kept", leaf, "a key is there that this entry says was destroyed")


def _explain(trail: Path, bad: Checkpoint, good: int, size: int, log: Key) -> BadTrailError:
    if not bad.signed(log):
        return BadTrailError("edited", good, f"the checkpoint of {bad.size} entries is not the log's")
    lost = BadTrailError("truncated", size, f"a signed checkpoint counts {bad.size} entries and {size} are here")
    forked = BadTrailError("forked", good, f"signed entries that the checkpoint of {bad.size} entries does not cover")
    return find_first_bad(trail, log, good) or (lost if size < bad.size else forked)


def _witnessed(checkpoints: list[Checkpoint], log: Key, witness: Key) -> Checkpoint:
    """Return the newest checkpoint that both have signed; the older ones follow from it."""
    for each in reversed(checkpoints):
        if each.signed(log) and each.signed(witness):
            return each
    raise BadTrailError("not witnessed", 0, "no checkpoint is signed by the log and cosigned by the witness")


def _compare_with_witness(
    trail: Path, size: int, roots: dict[int, bytes], witnessed: Checkpoint, seen: Checkpoint, copy: Path | None
) -> None:
    if size < seen.size:
        raise BadTrailError("rolled back", size, f"the witness has seen {seen.size} entries and {size} are here")
    if roots[seen.size] != seen.root:
        first = witnessed.size if witnessed.size < seen.size else 0
        detail = f"the witness has seen other entries; it agrees up to leaf {first}"
        if copy is not None:
            pairs = enumerate(zip(rows(trail), rows(copy), strict=False))
            first = next((at for at, (one, other) in pairs if one["body"] != other["body"]), first)
            detail = "the witness has seen another entry here, which the copy holds"
        raise BadTrailError("forked", first, detail)


def includes(root: bytes, size: int, leaf: int, hashed: bytes, path: list[bytes]) -> bool:
    """Tell whether the path leads from the leaf's hash to the root (RFC 9162 §2.1.3.2)."""
    position, last, current = leaf, size - 1, hashed
    for sibling in path:
        if position & 1 or position == last:
            current = hash_node(sibling, current)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            current = hash_node(current, sibling)
        position, last = position >> 1, last >> 1
    return 0 <= leaf < size and last == 0 and current == root


def verify_proof(text: str, body: str, log: Key, witness: Key) -> str:
    """Verify a c2sp.org/tlog-proof of one entry; return what it shows, or raise BadTrailError."""
    head, _, note = text.partition("\n\n")
    version, index, *lines = head.split("\n")
    leaf, checkpoint = int(index.removeprefix("index ")), Checkpoint.parse(note)
    if version != "c2sp.org/tlog-proof@v1":
        raise ValueError("this is no proof of the kind c2sp.org/tlog-proof@v1")
    if not (checkpoint.signed(log) and checkpoint.signed(witness)):
        raise BadTrailError("forked", leaf, "the checkpoint is not signed by the log and the witness")
    path = [base64.b64decode(line, validate=True) for line in lines]
    if not includes(checkpoint.root, checkpoint.size, leaf, hash_leaf(body), path):
        raise BadTrailError("edited", leaf, "this entry is not in the tree that was signed")
    return f"the entry is leaf {leaf} of the {checkpoint.size} that the log signed and the witness cosigned"


def main(arguments: list[str]) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description="Verify an audit trail without trusting whoever exported it.")
    commands = parser.add_subparsers(dest="command", required=True)
    trail, proof = commands.add_parser("trail"), commands.add_parser("proof")
    trail.add_argument("folder", type=Path)
    trail.add_argument("--seen", type=Path, help="the newest checkpoint as the witness gives it")
    trail.add_argument("--copy", type=Path, help="another copy of trail.jsonl, to find a fork to the leaf")
    proof.add_argument("proof", type=Path)
    proof.add_argument("entry", type=Path)
    for each in (trail, proof):
        each.add_argument("--log", type=Path, required=True, help="the log's public key")
        each.add_argument("--witness", type=Path, required=True, help="the witness's public key")
    given = parser.parse_args(arguments)
    try:
        log, witness = Key.parse(given.log.read_text(), LOG), Key.parse(given.witness.read_text(), WITNESS)
        if given.command == "proof":
            print(verify_proof(given.proof.read_text(encoding="utf-8"), given.entry.read_text("utf-8"), log, witness))
            return 0
        seen = Checkpoint.parse(given.seen.read_text(encoding="utf-8")) if given.seen else None
        if seen is not None and not seen.signed(witness):
            parser.error("the checkpoint of --seen is not signed by the witness")
        print(verify_trail(given.folder, log, witness, seen, given.copy))
    except BadTrailError as error:
        print(error)
        return 1
    except (OSError, ValueError, KeyError, IndexError) as error:
        print(f"cannot be read: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
