"""Sealing: only the right key opens a box, and only for its own entry."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.access.keys import make_log_keys, make_witness_key, read_log_keys, trust_witness
from projections.access.sealing import SealingKey, seal, unseal
from schemas.errors import ConfigurationError, RejectedError

SECRETS = st.dictionaries(st.sampled_from(["child", "reason"]), st.text(max_size=40), max_size=2)
KEY = SealingKey(b"s" * 32)


@given(SECRETS, st.integers(0, 10**12))
def test_a_box_opens_with_its_key_for_its_entry(secret: dict[str, str], entry: int) -> None:
    wrapped = KEY.new_wrapped()
    box = seal(KEY.unwrap(wrapped), entry, secret)
    assert unseal(KEY.unwrap(wrapped), entry, box) == secret
    with pytest.raises(RejectedError):
        unseal(KEY.unwrap(wrapped), entry + 1, box)
    with pytest.raises(RejectedError):
        unseal(KEY.unwrap(KEY.new_wrapped()), entry, box)


def test_another_installation_s_sealing_key_opens_nothing() -> None:
    with pytest.raises(ConfigurationError, match="not the one"):
        SealingKey(b"t" * 32).unwrap(KEY.new_wrapped())


def test_the_tag_of_an_erased_child_says_nothing_without_the_key() -> None:
    assert KEY.tag("1P363AQQSXXVB") == KEY.tag("1P363AQQSXXVB")
    assert KEY.tag("1P363AQQSXXVB") != SealingKey(b"t" * 32).tag("1P363AQQSXXVB")


def test_keys_are_made_once_and_read_by_their_owner_only(tmp_path: Path) -> None:
    log = make_log_keys(tmp_path / "log")
    witness = make_witness_key(tmp_path / "witness")
    trust_witness(tmp_path / "log", witness)
    keys = read_log_keys(tmp_path / "log")
    assert (keys.signer.verifier, keys.witness) == (log, witness)
    assert {path.stat().st_mode & 0o077 for path in tmp_path.glob("*/*.key")} == {0}
    with pytest.raises(ConfigurationError, match="exists"):
        make_log_keys(tmp_path / "log")


@pytest.mark.parametrize("content", [None, b"", b"!", base64.b64encode(b"short")])
def test_a_missing_or_damaged_sealing_key_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "seal.key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError):
        SealingKey.read(path)
