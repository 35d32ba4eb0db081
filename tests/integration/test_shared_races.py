"""What can happen between the steps of two shared workers, one after another by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from connectors.postgres import connect
from matching.changes import SourceChange
from matching.linkage.decisions import Decision
from matching.shared.linker import SharedLinker
from schemas.settings import PostgresSettings
from tests.factories.shared import SharedStore
from tests.unit.matching.worlds import ANNA, BEN, PLAIN, observed


@pytest.fixture(scope="module")
def store(module_postgres: PostgresSettings) -> Iterator[SharedStore]:
    with SharedStore.opened(module_postgres) as opened:
        yield opened


@pytest.fixture
def workers(store: SharedStore) -> list[SharedLinker]:
    return store.empty(PLAIN)


@contextmanager
def linking(worker: SharedLinker, changes: Sequence[SourceChange]) -> Iterator[None]:
    """Let the block happen between what a worker finds for these changes and what it settles."""
    announced = worker.announce(changes)
    surveyed = worker.survey(announced)
    yield
    worker.settle(announced, surveyed, [])


def are_one_child(store: SharedStore) -> bool:
    """Tell whether the two records of these tests are one child, and there is no other."""
    return list(store.rows().memberships.values()) == [("a:1", "b:1")]


def test_a_record_that_another_worker_linked_after_the_survey_is_found(
    store: SharedStore, workers: list[SharedLinker]
) -> None:
    first, second, _ = workers
    with linking(first, [observed("a:1", ANNA)]):
        second.link([observed("b:1", ANNA)], [])
    assert are_one_child(store)


def test_two_workers_that_announce_one_after_the_other_find_each_other(
    store: SharedStore, workers: list[SharedLinker]
) -> None:
    first, second, _ = workers
    batches = [(w, w.announce([observed(key, ANNA)])) for w, key in ((first, "a:1"), (second, "b:1"))]
    surveys = [(w, announced, w.survey(announced)) for w, announced in batches]
    for worker, announced, surveyed in surveys:
        worker.settle(announced, surveyed, [])
    assert are_one_child(store)


def test_a_newer_content_stays_to_be_found_while_an_older_one_is_linked(
    store: SharedStore, workers: list[SharedLinker]
) -> None:
    first, second, third = workers
    second.link([observed("a:1", ANNA)], [])
    with linking(first, [observed("a:1", ANNA, 3)]):
        second.link([observed("a:1", BEN, 2)], [])
        third.link([observed("b:1", ANNA)], [])
    assert are_one_child(store)


def test_another_workers_newer_content_of_an_own_record_is_told_of_what_the_batch_brings(
    store: SharedStore, workers: list[SharedLinker]
) -> None:
    first, second, _ = workers
    with linking(first, [observed("a:1", ANNA, 2)]):
        second.link([observed("a:1", BEN, 1), observed("b:1", ANNA)], [])
    assert are_one_child(store)


def test_each_content_that_is_announced_of_a_record_is_compared(
    store: SharedStore, workers: list[SharedLinker]
) -> None:
    first, second, dead = workers
    dead.announce([observed("a:1", BEN, 1)])
    with linking(first, [observed("a:1", BEN, 1), observed("a:1", ANNA, 2)]):
        second.link([observed("b:1", ANNA)], [])
    assert are_one_child(store)


def test_what_is_erased_while_a_newer_content_is_announced_comes_back_with_its_links(
    store: SharedStore, workers: list[SharedLinker]
) -> None:
    first, second, third = workers
    second.link([observed("a:1", ANNA)], [])
    with linking(first, [observed("a:1", ANNA, 3)]):
        second.link([], [], (), [Decision("e", "erasure", 9, ("a:1",), versions=(2,))])
        third.link([observed("b:1", ANNA)], [])
    assert are_one_child(store)


def test_a_must_link_waits_for_records_that_were_never_seen(store: SharedStore, workers: list[SharedLinker]) -> None:
    first, second, third = workers
    first.link([], [], (), [Decision("d", "must_link", 1, ("a:1",), ("b:1",))])
    second.link([observed("a:1", ANNA)], [])
    third.link([observed("b:1", BEN)], [])
    assert are_one_child(store)


@pytest.mark.parametrize("withdrawn", ["a:1", "b:1"])
def test_a_shield_protects_somebody_while_any_record_that_it_names_is_live(
    store: SharedStore, workers: list[SharedLinker], withdrawn: str
) -> None:
    first, second, _ = workers
    first.link([observed("a:1", ANNA), observed("b:1", BEN)], [])
    first.link([], [], (), [Decision("s", "shield", 1, ("a:1", "b:1"))])
    second.link([observed(withdrawn, (), 2)._replace(kind="withdrawn", row=None)], [])
    assert not store.conflicts()


def test_a_shield_that_protects_somebody_is_in_no_doubt_when_another_one_is_retracted(
    store: SharedStore, workers: list[SharedLinker]
) -> None:
    first, second, _ = workers
    first.link([observed("a:1", ANNA)], [])
    first.link([], [], (), [Decision("s", "shield", 1, ("a:1", "b:1")), Decision("t", "shield", 1, ("b:1",))])
    second.link([], [], (), [Decision("r", "retracted", 2, target="t")])
    assert not store.conflicts()


def test_keys_that_a_record_has_are_announced_again_only_while_another_worker_may_take_them_away(
    store: SharedStore, workers: list[SharedLinker], module_postgres: PostgresSettings
) -> None:
    first, second, third = workers
    first.link([observed("a:1", ANNA)], [])
    keys = store.keys()
    second.announce([observed("a:1", ANNA, 2)])
    assert store.keys() == keys
    with connect(module_postgres) as other:
        other.execute("select 1 from matching.shared_name where key = 'a:1' for no key update")
        third.announce([observed("a:1", ANNA, 3)])
    assert store.keys() == 2 * keys
