"""Accounts: what lets a person in ends by itself, and who changes it, or is refused, is in the trail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.postgres import connect
from projections.service.users import Eligibility, Users
from schemas.errors import RejectedError
from schemas.identity import child_number
from schemas.settings import PostgresSettings
from tests.factories.directory_service import Desk, running

UNKNOWN = child_number("nobody:1")


@pytest.fixture
def desk(postgres: PostgresSettings) -> Iterator[Desk]:
    with running(Desk(postgres)) as desk:
        yield desk


@pytest.mark.parametrize("held", ["trained_until", "agreed_until", "vetted_at"])
def test_access_ends_by_itself_at_the_second_it_expires(desk: Desk, held: str) -> None:
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    ends += timedelta(days=(ends.month, ends.day) == (2, 29))  # no check of three years before ends on that day
    value = ends.replace(year=ends.year - 3) if held == "vetted_at" else ends
    changed: dict[str, Any] = {held: value}
    nurse = desk.employ("nurse", **changed)
    desk.clock.stopped = int(ends.timestamp()) - 1
    assert desk.post("/v1/open", nurse, child_number=UNKNOWN).status_code == 200
    desk.clock.stopped += 1
    refused = desk.post("/v1/open", nurse, child_number=UNKNOWN)
    assert (refused.status_code, refused.json()["error"]["code"].endswith("_lapsed")) == (403, True)


def test_suspension_a_new_employer_and_a_renamed_one_refuse_the_next_request(desk: Desk) -> None:
    nurse = desk.employ("nurse")
    token = desk.token(nurse)

    def code() -> str:
        answer = desk.post("/v1/open", nurse, token, child_number=UNKNOWN)
        return "ok" if answer.status_code == 200 else str(answer.json()["error"]["code"])

    assert code() == "ok"
    desk.sql("update service.person set active = false")
    assert code() == "user_inactive"
    desk.sql("update service.person set active = true")
    desk.sql("update service.organisation set name = 'Renamed Trust'")
    assert code() == "employer_not_confirmed"
    desk.employ("nurse")
    assert code() == "ok"
    desk.sql("update service.organisation set accredited_until = now()")
    assert code() == "employer_not_accredited"


def test_every_change_of_an_account_is_entered_with_who_changed_what(desk: Desk) -> None:
    later = datetime.now(UTC) + timedelta(days=30)
    with connect(desk.postgres, autocommit=True) as connection:
        users = Users(connection, "lea")
        users.accredit("t-1", "A Trust", later)
        users.add("nurse-9", "health", "t-1")
        users.record("nurse-9", Eligibility(trained_until=later))
        users.describe("nurse-9", "Ada", "Moss", None)
        users.grant("nurse-9", ["mediate"])
        users.suspend("nurse-9")
        users.activate("nurse-9")
    entered = desk.sql("select entry from audit.pending where entry #>> '{who,user}' = 'lea' order by entry_id")
    made = [(entry["action"], entry["query"].get("account")) for (entry,) in entered]
    rights = [("changed_rights", "nurse-9")] * 4
    undone = [("suspended_account", "nurse-9"), ("restored_account", "nurse-9")]
    assert made == [("changed_rights", None), *rights, *undone]


def test_a_change_of_an_account_that_is_refused_is_entered_too(desk: Desk) -> None:
    desk.employ("nurse-9", organisation="t-1")
    to_come = Eligibility(vetted_at=datetime.now(UTC) + timedelta(days=1))
    with connect(desk.postgres, autocommit=True) as connection:
        users = Users(connection, "lea")
        wrong: list[tuple[Callable[[], None], str, str]] = [
            (lambda: users.add("nurse-9", "immigration", "t-1"), "changed_rights", "category_not_listed"),
            (lambda: users.add("nurse-9", "health", "t-2"), "changed_rights", "organisation_unknown"),
            (lambda: users.grant("nurse-9", ["override_shield"]), "changed_rights", "right_not_for_category"),
            (lambda: users.record("Lea", Eligibility()), "changed_rights", "own_account"),
            (lambda: users.record("nurse-9", to_come), "changed_rights", "vetting_to_come"),
            (lambda: users.activate("nobody"), "restored_account", "user_unknown"),
            (lambda: users.close("I1", "justified"), "viewed_audit", "no_open_investigation"),
        ]
        for attempt, action, code in wrong:
            with pytest.raises(RejectedError):
                attempt()
            ((entry,),) = desk.sql("select entry from audit.pending order by entry_id desc limit 1")
            assert (entry["who"]["user"], entry["action"], entry.get("refusal")) == ("lea", action, code)
