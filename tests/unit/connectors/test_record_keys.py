"""Record keys that stand for the sources' own ids: the same for the same id, and nothing of it in them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from connectors.raw import RawRecord, RejectedItem, SnapshotEnd
from connectors.vault import RecordKeys

KEYS = RecordKeys(b"a secret of these tests")
ids = st.text(st.characters(categories=["Lu", "Nd"]), min_size=1, max_size=20)


@given(ids, ids)
def test_a_record_key_is_a_function_of_source_and_id_and_shows_neither_id(first: str, second: str) -> None:
    made = [KEYS.key(f"school-1:{each}") for each in (first, second)]
    assert (made[0] == made[1]) == (first == second)
    assert made[0] != KEYS.key(f"school-2:{first}").replace("school-2", "school-1")
    assert made[0] != RecordKeys(b"another").key(f"school-1:{first}")
    assert len(made[0]) == len("school-1:") + 25


@given(ids)
def test_a_record_key_that_was_made_already_stays_as_it_is(source_id: str) -> None:
    made = KEYS.key(f"school-1:{source_id}")
    assert KEYS.key(made) == made


def test_an_item_names_its_record_its_earlier_ids_and_its_survivor_in_the_same_way() -> None:
    raw = RawRecord("school-1", "B801", 1, "place", b"bytes", merged_into="B802", replaces=("B800",))
    named = KEYS.item(raw)
    assert isinstance(named, RawRecord)
    made = [KEYS.source_id("school-1", each) for each in ("B801", "B802", "B800")]
    assert [named.source_id, named.merged_into, *named.replaces] == made


def test_a_refused_item_keeps_its_place_and_a_nameless_one_and_an_end_stay_as_they_are() -> None:
    named = KEYS.item(RejectedItem("place", "code", "why", b"bytes", key="school-1:B801"))
    assert isinstance(named, RejectedItem)
    assert (named.key, named.place) == (KEYS.key("school-1:B801"), "place")
    nameless = RejectedItem("place", "code", "why", b"bytes")
    end = SnapshotEnd(("school-1",), 1, 1, 0, "place")
    assert (KEYS.item(nameless), KEYS.item(end)) == (nameless, end)


def test_a_child_number_is_no_record_key() -> None:
    assert KEYS.key("7Z3K9QW2M4XVE") == "7Z3K9QW2M4XVE"
