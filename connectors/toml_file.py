"""A TOML file that a user wrote, read into the model that says what it may hold."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from schemas.errors import ConfigurationError
from schemas.settings import explain_validation

Model = TypeVar("Model", bound=BaseModel)


def read_toml(path: Path, model: type[Model]) -> Model:
    """Return what the file says; raise ConfigurationError that names the file, the key and what is allowed there."""
    try:
        return model.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror}"
        raise ConfigurationError(message) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"{path}: is not TOML in UTF-8: {error}"
        raise ConfigurationError(message) from error
    except ValidationError as error:
        raise ConfigurationError(explain_validation(error, str(path), model)) from None
