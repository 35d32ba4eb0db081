"""How long answers take must not tell a shielded child from nobody (R16); minutes long, so part of `make soak`.

The default run compares the work of the database instead (test_directory_shield.py), which no busy machine disturbs.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator, Sequence
from datetime import date

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
        yield desk


@pytest.mark.soak
def test_a_hidden_hit_takes_as_long_as_a_miss_and_a_naive_build_is_caught(desk: Desk) -> None:
    hidden, absent = timed(desk)
    assert abs(statistics.median(hidden) / statistics.median(absent) - 1) < 0.03
    assert auc(hidden, absent) < 0.55
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
    hidden, absent = timed(desk)
    apart = abs(statistics.median(hidden) / statistics.median(absent) - 1)
    assert apart >= 0.03 or auc(hidden, absent) >= 0.55


def postcode(n: int) -> str:
    """Return where a child lives; no other child lives where a shielded one does."""
    return f"{'SH' if n < SHIELDED else 'TS'}{n % 90 + 1} {n // 90 % 10}AA"


def timed(desk: Desk) -> tuple[list[float], list[float]]:
    """Return the seconds of `REQUESTS` requests each, in a random order: for shielded children and for nobody."""
    rng = random.Random(3)
    kinds = [True, False] * REQUESTS
    rng.shuffle(kinds)
    token = desk.token("nurse", exp=desk.clock() + 3_500)
    times: dict[bool, list[float]] = {True: [], False: []}
    for kind in kinds:
        n = rng.randrange(SHIELDED)
        place = postcode(n) if kind else postcode(n).replace("SH", "ZS")
        began = time.perf_counter()
        answer = desk.post("/v1/search", "nurse", token, surname=f"Family{n}", postcode=place)
        times[kind].append(time.perf_counter() - began)
        assert answer.content == b'{"children" : [], "matched" : "none"}'
    return times[True], times[False]


def auc(left: Sequence[float], right: Sequence[float]) -> float:
    """Return how well a threshold on the time tells the two apart: 0.5 not at all, 1 always."""
    ranked = sorted([(value, True) for value in left] + [(value, False) for value in right])
    ranks = sum(rank for rank, (_, is_left) in enumerate(ranked, 1) if is_left)
    area = (ranks - len(left) * (len(left) + 1) / 2) / (len(left) * len(right))
    return max(area, 1 - area)
