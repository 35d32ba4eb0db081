from __future__ import annotations

import sys
from pathlib import Path

import psycopg
import pytest
from psycopg import errors

from connectors.postgres import connect, sql_blocks, sql_script, translate, wrap_errors
from contactpoint.stack.kafka import free_ports
from schemas.errors import ConfigurationError, ContactPointError, FatalError, RejectedError, RetriableError
from schemas.settings import PostgresSettings


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        pytest.param(errors.DeadlockDetected(), RetriableError, id="deadlock"),
        pytest.param(errors.SerializationFailure(), RetriableError, id="serialization"),
        pytest.param(errors.AdminShutdown(), RetriableError, id="server-stops"),
        pytest.param(errors.IdleInTransactionSessionTimeout(), RetriableError, id="frozen-too-long"),
        pytest.param(psycopg.InterfaceError(), RetriableError, id="connection-closed"),
        pytest.param(errors.UntranslatableCharacter(), RejectedError, id="nul-character"),
        pytest.param(errors.InsufficientPrivilege(), ConfigurationError, id="no-right"),
        pytest.param(errors.InvalidPassword(), ConfigurationError, id="wrong-password"),
        pytest.param(errors.UndefinedTable(), ConfigurationError, id="no-such-table"),
        pytest.param(errors.UndefinedColumn(), ConfigurationError, id="another-version"),
        pytest.param(errors.UniqueViolation(), FatalError, id="constraint"),
    ],
)
def test_an_error_is_sorted_by_what_the_caller_does_next(error: psycopg.Error, kind: type[ContactPointError]) -> None:
    assert type(translate(error)) is kind
    assert ("contactpoint run" in str(translate(error))) == isinstance(error, errors.UndefinedTable)


def test_the_text_of_postgres_which_can_quote_a_row_is_not_passed_on() -> None:
    quoting = errors.UniqueViolation("Key (name)=(Ann Example) already exists")
    with pytest.raises(FatalError) as caught, wrap_errors():
        raise quoting
    assert "Ann" not in str(caught.value)
    assert caught.value.__cause__ is quoting


def test_a_dsn_that_cannot_be_read_is_not_quoted_as_it_may_hold_a_password() -> None:
    with pytest.raises(ConfigurationError, match="cannot be read") as caught:
        connect(PostgresSettings.from_env({"CONTACTPOINT_POSTGRES_DSN": "host=localhost password secret"}))
    assert "secret" not in str(caught.value)


def test_a_server_that_is_away_is_worth_another_try() -> None:
    settings = PostgresSettings.from_env(
        {"CONTACTPOINT_POSTGRES_DSN": f"postgresql://u:p@127.0.0.1:{free_ports(1)[0]}/d"}
    )
    with pytest.raises(RetriableError, match="cannot connect to PostgreSQL"):
        connect(settings)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package with SQL files, of a name that no other test uses."""
    name = f"sql_of_{tmp_path.name}".replace("-", "_")
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, name, raising=False)
    (tmp_path / name / "queries.sql").write_text(
        "-- A file of two.\n\n-- name: first\nselect 1\n\n-- name: second\n-- why\nselect %s::int\n"
    )
    (tmp_path / name / "twice.sql").write_text("-- name: a\nselect 1\n-- name: a\nselect 2\n")
    return name


def test_blocks_are_found_by_name_and_the_introduction_is_none(package: str) -> None:
    assert dict(sql_blocks(package)) == {"first": "select 1", "second": "-- why\nselect %s::int"}


def test_a_block_that_is_named_twice_is_an_error(package: str) -> None:
    with pytest.raises(FatalError, match=r"twice\.sql names a block twice"):
        sql_blocks(package, "twice")


def test_a_script_is_the_whole_file(package: str) -> None:
    assert sql_script(package, "queries").startswith("-- A file of two.")
