"""The stand-alone verifier stands alone."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

VERIFIER = Path(__file__).parents[2] / "deploy" / "verify_audit.py"


def test_the_verifier_imports_the_standard_library_and_cryptography_only() -> None:
    tree = ast.parse(VERIFIER.read_text(encoding="utf-8"))
    modules = {
        name.name if isinstance(node, ast.Import) else str(node.module)
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    }
    assert {module.partition(".")[0] for module in modules} <= {*sys.stdlib_module_names, "cryptography"}
