from __future__ import annotations

import sys
import threading
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from connectors.postgres import apply_schema, connect, wrap_errors
from contactpoint.stack import LocalStack
from schemas.errors import ConfigurationError, RetriableError
from schemas.settings import PostgresSettings

pytestmark = pytest.mark.integration


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package with a schema that is safe to apply at every start."""
    name = f"schema_of_{tmp_path.name}".replace("-", "_")
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, name, raising=False)
    (tmp_path / name / "schema.sql").write_text(
        "create schema if not exists example;\ncreate table if not exists example.thing (n integer primary key);\n"
    )
    return name


def test_processes_that_start_together_apply_a_schema_once(postgres: PostgresSettings, package: str) -> None:
    failures: list[BaseException] = []

    def apply() -> None:
        try:
            apply_schema(postgres, package)
        except BaseException as error:  # noqa: BLE001  a thread's error is looked at below
            failures.append(error)

    threads = [threading.Thread(target=apply) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with connect(postgres) as connection:
        assert connection.execute("select count(*) from example.thing").fetchone() == (0,)


def test_a_connection_says_which_application_it_is_and_finds_out_that_its_server_is_gone(
    postgres: PostgresSettings, postgres_dsn: str
) -> None:
    with connect(postgres, application="matching") as connection:
        assert connection.execute("show application_name").fetchone() == ("matching",)
        assert connection.info.get_parameters()["keepalives_idle"] == "10"
    own = psycopg.conninfo.make_conninfo(postgres_dsn, keepalives_idle=3, tcp_user_timeout=9)
    with connect(PostgresSettings(dsn=SecretStr(own))) as connection:
        wanted = {"keepalives_idle": "3", "tcp_user_timeout": "9", "keepalives_count": "4"}
        assert wanted.items() <= connection.info.get_parameters().items()


def test_a_wrong_password_is_for_a_person_to_put_right(postgres: PostgresSettings, postgres_dsn: str) -> None:
    wrong = psycopg.conninfo.make_conninfo(postgres_dsn, password="wrong")
    with pytest.raises(ConfigurationError):
        connect(PostgresSettings.from_env({"CONTACTPOINT_POSTGRES_DSN": wrong}))


def test_a_database_that_does_not_exist_is_for_a_person_to_put_right(postgres_dsn: str) -> None:
    wrong = psycopg.conninfo.make_conninfo(postgres_dsn, dbname="nowhere")
    with pytest.raises(ConfigurationError):
        connect(PostgresSettings.from_env({"CONTACTPOINT_POSTGRES_DSN": wrong}))


def test_a_connection_lost_in_the_middle_is_worth_another_try(postgres: PostgresSettings, stack: LocalStack) -> None:
    assert stack.postgres is not None
    connection = connect(postgres)
    stack.postgres.kill()
    with pytest.raises(RetriableError), wrap_errors():
        connection.execute("select 1")
    connection.close()
    stack.restore()
    with connect(postgres) as again:
        assert again.execute("select 1").fetchone() == (1,)
