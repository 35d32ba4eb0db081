"""The service to try out: a practitioner's request over TLS with a client certificate, and its entry in the trail."""

from __future__ import annotations

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
    with practice(where, tmp_path, tmp_path) as service, practice(where, tmp_path, tmp_path):  # a second beside it
        (number,) = Directory(postgres).add(teenager())
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
