"""Managers are told by mail of what awaits them: by the process that does it, on a real mail server's protocol."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from connectors.postgres import connect
from contactpoint.issuer.certificates import Authority
from projections.service.telling import MailSettings, tell
from projections.service.users import Users
from schemas.errors import ConfigurationError, RejectedError
from schemas.settings import PostgresSettings
from tests.factories.directory_service import Desk, running, teenager
from tests.factories.mail_server import Mailbox, mail_server
from tests.factories.waiting import wait_until

pytestmark = pytest.mark.integration
OVERRIDE: dict[str, Any] = {"ground": "immediate_risk", "investigation_acknowledged": True}


@pytest.fixture
def desk(postgres: PostgresSettings) -> Iterator[Desk]:
    with running(Desk(postgres)) as desk:
        yield desk


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as mailbox:
        yield mailbox


def overridden(desk: Desk) -> tuple[str, str]:
    """Override a shield; return the child's number and the reference of the investigation."""
    (number,) = desk.directory.add(teenager())
    desk.directory.shield(*teenager())
    worker = desk.employ("worker", "social_care", rights=["override_shield"])
    assert desk.post("/v1/override", worker, child_number=number, **OVERRIDE).status_code == 200
    ((reference,),) = desk.sql("select id::text from service.investigation")
    return number, reference


def addresses(desk: Desk, **managers: str) -> None:
    with connect(desk.postgres, autocommit=True) as connection:
        for organisation, address in managers.items():
            Users(connection, "lea").manager("*" if organisation == "others" else organisation, address)


def told(desk: Desk, mailbox: Mailbox, host: str = "127.0.0.1") -> int:
    """Tell what is due; return how many messages were taken."""
    mail = MailSettings.from_env(mailbox.env_by(host))
    assert mail is not None
    with connect(desk.postgres, autocommit=True) as connection:
        return tell(connection, mail)


def words(message: EmailMessage) -> str:
    return f"{message['subject']} {message.get_content()}"


def test_a_manager_is_told_of_an_override_as_it_happens_by_reference_and_nothing_of_the_child(
    desk: Desk, mailbox: Mailbox
) -> None:
    desk.employ("worker", "social_care")
    addresses(desk, RMC01="manager@bolton.example", others="all@example.org")
    environment = {**os.environ, **mailbox.env, "CONTACTPOINT_POSTGRES_DSN": desk.postgres.dsn.get_secret_value()}
    environment["CONTACTPOINT_KAFKA"] = "127.0.0.1:1"
    with subprocess.Popen([sys.executable, "-m", "contactpoint", "users", "tell"], env=environment) as process:
        try:
            number, reference = overridden(desk)
            wait_until(lambda: mailbox.taken, "the manager to be told")
        finally:
            process.terminate()
    ((to, message),) = mailbox.taken
    assert (to, reference in message["subject"]) == ("manager@bolton.example", True)
    assert not any(word in words(message) for word in (number, "Hargreaves", "Jodie", "worker", "immediate_risk"))


def test_a_message_that_the_server_did_not_take_for_certain_is_sent_again_as_the_same_one(
    desk: Desk, mailbox: Mailbox
) -> None:
    desk.employ("worker", "social_care")
    addresses(desk, RMC01="manager@bolton.example")
    overridden(desk)
    mailbox.failures = ["refused", "cut"]
    assert [told(desk, mailbox) for _ in range(4)] == [0, 0, 1, 0]
    first, second = [message["message-id"] for _, message in mailbox.taken]
    assert first == second


@pytest.mark.parametrize(
    ("host", "offers", "trusted", "reason"),
    [
        ("LOCALHOST", True, False, "certificate does not hold: "),
        ("127.1", True, True, "certificate does not hold: Hostname mismatch"),
        ("LOCALHOST", False, True, "offers no TLS"),
    ],
)  # both names lead here, and neither is one that goes without TLS
def test_mail_beyond_this_machine_goes_over_tls_to_the_server_that_was_meant_or_waits(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, offers: bool, trusted: bool, reason: str
) -> None:
    addresses(desk, others="all@example.org")
    desk.sql("insert into audit.review values ('finding-1', 'somebody', 'volume', '{}', now(), true)")
    own, other = Authority(tmp_path / "own"), Authority(tmp_path / "other")
    monkeypatch.setenv("SSL_CERT_FILE", str((own if trusted else other).certificate))
    with mail_server(own.server() if offers else None) as mailbox, capture_logs() as logs:
        assert told(desk, mailbox, host) == 0
    assert reason in logs[0]["reason"]
    assert not {b"MAIL", b"RCPT", b"DATA"} & {*mailbox.plain}
    monkeypatch.setenv("SSL_CERT_FILE", str(own.certificate))
    with mail_server(own.server()) as mailbox:
        assert told(desk, mailbox, "LOCALHOST") == 1  # it was not lost
    assert (len(mailbox.taken), mailbox.plain) == (1, [b"EHLO", b"STAR"])


def test_an_account_that_the_rules_suspended_is_told_to_whoever_is_told_of_all_others(
    desk: Desk, mailbox: Mailbox
) -> None:
    for user, suspended in (("somebody", True), ("another", False)):
        review = "insert into audit.review values (%s, %s, 'volume', '{}', now(), %s)"
        desk.sql(review, f"finding-{user}", user, suspended)
    assert told(desk, mailbox) == 0  # nobody is named yet
    addresses(desk, others="all@example.org")
    assert told(desk, mailbox) == 1
    ((to, message),) = mailbox.taken
    assert (to, "suspended_account" in words(message)) == ("all@example.org", True)


def test_addresses_and_settings_that_cannot_be_right_are_refused(desk: Desk) -> None:
    for address in ("nobody", "a@b@c", "a b@c", "a@c\r\nBcc: x@y"):
        with pytest.raises(RejectedError, match="an address is written"):
            addresses(desk, others=address)
    with pytest.raises(RejectedError, match="accredit the employer"):
        addresses(desk, NOBODY="a@b.example")
    assert MailSettings.from_env({}) is None
    for wrong in ({"CONTACTPOINT_SMTP": "h:x", "CONTACTPOINT_SMTP_FROM": "a@b"}, {"CONTACTPOINT_SMTP": "h"}):
        with pytest.raises(ConfigurationError, match="CONTACTPOINT_SMTP"):
            MailSettings.from_env(wrong)
