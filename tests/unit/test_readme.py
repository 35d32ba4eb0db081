"""The README's examples are real: its feed loads, its LINK.toml links, and its commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from contactpoint.cli.app import app
from contactpoint.table_link import Outputs, run_link
from ingest.settings import load_feed

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
TOML = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
COMMANDS = sorted(set(re.findall(r"^contactpoint ([a-z]+(?: [a-z]+)?)(?= |$)", README, re.MULTILINE)))


def test_the_example_of_a_feed_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "feed.toml"
    path.write_text(TOML[0], encoding="utf-8")
    assert load_feed(path).name == "yot-700"


def test_the_example_of_a_link_configuration_links_a_table(tmp_path: Path) -> None:
    path, table, out = tmp_path / "LINK.toml", tmp_path / "EXTRACT.csv", tmp_path / "CLUSTERS.csv"
    path.write_text(TOML[1], encoding="utf-8")
    people = [f"Ann,,Name{n},AB1 {n % 9}CD,{2010 + n % 5},{1 + n % 12},{1 + n % 28}," for n in range(40)]
    lines = [f"{source}{n},{source},{person}" for n, person in enumerate(people) for source in "ab"]
    names = "pupil_id,school,first_name,known_as,last_name,postcode,dob_y,dob_m,dob_d,twin_no"
    table.write_text("\n".join([names, *lines]), encoding="utf-8")
    run_link([table], path, Outputs(out), lambda *_: None)
    clusters = dict(line.replace('"', "").split(",") for line in out.read_text(encoding="utf-8").splitlines()[1:])
    assert all(clusters[f"b{n}"] == f"a{n}" for n in range(40))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_in_the_readme_exists(command: str) -> None:
    words = command.split()
    done = CliRunner().invoke(app, [*words, "--help"])
    if done.exit_code and len(words) > 1:  # the second word was an argument
        done = CliRunner().invoke(app, [words[0], "--help"])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("target", sorted(set(re.findall(r"^make ([a-z-]+)", README, re.MULTILINE))))
def test_a_make_target_in_the_readme_exists(target: str) -> None:
    makefile = (Path(__file__).parents[2] / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^(?:[a-z- ]* )?{target}(?: [a-z- ]*)?:", makefile, re.MULTILINE)
