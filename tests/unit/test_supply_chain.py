"""What ships holds no secret, passes a security linter, and can be listed piece by piece."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("connectors", "contactpoint", "ingest", "matching", "projections", "schemas", "deploy")
SECRETS = re.compile(
    rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}"
    rb"|\bxox[abprs]-[A-Za-z0-9-]{10,}|\beyJ[A-Za-z0-9_-]{20,}\.eyJ[A-Za-z0-9_-]{20,}"
)


OURS = (*PACKAGES, "benchmarks", "docs", "requirements", "tests")


def files() -> list[Path]:
    inside = [path for name in OURS for path in (ROOT / name).rglob("*") if "__pycache__" not in path.parts]
    return [path for path in (*ROOT.iterdir(), *inside) if path.is_file()]


def test_no_file_of_the_project_holds_a_secret() -> None:
    found = files()
    assert len(found) > 300
    assert [str(path) for path in found if SECRETS.search(path.read_bytes())] == []


def test_the_search_for_secrets_finds_one() -> None:
    assert SECRETS.search(b"-----BEGIN PRIVATE " + b"KEY-----")


def test_the_security_linter_finds_nothing_of_medium_severity() -> None:
    command = [sys.executable, "-m", "bandit", "-q", "-ll", "-f", "json", "-r", *PACKAGES]
    found = subprocess.run(command, cwd=ROOT, check=False, capture_output=True)
    report = json.loads(found.stdout)
    assert report["metrics"]["_totals"]["loc"] > 10_000
    assert [(issue["filename"], issue["line_number"], issue["test_id"]) for issue in report["results"]] == []


def test_the_bill_of_materials_lists_every_locked_package(tmp_path: Path) -> None:
    lock, bill = ROOT / "requirements" / "runtime.lock", tmp_path / "sbom.json"
    command = [sys.executable, "-m", "cyclonedx_py", "requirements", str(lock), "-o", str(bill)]
    subprocess.run(command, check=True, capture_output=True)
    pinned = set(re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==", lock.read_text(encoding="utf-8"), re.MULTILINE))
    assert {component["name"] for component in json.loads(bill.read_text())["components"]} == pinned
