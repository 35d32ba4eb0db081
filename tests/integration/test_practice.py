"""The service to try out: a practitioner's request over TLS with a client certificate, and its entry in the trail."""

from __future__ import annotations

import itertools
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from contactpoint.running.practice import PRACTITIONER, practice
from contactpoint.stack import StackAddresses
from schemas.errors import RetriableError
from schemas.settings import KafkaSettings, PostgresSettings
from tests.factories.directory_service import Directory, teenager
from tests.factories.waiting import end

pytestmark = pytest.mark.integration


def test_a_sample_practitioner_finds_a_child_and_a_pasted_request_does_the_same(
    kafka: KafkaSettings, postgres: PostgresSettings, tmp_path: Path
) -> None:
    where = StackAddresses(kafka=kafka.bootstrap_servers, postgres_dsn=postgres.dsn)
    with practice(where, tmp_path, tmp_path) as service:
        (number,) = Directory(postgres).add(teenager())
        with _tried("directory", where, number, tmp_path) as requests:
            opened = _paste(next(each for each in requests if "/v1/open" in each))
            assert opened["record"]["child_number"] == number
        with _tried("approvals", where, number, tmp_path) as requests:
            reference = _paste(requests[0])["disclosure"]
            told = _paste(requests[2].replace("D...", reference))
            assert (told["child_number"], "Hargreaves" in str(told["names"])) == (number, True)
        (found,) = service.ask("/v1/search", surname="Hargreaves", birth_date="2011-03-09")["children"]
        assert found["child_number"] == number
        with pytest.raises(RetriableError, match="422"):
            service.ask("/v1/search", surname="Hargreaves")
        pasted = service.curl("/v1/open", {"child_number": number})
        assert PRACTITIONER not in pasted
        assert "--cert" in pasted
        assert number not in service.url
        opened = service.ask("/v1/open", child_number=number)["record"]
    assert opened["carers"][0]["value"]["name"]["given"] == "Denise"


@contextmanager
def _tried(service: str, where: StackAddresses, number: str, folder: Path) -> Iterator[list[str]]:
    """Try a service with nobody at its keyboard, beside the other one, until it is told to stop; yield its requests."""
    env = {**os.environ, **where.as_env(), "CONTACTPOINT_LOCAL": str(folder)}
    command = [sys.executable, "-m", "contactpoint", service, "try", number]
    with subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield list(itertools.takewhile(lambda line: "a token lasts" not in line, process.stdout))
        end(process)


def _paste(request: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(subprocess.run(shlex.split(request), capture_output=True, check=True).stdout)
    return found
