"""Model files: dated, named by their hash, written once and never changed."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from matching.linkage.model import LinkageModel
from matching.linkage.model_json import dump_model

MODELS: Final = Path(__file__).resolve().parent.parent / "models"
"""Where the shipped models lie: `matching.stage.model_file` takes the newest of them."""


def save_model(model: LinkageModel, folder: Path = MODELS) -> Path:
    """Write a model to `model_<date>_<hash>.json` in a folder; a model that is there already is left as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / model.file_name
    if not path.exists():
        path.write_text(dump_model(model), encoding="utf-8")
    return path
