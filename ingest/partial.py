"""Sources that say only what changed (HL7): the record as a whole, item by item, from statements in any order.

Each item keeps the version that said it last, so folding the same statements in any order gives the same record. An
item that is said to be empty is kept as empty: it was deleted, and an older statement must not bring it back.
"""

from __future__ import annotations

import msgspec

from connectors.raw import RawPerson

ITEMS: tuple[str, ...] = RawPerson.__struct_fields__


class PartialState(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What is known of a record, with the version of each item; what was said up to `floor` was withdrawn."""

    person: RawPerson = RawPerson()
    versions: dict[str, int] = {}
    floor: int = -1


EMPTY = PartialState()
_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER = msgspec.json.Decoder(PartialState)


def fold(state: PartialState, said: RawPerson, version: int) -> PartialState:
    """Return the state with what was said at `version`; an item said twice at one version keeps the greater text."""
    if version <= state.floor:
        return state
    changed: dict[str, object] = {}
    versions = dict(state.versions)
    for item in ITEMS:
        value = getattr(said, item)
        if value is None:
            continue
        last = versions.get(item, state.floor)
        current = getattr(state.person, item)
        if version > last or (version == last and _ENCODER.encode(value) > _ENCODER.encode(current)):
            versions[item] = version
            changed[item] = value
    if not changed:
        return state
    return PartialState(msgspec.structs.replace(state.person, **changed), versions, state.floor)


def withdraw(state: PartialState, version: int) -> PartialState:
    """Return the state after the source withdrew the record: only what is said later counts."""
    if version <= state.floor:
        return state
    kept = {item: said for item, said in state.versions.items() if said > version}
    person = RawPerson(**{item: getattr(state.person, item) for item in kept})
    return PartialState(person, kept, version)


def dump(state: PartialState) -> bytes:
    """Return the state as bytes for the store."""
    return _ENCODER.encode(state)


def load(content: bytes | None) -> PartialState:
    """Return a stored state; nothing stored is the empty one."""
    return _DECODER.decode(content) if content else EMPTY
