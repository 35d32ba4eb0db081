"""How long answers take must not tell a shielded child from nobody (R16); minutes long, so part of `make soak`.

The default run compares the work of the database instead (test_directory_shield.py), which no busy machine disturbs.
"""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date

import psycopg
import pytest

from schemas.settings import PostgresSettings
from tests.factories.directory_service import Desk, pupil, running

REQUESTS = 5_000
CHILDREN = 2_000
SHIELDED = 200
NAIVE = """
create or replace function service.exact(terms jsonb, most integer) returns setof json language plpgsql stable as $$
begin
    -- The naive build: hidden fields in one table, matched and only then hidden.
    return query
        with at_postcode as materialized (
            select entry.* from directory.entry join naive.hidden using (child_number)
            where hidden.postcode = terms ->> 'postcode')
        select service.summary(document) from at_postcode
        where service.named(surname, forename, others, terms ->> 'surname', terms ->> 'surname', null, null)
          and not shielded
        order by surname limit most;
end
$$
"""


@pytest.fixture
def desk(postgres: PostgresSettings) -> Iterator[Desk]:
    with running(Desk(postgres)) as desk:
        desk.employ("nurse")
        children = [
            {f"school:T{n}": pupil(f"Family{n}", "Child", date(2010, 1, 1 + n % 28), postcode(n))}
            for n in range(CHILDREN)
        ]
        desk.directory.add(*children)
        desk.directory.shield_each(*(f"school:T{n}" for n in range(SHIELDED)))
        desk.sql("vacuum analyze directory.entry")
        # No sequencer runs here; the test takes longer than the service would go on without one.
        desk.sql("update audit.pulse set numbering_limit = '1 day'")
        yield desk


@pytest.mark.soak
def test_a_hidden_hit_takes_as_long_as_a_miss_over_http(desk: Desk) -> None:
    token = desk.token("nurse", exp=desk.clock() + 3_500)

    def search(n: int, place: str) -> bool:
        answer = desk.post("/v1/search", "nurse", token, surname=f"Family{n}", postcode=place)
        return answer.content == b'{"children" : [], "matched" : "none"}'

    hidden, absent = timed(search)
    assert abs(statistics.median(hidden) / statistics.median(absent) - 1) < 0.03
    assert auc(hidden, absent) < 0.55


@pytest.mark.soak
def test_a_hidden_hit_takes_as_long_as_a_miss_in_the_database_and_a_naive_build_is_caught(desk: Desk) -> None:
    """Without HTTP around it a difference of microseconds shows; the same measure catches the naive build."""
    hidden, absent = timed_in_database(desk)
    assert abs(statistics.median(hidden) / statistics.median(absent) - 1) < 0.03
    assert auc(hidden, absent) < 0.55
    naive_build(desk)
    hidden, absent = timed_in_database(desk)
    assert statistics.median(hidden) / statistics.median(absent) - 1 >= 0.03
    assert auc(hidden, absent) >= 0.55


def naive_build(desk: Desk) -> None:
    """Let the search match on hidden fields and hide the shielded rows only then."""
    desk.sql("create schema naive")
    desk.sql('create table naive.hidden (child_number text collate "C", postcode text collate "C")')
    hide = "insert into naive.hidden select child_number, %s from directory.entry where surname = %s"
    for n in range(SHIELDED):
        desk.sql(hide, postcode(n), f"family{n}")
    desk.sql("create index on naive.hidden (postcode)")
    desk.sql("grant usage on schema naive to contactpoint_directory")
    desk.sql("grant select on naive.hidden to contactpoint_directory")
    desk.sql(NAIVE)
    desk.sql("vacuum analyze naive.hidden")


def timed_in_database(desk: Desk) -> tuple[list[float], list[float]]:
    with psycopg.connect(desk.postgres.dsn.get_secret_value(), autocommit=True) as connection:
        connection.execute("set role contactpoint_directory")
        connection.execute("select set_config('contactpoint.subject', 'nurse', false)")

        def search(n: int, place: str) -> bool:
            terms = json.dumps({"surname": f"family{n}", "postcode": place})
            return connection.execute("select service.exact(%s::jsonb, 21)", [terms]).fetchall() == []

        for n in range(100):
            search(n, postcode(n))
        return timed(search)


def postcode(n: int) -> str:
    """Return where a child lives; no other child lives where a shielded one does."""
    return f"{'SH' if n < SHIELDED else 'TS'}{n % 90 + 1} {n // 90 % 10}AA"


def timed(search: Callable[[int, str], bool]) -> tuple[list[float], list[float]]:
    """Return the seconds of `REQUESTS` searches each, in a random order: for shielded children and for nobody."""
    rng = random.Random(3)
    kinds = [True, False] * REQUESTS
    rng.shuffle(kinds)
    times: dict[bool, list[float]] = {True: [], False: []}
    for kind in kinds:
        n = rng.randrange(SHIELDED)
        place = postcode(n) if kind else postcode(n).replace("SH", "ZS")
        began = time.perf_counter()
        found_nothing = search(n, place)
        times[kind].append(time.perf_counter() - began)
        assert found_nothing
    return times[True], times[False]


def auc(left: Sequence[float], right: Sequence[float]) -> float:
    """Return how well a threshold on the time tells the two apart: 0.5 not at all, 1 always."""
    ranked = sorted([(value, True) for value in left] + [(value, False) for value in right])
    ranks = sum(rank for rank, (_, is_left) in enumerate(ranked, 1) if is_left)
    area = (ranks - len(left) * (len(left) + 1) / 2) / (len(left) * len(right))
    return max(area, 1 - area)
