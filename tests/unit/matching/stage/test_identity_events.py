from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from matching.changes import EvidencePair, FormerChild, IdentityChange
from matching.stage.identity_events import encode_identities
from schemas.codec import decode, encode, with_headers
from schemas.events import IdentityEvent, identity_event_id

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
    (value,) = encode_identities([change], "0123456789abcdef", "2026-11-23T07:02:40.872616Z")
    event = decode(value)
    assert isinstance(event, IdentityEvent)
    assert event.event_type == f"identity.{change.kind}"
    assert event.subject == change.child_number
    assert event.event_id == identity_event_id(change.child_number, event.event_type, change.version)
    assert event.data.members == change.members
    assert event.data.founder == change.founder
    assert [tuple(pair) for pair in change.evidence] == [
        (pair.left, pair.right, pair.weight, pair.levels) for pair in event.data.evidence
    ]
    assert with_headers(value).headers == encode(event).headers
    assert decode(encode(event).value) == event
