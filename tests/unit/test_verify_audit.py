"""The stand-alone verifier: it stands alone, and what one proof costs its reader grows with the trail's logarithm."""

from __future__ import annotations

import ast
import sys
from itertools import accumulate
from pathlib import Path
from unittest.mock import Mock

import pytest

from deploy import verify_audit
from projections.access.merkle import inclusion_proof, leaf_hash, node_hash, range_root
from projections.access.note import LOG, WITNESS, Checkpoint, Signer, cosign, format_proof, sign_checkpoint

VERIFIER = Path(__file__).parents[2] / "deploy" / "verify_audit.py"
MILLION = 1_000_000
LOG_KEY = Signer("contactpoint.example/audit", LOG, b"l" * 32)
WITNESS_KEY = Signer("witness.contactpoint.example/w1", WITNESS, b"w" * 32)
BODY = "an entry"
# Of a trail whose entries are all alike every perfect subtree of a level has one hash: no million leaves are needed.
LEVELS = list(accumulate(range(20), lambda below, _: node_hash(below, below), initial=leaf_hash(BODY.encode())))


def test_the_verifier_imports_the_standard_library_and_cryptography_only() -> None:
    tree = ast.parse(VERIFIER.read_text(encoding="utf-8"))
    modules = {
        name.name if isinstance(node, ast.Import) else str(node.module)
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    }
    assert {module.partition(".")[0] for module in modules} <= {*sys.stdlib_module_names, "cryptography"}


@pytest.mark.parametrize("leaf", [0, 333_333, 524_287, 983_040, MILLION - 1])
def test_a_proof_among_a_million_entries_is_at_most_2_kb_and_checked_with_21_hashes(
    leaf: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaves, nodes = Mock(wraps=verify_audit.hash_leaf), Mock(wraps=verify_audit.hash_node)
    monkeypatch.setattr(verify_audit, "hash_leaf", leaves)
    monkeypatch.setattr(verify_audit, "hash_node", nodes)
    checkpoint = Checkpoint(LOG_KEY.name, MILLION, range_root(lambda level, _: LEVELS[level], 0, MILLION))
    note = sign_checkpoint(checkpoint, LOG_KEY) + cosign(checkpoint, WITNESS_KEY, 1_800_000_000)
    proof = format_proof(leaf, inclusion_proof(lambda level, _: LEVELS[level], leaf, MILLION), note)
    log, witness = (
        verify_audit.Key.parse(key.verifier.to_text(), kind) for key, kind in ((LOG_KEY, LOG), (WITNESS_KEY, WITNESS))
    )
    assert f"leaf {leaf} of the {MILLION} " in verify_audit.verify_proof(proof, BODY, log, witness)
    assert len(proof.encode()) <= 2_000
    assert leaves.call_count + nodes.call_count <= 1 + 20  # 2**20 > MILLION
