"""Guards for the generic names of our top-level packages (docs/decisions say why they are generic)."""

from __future__ import annotations

import tomllib
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = ("connectors", "contactpoint", "ingest", "matching", "projections", "schemas")


@pytest.mark.parametrize("name", PACKAGES)
def test_no_other_distribution_installs_a_package_of_our_name(name: str) -> None:
    assert set(packages_distributions().get(name, [])) <= {PROJECT["project"]["name"]}


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_of_our_name_is_ours(name: str) -> None:
    module = import_module(name)
    assert module.__file__ is not None
    assert Path(module.__file__).parent == ROOT / name


def test_a_package_index_would_refuse_an_upload() -> None:
    assert "Private :: Do Not Upload" in PROJECT["project"]["classifiers"]


def test_the_wheel_holds_our_packages_and_nothing_else() -> None:
    include = PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    assert sorted(include) == [f"{name}*" for name in PACKAGES]


@pytest.mark.parametrize("name", PACKAGES)
def test_every_package_says_that_it_is_typed(name: str) -> None:
    assert (ROOT / name / "py.typed").is_file()


@pytest.mark.parametrize("lock", ["runtime", "dev", "bench"])
def test_a_lock_file_names_no_index_and_pins_every_hash(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.lock").read_text(encoding="utf-8")
    pins = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert pins
    assert all("==" in line and line.endswith("\\") for line in pins)
    assert not any(word in text for word in ("http:", "https:", "--index-url", "--find-links"))
