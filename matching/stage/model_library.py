"""Which linkage model is in force: the newest one that people activated, or else the one that the worker was given.

Model files lie in a folder of the operator's and in the package. An activation names a file by its model id and the
SHA-256 of its bytes, so every worker that finds it finds the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from matching.features import ChangeReader
from matching.linkage.comparisons import check_kinds
from matching.linkage.decisions import Decision, DecisionBook
from matching.linkage.model import LinkageModel
from matching.linkage.model_json import load_model
from matching.stage.model_file import SHIPPED
from schemas.errors import ConfigurationError, RejectedError


class ModelLibrary:
    """The model files that this worker can see, and `default`: the model where none is activated."""

    def __init__(self, default: LinkageModel, folder: Path | None = None) -> None:
        self.default = default
        self._folders = (SHIPPED,) if folder is None else (folder, SHIPPED)

    def check(self, decision: Decision) -> None:
        """Raise RejectedError for an activation that this worker could not obey."""
        if decision.kind == "model" and self._find(decision) is None:
            raise RejectedError(
                "model_file_unknown",
                "no model file with this id and SHA-256 is in CONTACTPOINT_MATCHING_MODELS or in the package",
            )

    def in_force(self, decisions: Iterable[Decision]) -> tuple[LinkageModel, str]:
        """Return the model that decides, and the event id of its activation ("" if it is the default).

        Raises ConfigurationError when its file is not there.
        """
        book = DecisionBook()
        book.add(each for each in decisions if each.kind in {"model", "retracted"})
        active = book.model
        if active is None:
            return self.default, ""
        model = self._find(active)
        if model is None:
            places = ", ".join(map(str, self._folders))
            message = f"model {active.target} was activated, but no file with its id and SHA-256 is in {places}"
            raise ConfigurationError(message)
        return model, active.event_id

    def _find(self, activation: Decision) -> LinkageModel | None:
        """Return the model of an activation, None when there is no such file or it cannot read record events."""
        for path in (path for folder in self._folders for path in sorted(folder.glob("*.json"))):
            try:
                data = path.read_bytes()
                if (sha256(data).hexdigest(),) != activation.right:
                    continue
                model = load_model(data.decode(), str(path))
                check_kinds(model)
                ChangeReader(model)
            except (OSError, UnicodeDecodeError, ConfigurationError):
                continue
            if model.model_id == activation.target:
                return model
        return None
