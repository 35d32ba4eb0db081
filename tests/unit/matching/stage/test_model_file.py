from __future__ import annotations

from pathlib import Path

import pytest

from matching.linkage.model_json import dump_model
from matching.stage.model_file import read_model
from matching.stage.settings import MatchingSettings
from schemas.errors import ConfigurationError
from tests.factories.linkage import hand_made_model

ADDRESSES = {
    "CONTACTPOINT_KAFKA": "127.0.0.1:9",
    "CONTACTPOINT_POSTGRES_DSN": "postgresql://nobody:secret@127.0.0.1:9/x",
}


def test_a_given_model_file_is_used(tmp_path: Path) -> None:
    file = tmp_path / "model.json"
    file.write_text(dump_model(hand_made_model()), encoding="utf-8")
    assert read_model(file) == hand_made_model()


def test_a_model_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.json"):
        read_model(tmp_path / "absent.json")


def test_settings_come_from_the_environment_and_hide_the_password() -> None:
    settings = MatchingSettings.from_env({**ADDRESSES, "CONTACTPOINT_MATCHING_BATCH_RECORDS": "300"})
    assert settings.batch_records == 300
    assert "secret" not in repr(settings)


def test_a_wrong_setting_is_named_with_what_is_allowed() -> None:
    with pytest.raises(ConfigurationError, match=r"CONTACTPOINT_MATCHING_BATCH_RECORDS.*greater than or equal to 1"):
        MatchingSettings.from_env({**ADDRESSES, "CONTACTPOINT_MATCHING_BATCH_RECORDS": "0"})
