from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from matching.changes import EvidencePair, FormerChild, IdentityChange
from matching.stage.identity_events import encode_identity
from matching.stage.messages import Outgoing
from schemas.codec import decode, encode, with_headers
from schemas.events import IdentityEvent, event_id

keys = st.builds("{}-1:{}".format, st.sampled_from(["school", "health"]), st.integers(0, 99))
members = st.lists(keys, max_size=4, unique=True).map(lambda found: tuple(sorted(found)))
numbers = st.from_regex(r"[0-9A-HJKMNP-TV-Z]{13}", fullmatch=True)
changes = st.builds(
    IdentityChange,
    kind=st.sampled_from(["created", "changed", "merged", "split", "retired"]),
    child_number=numbers,
    version=st.integers(1, 2**62),
    founder=keys,
    members=members,
    before=st.lists(st.builds(FormerChild, numbers, members), max_size=2).map(tuple),
    successors=st.lists(numbers, max_size=2).map(tuple),
    causes=st.lists(st.from_regex(r"[0-9a-f]{32}", fullmatch=True), max_size=2).map(tuple),
    evidence=st.lists(
        st.builds(EvidencePair, keys, keys, st.integers(-9999, 9999), st.lists(st.integers(0, 15)).map(tuple)),
        max_size=2,
    ).map(tuple),
)


@given(changes)
def test_an_identity_change_is_written_as_the_contract_says(change: IdentityChange) -> None:
    encoded = encode_identity(change, "0123456789abcdef", "2026-11-23T07:02:40.872616Z")
    event = decode(encoded.value)
    assert isinstance(event, IdentityEvent)
    assert event.event_type == f"identity.{change.kind}"
    assert event.subject == change.child_number
    assert event.event_id == event_id(change.child_number, event.event_type, change.version)
    assert event.data.members == change.members
    assert event.data.founder == change.founder
    assert [tuple(pair) for pair in change.evidence] == [
        (pair.left, pair.right, pair.weight, pair.levels) for pair in event.data.evidence
    ]
    assert with_headers(encoded.value) == encoded
    assert encoded.headers == encode(event).headers
    assert decode(encode(event).value) == event


@given(st.lists(changes, max_size=3), st.lists(st.binary(), max_size=2))
def test_an_outbox_row_gives_back_its_changes_and_the_values_that_an_earlier_release_wrote(
    now: list[IdentityChange], before: list[bytes]
) -> None:
    payload = Outgoing([*before, *now], [], [], "model", "2026-11-23T07:02:40Z").payload()
    assert bool(payload) == bool(now or before)
    if payload:
        assert msgspec.msgpack.decode(payload, type=Outgoing).identities == [*before, *now]
    older = msgspec.msgpack.encode([before, [], before])
    assert msgspec.msgpack.decode(older, type=Outgoing) == Outgoing(before, [], before)
