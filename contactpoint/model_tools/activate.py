"""A model goes into force: an event, by two people, about one exact file."""

from __future__ import annotations

import json
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from matching.features import ChangeReader
from matching.linkage.comparisons import check_kinds
from matching.linkage.model import LinkageModel
from matching.linkage.model_json import load_model
from schemas.decisions import Activation, ModelActivated, decision_id
from schemas.errors import ConfigurationError, RejectedError
from schemas.reasons import check_reason
from schemas.two_people import same_person

SUBJECT = "model"
"""What every activation is about, so its Kafka key."""


def read_for_activation(path: Path) -> tuple[LinkageModel, str]:
    """Return the model in a file and the SHA-256 of its bytes.

    Raises ConfigurationError for a file that cannot be read, states no `model_id`, was edited after training, or
    compares what record events do not have.
    """
    try:
        data = path.read_bytes()
        text = data.decode()
        stated = json.loads(text).get("model_id")
    except (OSError, ValueError, AttributeError) as error:
        message = f"the linkage model {path} cannot be read: {type(error).__name__}"
        raise ConfigurationError(message) from error
    if not stated:
        message = f"{path} states no model_id: only a file as `contactpoint model train` writes it can be activated"
        raise ConfigurationError(message)
    model = load_model(text, str(path))
    check_kinds(model)
    ChangeReader(model)
    return model, sha256(data).hexdigest()


def activation(
    model: LinkageModel, digest: str, people: tuple[str, str], reason: str, decided_at: datetime
) -> ModelActivated:
    """Return the event by which a model decides from now on; `people` are who asks and who approves.

    Raises RejectedError unless they are two, and for an unknown reason.
    """
    by, approved_by = people
    if same_person(by, approved_by):
        raise RejectedError("second_person_needed", "a model is activated by two people: --approved-by names another")
    data = Activation(model=model.model_id, sha256=digest)
    return ModelActivated(
        event_id=decision_id("model.activated", by, decided_at, data),
        subject=SUBJECT,
        decided_at=decided_at,
        by=by,
        approved_by=approved_by,
        reason=check_reason("model.activated", reason),
        data=data,
    )
