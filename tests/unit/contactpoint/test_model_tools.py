"""Models evaluated, compared and put into force, without servers."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from contactpoint.cli.app import app
from contactpoint.model_tools.activate import activation, read_for_activation
from contactpoint.model_tools.compare import compare_models
from contactpoint.model_tools.evaluate import draw, evaluate
from contactpoint.model_tools.files import ModelFiles
from matching.estimation.store import save_model
from matching.linkage.columns import columns_of
from matching.linkage.model import LinkageModel
from matching.linkage.model_json import dump_model
from matching.linkage.operating import OperatingPoint
from schemas.errors import ConfigurationError, RejectedError
from tests.factories.linkage import hand_made_model

NOW = datetime(2026, 3, 2, 9, 21, tzinfo=UTC)
REPORTED = replace(hand_made_model(), operating_points=(OperatingPoint(300, 0.99, 0.9),))


def test_an_activation_names_the_model_and_the_hash_of_its_very_bytes(tmp_path: Path) -> None:
    path = save_model(hand_made_model(), tmp_path)
    model, digest = read_for_activation(path)
    event = activation(model, digest, ("ann", "bob"), "retrained", NOW)
    assert event.data.sha256 == sha256(path.read_bytes()).hexdigest()
    assert (event.data.model, event.by, event.approved_by) == (hand_made_model().model_id, "ann", "bob")
    assert event == activation(model, digest, ("ann", "bob"), "retrained", NOW), "published again it is the same"


@pytest.mark.parametrize("change", ["edited", "no id", "not json", "missing", "other fields"])
def test_a_file_whose_content_is_not_what_its_id_names_is_refused(tmp_path: Path, change: str) -> None:
    path = save_model(hand_made_model(), tmp_path)
    content = json.loads(path.read_text())
    if change == "edited":
        path.write_text(json.dumps(content | {"link_threshold": 5}))
    elif change == "no id":
        path.write_text(json.dumps({k: v for k, v in content.items() if k != "model_id"}))
    elif change == "not json":
        path.write_text("{")
    elif change == "missing":
        path.unlink()
    else:
        path.write_text(dump_model(_renamed(hand_made_model())))
    with pytest.raises(ConfigurationError):
        read_for_activation(path)


def _renamed(model: LinkageModel) -> LinkageModel:
    fields = tuple(replace(f, name="forename") if f.name == "given" else f for f in model.fields)
    comparisons = tuple(
        replace(c, fields=tuple("forename" if name == "given" else name for name in c.fields))
        for c in model.comparisons
    )
    rules = tuple(r for r in model.blocking_rules if "given" not in str(r.parts))
    return replace(model, twins=None, shield_rules=(), fields=fields, comparisons=comparisons, blocking_rules=rules)


@pytest.mark.parametrize(("people", "reason"), [(("ann", "ann"), "retrained"), (("ann", "bob"), "because")])
def test_one_person_alone_or_a_reason_not_on_the_list_is_refused(people: tuple[str, str], reason: str) -> None:
    with pytest.raises(RejectedError):
        activation(hand_made_model(), "0" * 64, people, reason, NOW)


def test_two_models_side_by_side_show_what_changed_and_only_that_as_changed() -> None:
    one = hand_made_model()
    better = one.comparisons[0].with_probabilities(
        (0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.4), (0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1)
    )
    other = replace(one, comparisons=(better, *one.comparisons[1:]), link_threshold=400)
    found = compare_models(one, other)
    assert {row["fact"] for row in found["facts"] if row["differs"]} == {
        "model", "link threshold (bits)", "cluster threshold (bits)",
    }  # fmt: skip
    changed = {row["comparison"] for row in found["levels"] if row["change"]}
    assert changed == {"given"}
    assert all(row["change"] == 0 for row in compare_models(one, one)["levels"])


def test_the_curve_on_records_is_what_the_model_s_own_probabilities_say() -> None:
    row = ("ANNA", "SMITH", "20010203", "female", "AB12CD", "", "", "9434765919", "", "")
    apart = ("BEN", "JONES", "19990101", "male", "XY99ZZ", "", "", "1234567881", "", "")
    columns = columns_of(hand_made_model(), [row, row, apart], ["school-1", "health-1", "yot-1"])
    report = evaluate(REPORTED, columns)
    assert report["training"] == [
        {"threshold": 3.0, "precision": 0.99, "recall": 0.9, "f1": pytest.approx(0.9429, abs=1e-4)}
    ]
    assert [point["precision"] > 0.999 and point["recall"] == 1 for point in report["curve"]] == [True] * 25


def test_a_picture_of_the_curve_is_svg_with_a_title_and_a_description() -> None:
    root = ET.fromstring(draw(evaluate(REPORTED, None)))  # noqa: S314 - our own picture
    assert [child.tag.rpartition("}")[2] for child in root][:2] == ["title", "desc"]
    with pytest.raises(ConfigurationError, match="no training report"):
        draw(evaluate(hand_made_model(), None))


def test_a_model_is_found_by_its_id_whatever_its_file_is_called(tmp_path: Path) -> None:
    path = save_model(hand_made_model(), tmp_path).rename(tmp_path / "mine.json")
    assert ModelFiles(path).of(hand_made_model().model_id) == hand_made_model()
    with pytest.raises(ConfigurationError, match="no file of linkage model"):
        ModelFiles().of("0123456789abcdef")


def test_a_model_that_matching_would_not_find_is_not_activated(tmp_path: Path) -> None:
    path = save_model(hand_made_model(), tmp_path)
    digest = read_for_activation(path)[1]
    ModelFiles(folder=tmp_path).check_for_activation(digest)
    for files in (ModelFiles(), ModelFiles(given=path)):
        with pytest.raises(ConfigurationError, match="copy it into"):
            files.check_for_activation(digest)


def test_a_table_is_evaluated_from_the_command_line(tmp_path: Path) -> None:
    config = tmp_path / "LINK.toml"
    kinds = {field.name: field.kind for field in hand_made_model().fields}
    fields = "".join(f'[fields.{name}]\nkind = "{kind}"\ncolumn = "{name}"\n' for name, kind in kinds.items())
    config.write_text('record_id = "id"\nmodel = "given.json"\n' + fields)
    columns = {name: np.array(["A1", "B2"]) for name in kinds} | {"birth_date": np.array(["2001-02-03", "2002-03-04"])}
    pq.write_table(pa.table({"id": ["1", "2"], **columns}), tmp_path / "t.parquet")
    path = save_model(REPORTED, tmp_path)
    done = CliRunner().invoke(
        app, ["model", "evaluate", str(path), "--table", str(tmp_path / "t.parquet"), "--config", str(config),
              "--svg", str(tmp_path / "c.svg"), "--output", "json"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["records"] == 2
    assert (tmp_path / "c.svg").read_text().startswith("<svg")
