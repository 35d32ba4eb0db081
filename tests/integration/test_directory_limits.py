"""Limits against trawling, on a real database: unusual use asks for a new login, then stops the account and alerts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from connectors.postgres import connect
from projections.service.limits import Limits
from projections.service.users import Users
from schemas.identity import child_number
from schemas.settings import PostgresSettings
from tests.factories.directory_service import GENEROUS, Desk, pupil, running
from tests.factories.waiting import PATIENCE, wait_until

BORN = date(2011, 3, 9)


@pytest.fixture
def desk(request: pytest.FixtureRequest, postgres: PostgresSettings) -> Iterator[Desk]:
    with running(Desk(postgres, request.param)) as desk:
        desk.employ("nurse")
        wait_until(lambda: time.time() % 3600 < 3540, "the turn of the hour: limits count by its hours and days")
        yield desk


def numbers_of(desk: Desk, count: int) -> list[str]:
    return desk.directory.add(*({f"school:C{n}": pupil("Moss", f"A{n}", BORN)} for n in range(count)))


def opened(desk: Desk, number: str, age: int = 30, subject: str = "nurse") -> Any:
    token = desk.token(subject, auth_time=desk.clock() - age)
    reason = f"Called about {number} by the school"
    answer = desk.post("/v1/open", subject, token, child_number=number, reason=reason)
    return answer.status_code if answer.status_code == 200 else answer.json()["error"]["code"]


@pytest.mark.parametrize("desk", [replace(GENEROUS, usual_day=4)], indirect=True)
def test_a_spike_asks_for_a_new_login_then_blocks_and_alerts_and_survives_a_restart(
    desk: Desk, postgres: PostgresSettings
) -> None:
    (number,) = numbers_of(desk, 1)
    assert [opened(desk, number, 400) for _ in range(5)] == [200] * 4 + ["step_up_required"]
    assert [opened(desk, number) for _ in range(3)] == [200] * 3
    with running(Desk(postgres, replace(GENEROUS, usual_day=4))) as restarted:
        assert opened(restarted, number) == 200
        assert opened(restarted, number) == "limit_exceeded"
        assert opened(restarted, number) == "user_blocked"
        assert restarted.sql("select subject, detail from service.investigation") == [("nurse", "shown_day")]
        assert restarted.sql("select count(*) from service.alert") == [(1,)]
    with connect(postgres, autocommit=True) as connection:
        Users(connection, "lea").activate("nurse")
    assert [opened(desk, number, 400) for _ in range(5)] == [200] * 4 + ["step_up_required"]
    with_history = "update service.usage set day = day - 1, shown = 100"
    desk.sql(with_history)
    assert opened(desk, number, 400) == 200  # a busy yesterday makes today usual


@pytest.mark.parametrize("desk", [replace(GENEROUS, usual_day=4)], indirect=True)
def test_many_requests_at_once_do_not_get_past_a_limit_together(desk: Desk) -> None:
    (number,) = numbers_of(desk, 1)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: opened(desk, number, 400), range(24)))
    assert sorted(map(str, answers)) == ["200"] * 4 + ["step_up_required"] * 20


@pytest.mark.parametrize("desk", [replace(GENEROUS, run=3)], indirect=True)
def test_working_through_a_sorted_list_of_numbers_is_noticed(desk: Desk) -> None:
    numbers = sorted(numbers_of(desk, 12))
    assert [opened(desk, number, 400) for number in numbers[:5]] == [200] * 4 + ["step_up_required"]
    assert [opened(desk, number) for number in numbers[4:9]] == [200, 200, 200, "limit_exceeded", "user_blocked"]


@pytest.mark.parametrize("desk", [replace(GENEROUS, missed_day=2)], indirect=True)
def test_asking_for_numbers_that_nobody_has_is_noticed(desk: Desk) -> None:
    unknown = [child_number(f"guess:{n}") for n in (5, 3, 9, 1, 7)]
    assert opened(desk, unknown[0], 400) == 200
    assert desk.post("/v1/search", "nurse", child_number=unknown[1]).json()["children"] == []
    assert opened(desk, unknown[2], 400) == "step_up_required"


@pytest.mark.parametrize("desk", [replace(GENEROUS, organisation_hour=3)], indirect=True)
def test_an_organisation_is_limited_whoever_of_it_asks_and_others_are_not(desk: Desk) -> None:
    (number,) = numbers_of(desk, 1)
    staff = [desk.employ(f"nurse-{n}") for n in range(4)]
    assert [opened(desk, number, subject=each) for each in staff] == [200, 200, 200, "limit_exceeded"]
    late = desk.post("/v1/open", staff[0], child_number=number)
    assert (late.status_code, 0 < int(late.headers["retry-after"]) <= 3600) == (429, True)
    elsewhere = desk.employ("teacher", "school", organisation="S1")
    assert opened(desk, number, subject=elsewhere) == 200
    assert desk.sql("select subject, detail from service.investigation") == [("RMC01", "organisation_hour")]
    assert desk.sql("select count(*) from service.person where blocked_at is not null") == [(0,)]


@pytest.mark.parametrize("desk", [replace(GENEROUS, organisation_hour=31)], indirect=True)
def test_people_of_an_organisation_do_not_get_past_its_limit_together_through_several_services(
    desk: Desk, postgres: PostgresSettings
) -> None:
    numbers = numbers_of(desk, 3)
    staff = [desk.employ(f"nurse-{n}") for n in range(24)]
    elsewhere = desk.employ("teacher", "school", organisation="S1")
    with running(Desk(postgres, desk.limits)) as second, ThreadPoolExecutor(24) as pool:

        def searched(at: int) -> int | str:
            service = (desk, second)[at % 2]
            answer = service.post("/v1/search", staff[at], surname="Moss", birth_date="2011-03-09")
            return len(answer.json()["children"]) if answer.status_code == 200 else answer.json()["error"]["code"]

        answers = list(pool.map(searched, range(24)))
    assert sorted(map(str, answers)) == [str(len(numbers))] * 11 + ["limit_exceeded"] * 13
    assert opened(desk, numbers[0], subject=elsewhere) == 200


@pytest.mark.parametrize("desk", [replace(GENEROUS, organisation_hour=3)], indirect=True)
def test_near_an_organisations_limit_a_request_waits_for_what_other_connections_are_showing(
    desk: Desk, postgres: PostgresSettings
) -> None:
    (number,) = numbers_of(desk, 1)
    asking = Jsonb([{"asking": desk.employ("doctor"), "client": "c", "proofs": [], "words": ""}])
    waiting = (
        "select 1 from pg_locks join pg_database on pg_database.oid = database "
        "where locktype = 'advisory' and not granted and datname = current_database()"
    )
    with ThreadPoolExecutor(1) as pool, connect(postgres) as beside:
        beside.execute("select directory_api.admit(%s)", [asking])
        beside.execute(
            "insert into service.tally values ('organisation', 'RMC01', date_trunc('hour', clock_timestamp()), -1, 3)"
        )
        answer = pool.submit(opened, desk, number)
        wait_until(lambda: answer.done() or desk.sql(waiting) != [], "the request waits")
        assert not answer.done()
        beside.commit()
        assert answer.result(PATIENCE) == "limit_exceeded"


@pytest.mark.parametrize("desk", [replace(GENEROUS, same_words=3)], indirect=True)
@pytest.mark.parametrize(
    ("said", "refused_at"),
    [
        (["Attended the clinic", "attended  the CLINIC"], 3),
        (["Attended the clinic", "Asked by the school"], 4),  # taking turns is no way round
        (["Attended the clinic", "Asked by the school", "Seen at home today"], 5),
    ],
)
def test_the_same_words_for_one_child_after_another_are_no_reason(desk: Desk, said: list[str], refused_at: int) -> None:
    numbers = numbers_of(desk, refused_at + 1)
    for at, number in enumerate([numbers[0], *numbers[:-1]], start=-1):  # to look twice at a child is no second child
        answer = desk.post("/v1/open", "nurse", child_number=number, reason=said[max(at, 0) % len(said)])
        assert answer.status_code == 200, at
    last = desk.post("/v1/open", "nurse", child_number=numbers[-1], reason=said[0])
    assert (last.status_code, last.json()["error"]["code"]) == (403, "reason_not_given")
    assert opened(desk, numbers[-1]) == 200
    kept = "select cardinality(reasons) from service.usage where subject = 'nurse'"
    assert desk.sql(kept) == [(refused_at + 1,)]
    desk.sql("update service.usage set reasons = array_fill('old'::bytea, array[20])")
    assert opened(desk, numbers[0]) == 200
    assert desk.sql(f"{kept} and reasons[20] <> 'old'") == [(20,)]


@pytest.mark.parametrize("desk", [Limits()], indirect=True)
def test_no_purpose_or_reason_of_enforcement_immigration_or_marketing_opens_a_record(desk: Desk) -> None:
    (number,) = numbers_of(desk, 1)
    for purpose in ("enforcement", "immigration", "marketing", "age_verification", "record_accuracy"):
        answer = desk.post("/v1/open", "nurse", child_number=number, purpose=purpose)
        assert answer.json()["error"]["code"] == "purpose_not_permitted"
    for reason in ("", "short", "aaaaaaaaaaaa"):
        answer = desk.post("/v1/open", "nurse", child_number=number, reason=reason)
        assert answer.json()["error"]["code"] == "reason_not_given"
    assert {entry["decision"] for entry in desk.entries()} == {"refused"}
