"""The service to try out: a practitioner's request over TLS with a client certificate, and its entry in the trail."""

from __future__ import annotations

import itertools
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from contactpoint.running.practice import PRACTITIONER, practice
from contactpoint.stack import StackAddresses
from schemas.errors import RetriableError
from schemas.settings import KafkaSettings, PostgresSettings
from tests.factories.directory_service import Directory, teenager

pytestmark = pytest.mark.integration


def test_a_sample_practitioner_finds_a_child_and_a_pasted_request_does_the_same(
    kafka: KafkaSettings, postgres: PostgresSettings, tmp_path: Path
) -> None:
    where = StackAddresses(kafka=kafka.bootstrap_servers, postgres_dsn=postgres.dsn)
    with practice(where, tmp_path, tmp_path) as service:
        (number,) = Directory(postgres).add(teenager())
        _a_second_serves_beside_it_until_told_to_stop_although_nobody_is_at_its_keyboard(where, number, tmp_path)
        (found,) = service.ask("/v1/search", surname="Hargreaves", birth_date="2011-03-09")["children"]
        assert found["child_number"] == number
        with pytest.raises(RetriableError, match="422"):
            service.ask("/v1/search", surname="Hargreaves")
        pasted = service.curl("/v1/open", child_number=number)
        assert PRACTITIONER not in pasted
        assert "--cert" in pasted
        assert number not in service.url
        opened = service.ask("/v1/open", child_number=number)["record"]
    assert opened["carers"][0]["value"]["name"]["given"] == "Denise"


def _a_second_serves_beside_it_until_told_to_stop_although_nobody_is_at_its_keyboard(
    where: StackAddresses, number: str, folder: Path
) -> None:
    env = {**os.environ, **where.as_env(), "CONTACTPOINT_LOCAL": str(folder)}
    command = [sys.executable, "-m", "contactpoint", "directory", "try", number]
    with subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as second:
        assert second.stdout is not None
        lines = list(itertools.takewhile(lambda line: "a token lasts" not in line, second.stdout))
        pasted = next(shlex.split(line) for line in lines if "/v1/open" in line)
        told = json.loads(subprocess.run(pasted, capture_output=True, check=True).stdout)
        assert told["record"]["child_number"] == number
        second.terminate()
    assert second.returncode == 0
