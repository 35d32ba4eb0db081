"""The lease on a real PostgreSQL: who gets it, when, and what a fenced worker can still write."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import psycopg
import pytest

from connectors.postgres import connect
from matching.sql import QUERIES
from matching.stage import store
from matching.stage.lease import Grant, Lease
from matching.stage.made_with import MadeWith, made_with
from matching.stage.messages import Batch, Position
from schemas.errors import FencedError
from schemas.settings import PostgresSettings
from tests.factories.waiting import PATIENCE


@pytest.fixture
def tables(postgres: PostgresSettings) -> PostgresSettings:
    store.create_tables(postgres)
    return postgres


@pytest.fixture
def writer(tables: PostgresSettings) -> Iterator[psycopg.Connection]:
    with connect(tables, autocommit=True) as connection:
        store.prepare_writer(connection)
        yield connection


def lease(settings: PostgresSettings, seconds: float) -> Lease:
    return Lease(settings.dsn.get_secret_value(), "test", seconds)


async def taken(one: Lease) -> Grant:
    grant = await one.take(asyncio.Event())
    assert grant is not None
    return grant


def empty_batch(epoch: int, number: int) -> Batch:
    return Batch(epoch, number, positions=[Position("source.yot", 0, number)])


def test_the_next_worker_gets_a_released_lease_at_once(tables: PostgresSettings) -> None:
    async def hand_over() -> tuple[Grant, Grant]:
        first, second = lease(tables, 300), lease(tables, 300)
        held = await taken(first)
        waiting = asyncio.create_task(taken(second))
        await asyncio.wait({waiting}, timeout=0.2)
        assert not waiting.done()
        await first.release(held)
        got = await asyncio.wait_for(waiting, PATIENCE)
        await first.close()
        await second.close()
        return held, got

    before, after = asyncio.run(hand_over())
    assert after.epoch > before.epoch


def test_a_standby_that_is_told_to_stop_gives_up_waiting(tables: PostgresSettings) -> None:
    async def wait_in_vain() -> Grant | None:
        first, second, stop = lease(tables, 300), lease(tables, 300), asyncio.Event()
        await taken(first)
        waiting = asyncio.create_task(second.take(stop))
        await asyncio.wait({waiting}, timeout=0.2)
        stop.set()
        given = await asyncio.wait_for(waiting, PATIENCE)
        await first.close()
        await second.close()
        return given

    assert asyncio.run(wait_in_vain()) is None


def test_an_owner_hears_that_it_lost_the_lease(tables: PostgresSettings) -> None:
    async def lose() -> None:
        first, second = lease(tables, 0.3), lease(tables, 300)
        held = await taken(first)
        await taken(second)  # the first was silent for too long
        await asyncio.wait_for(first.renew_until_lost(held), PATIENCE)
        assert held.lost.is_set()
        await first.close()
        await second.close()

    asyncio.run(lose())


def test_a_worker_frozen_in_a_transaction_does_not_keep_its_successor_out(
    tables: PostgresSettings, writer: psycopg.Connection
) -> None:
    async def take_over() -> tuple[Grant, Grant]:
        first, second = lease(tables, 0.3), lease(tables, 300)
        held = await taken(first)
        frozen = connect(tables, application=f"contactpoint-committer-{first.token}")
        frozen.execute(QUERIES["advance_batch"], {"epoch": held.epoch, "batch": 1})  # and then nothing more
        got = await asyncio.wait_for(taken(second), PATIENCE)
        with pytest.raises(psycopg.OperationalError):
            frozen.commit()
        frozen.close()
        await first.close()
        await second.close()
        return held, got

    zombie, owner = asyncio.run(take_over())
    assert owner.batch == 0
    store.commit(writer, empty_batch(owner.epoch, 1))
    with pytest.raises(FencedError):
        store.commit(writer, empty_batch(zombie.epoch, 2))
    assert store.read_positions(writer) == [Position("source.yot", 0, 1)]


@pytest.mark.parametrize("number", [0, 1, 3])
def test_a_batch_that_does_not_follow_the_last_one_writes_nothing(
    tables: PostgresSettings, writer: psycopg.Connection, number: int
) -> None:

    epoch = asyncio.run(_take_and_close(lease(tables, 300))).epoch
    store.commit(writer, empty_batch(epoch, 1))
    with pytest.raises(FencedError):
        store.commit(writer, empty_batch(epoch, number))
    assert store.read_positions(writer) == [Position("source.yot", 0, 1)]


def test_only_the_owner_says_what_the_tables_are_made_with(
    tables: PostgresSettings, writer: psycopg.Connection
) -> None:
    zombie = asyncio.run(_take_and_close(lease(tables, 0.01))).epoch
    owner = asyncio.run(_take_and_close(lease(tables, 300))).epoch
    assert made_with(writer) == MadeWith(None, 0)
    store.claim(writer, owner, "model-1")
    assert made_with(writer) == MadeWith("model-1")
    with pytest.raises(FencedError):
        store.claim(writer, zombie, "model-2")
    with pytest.raises(FencedError):
        store.start_relinking(writer, zombie, "model-2", {})
    assert made_with(writer) == MadeWith("model-1")


async def _take_and_close(one: Lease) -> Grant:
    grant = await taken(one)
    await one.close()
    return grant
