"""A user's TOML file: what is wrong with it is said by file and key, with what is allowed there."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field

from connectors.toml_file import read_toml
from schemas.errors import ConfigurationError
from schemas.settings import Settings


class Leaf(Settings):
    """A table."""

    colour: str = "green"


class Tree(Settings):
    """A table with tables, lists of tables and tables by name in it."""

    age: int
    leaf: Leaf | None = None
    leaves: tuple[Leaf, ...] = ()
    named: dict[str, Leaf] = Field(default_factory=dict)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("age = 1\nheight = 2", "height: no such key; allowed here: age, leaf, leaves, named"),
        ("age = 1\n[leaf]\ncolor = 'red'", "leaf.color: no such key; allowed here: colour"),
        ("age = 1\n[[leaves]]\ncolor = 'red'", "leaves.0.color: no such key; allowed here: colour"),
        ("age = 1\n[named.top]\ncolor = 'red'", "named.top.color: no such key; allowed here: colour"),
        ("age = 'old'", "age: Input should be a valid integer"),
        ("age =", "is not TOML in UTF-8"),
    ],
)
def test_a_mistake_is_answered_with_file_key_and_what_is_allowed(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "tree.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        read_toml(file, Tree)
    assert str(refused.value).startswith(f"{file}: {says}")


def test_a_sound_file_is_its_model_and_a_missing_one_is_named(tmp_path: Path) -> None:
    file = tmp_path / "tree.toml"
    with pytest.raises(ConfigurationError, match=r"tree\.toml: cannot be read: No such file"):
        read_toml(file, Tree)
    file.write_text("age = 7")
    assert read_toml(file, Tree) == Tree(age=7)
