"""How good a model is expected to be: training's own report, and its curve on records without labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from psycopg import Connection
from psycopg.rows import TupleRow

from connectors.postgres import wrap_errors
from contactpoint.explaining.pictures import curve
from contactpoint.table_link.config import load_link_config
from contactpoint.table_link.inputs import read_table
from contactpoint.table_link.table import table_columns
from matching.linkage.batch import score_pairs
from matching.linkage.columns import SEPARATOR, RecordColumns, columns_of
from matching.linkage.expectation import expected_operating_points
from matching.linkage.model import CENTIBITS, LinkageModel
from matching.linkage.operating import OperatingPoint
from matching.sql import QUERIES
from schemas.errors import ConfigurationError

_AROUND: Final = 1_200  # centibits on both sides of the threshold that the curve shows
_STEP: Final = 100

Progress = Callable[[int], None]


def evaluate(model: LinkageModel, columns: RecordColumns | None, say: Progress | None = None) -> dict[str, Any]:
    """Return the model's training report and, on records, the expected curve of linked pairs at each threshold."""
    report: dict[str, Any] = {
        "model": model.model_id,
        "description": model.description,
        "created_on": model.created_on,
        "notes": dict(model.notes),
        "threshold": model.link_threshold / CENTIBITS,
        "training": rows(model.operating_points),
    }
    if columns is None:
        return report
    low, high = model.link_threshold - _AROUND, model.link_threshold + _AROUND
    pairs, compared = score_pairs(columns, model, floor=low - _AROUND, progress=say)
    points = expected_operating_points(pairs.weights, np.arange(low, high + 1, _STEP, dtype=np.int64))
    return report | {"records": len(columns), "compared_pairs": compared, "curve": rows(points)}


def rows(points: Sequence[OperatingPoint]) -> list[dict[str, float]]:
    """Return operating points as rows, thresholds in bits."""
    return [
        {"threshold": p.threshold / CENTIBITS, "precision": p.precision, "recall": p.recall, "f1": p.f1} for p in points
    ]


def draw(report: dict[str, Any]) -> str:
    """Return the curve (on records, or else training's) as a picture; raise ConfigurationError if there is none."""
    on_records = "curve" in report
    points = report["curve"] if on_records else report["training"]
    if not points:
        message = f"model {report['model']} holds no training report: give records to draw a curve (--table or --live)"
        raise ConfigurationError(message)
    said = f"Expected without labels {'on these records' if on_records else 'in training'}, model {report['model']}."
    values = [(point["threshold"], point["precision"], point["recall"]) for point in points]
    return curve("Expected precision and recall by threshold", said, values, report["threshold"])


def table_records(source: Path, config: Path, model: LinkageModel) -> RecordColumns:
    """Return the records of a table, its columns named by a LINK.toml; raise ConfigurationError if fields lack."""
    settings = load_link_config(config)
    missing = [field.name for field in model.fields if field.name not in settings.fields]
    if missing:
        message = f"{config} has no [fields.{missing[0]}], which model {model.model_id} compares"
        raise ConfigurationError(message)
    return table_columns(read_table([source], settings), settings, model)


def live_records(connection: Connection[TupleRow], model: LinkageModel, made_with: LinkageModel) -> RecordColumns:
    """Return the records that matching holds now, in the order of `model`'s fields.

    Raises ConfigurationError when the tables were made with a model that lacks one of its fields.
    """
    lacking = [field.name for field in model.fields if field not in made_with.fields]
    if lacking:
        message = f"the live records hold no field {lacking[0]}: try the model on the log with `model what-if`"
        raise ConfigurationError(message)
    order = [made_with.field_index[field.name] for field in model.fields]
    values, sources = [], []
    with wrap_errors():
        for source, features in connection.execute(QUERIES["live_features"]):
            row = bytes(features).decode().split(SEPARATOR)
            values.append([row[place] for place in order])
            sources.append(source)
    return columns_of(model, values, sources)
