"""Which linkage model a worker uses: the file it was given, or the newest one that ships with the package."""

from __future__ import annotations

from pathlib import Path

import matching
from matching.linkage.model import LinkageModel
from matching.linkage.model_json import load_model
from schemas.errors import ConfigurationError

SHIPPED = Path(matching.__file__).parent / "models"


def read_model(path: Path | None = None) -> LinkageModel:
    """Read a model file, by default the newest that ships; raise ConfigurationError when there is none to read."""
    chosen = path or _newest()
    try:
        text = chosen.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"the linkage model {chosen} cannot be read: {type(error).__name__}"
        raise ConfigurationError(message) from error
    return load_model(text, str(chosen))


def _newest() -> Path:
    """Return the last by name, which begins with the date."""
    names = sorted(SHIPPED.glob("model_*.json"))
    if not names:
        message = f"no linkage model in {SHIPPED}: train one, or name a file in CONTACTPOINT_MATCHING_MODEL"
        raise ConfigurationError(message)
    return names[-1]
