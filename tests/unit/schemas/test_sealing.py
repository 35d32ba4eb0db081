"""Sealed values: open to their data key alone, bound to their record, and never taken for a value in the clear."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import ConfigurationError, RejectedError
from schemas.sealing import (
    KEY_BYTES,
    KEY_ID_BYTES,
    NONCE_BYTES,
    DataKey,
    is_sealed,
    key_id_of,
    seal,
    unseal,
    unwrap,
    wrap,
)
from schemas.settings import KafkaSettings, VaultSettings

data_keys = st.builds(
    DataKey, st.binary(min_size=KEY_ID_BYTES, max_size=KEY_ID_BYTES), st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES)
)
nonces = st.binary(min_size=NONCE_BYTES, max_size=NONCE_BYTES)
kafka_keys = st.none() | st.binary(max_size=40)


@given(data_keys, nonces, kafka_keys, st.binary(max_size=500))
def test_a_sealed_value_opens_to_its_key_and_names_it(key: DataKey, nonce: bytes, about: bytes, value: bytes) -> None:
    sealed = seal(key, nonce, about, value)
    assert is_sealed(sealed)
    assert key_id_of(sealed) == key.key_id
    assert unseal(key.key, about, sealed) == value


@given(data_keys, nonces, st.data())
def test_a_sealed_value_that_was_altered_or_moved_to_another_record_does_not_open(
    key: DataKey, nonce: bytes, data: st.DataObject
) -> None:
    sealed = bytearray(seal(key, nonce, b"school-1:a", b"what was said"))
    place = data.draw(st.integers(0, len(sealed)))
    about = b"school-1:b" if place == len(sealed) else b"school-1:a"
    if place < len(sealed):
        sealed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(RejectedError, match="altered"):
        unseal(key.key, about, bytes(sealed))


@given(data_keys, nonces, st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES))
def test_a_wrapped_key_opens_to_the_key_encryption_key_alone(key: DataKey, nonce: bytes, other: bytes) -> None:
    kek, stranger = AESGCM(bytes(reversed(key.key))), AESGCM(other)
    wrapped = wrap(kek, nonce, key.key_id, key.key)
    assert key.key not in wrapped
    assert unwrap(kek, key.key_id, wrapped) == key.key
    assert unwrap(stranger, key.key_id, wrapped) is None or other == bytes(reversed(key.key))


def test_json_is_never_taken_for_a_sealed_value() -> None:
    assert not any(map(is_sealed, (b'{"a":1}', b"[]", b"", None, b" {}")))


@pytest.mark.parametrize("kek", ["", "c2hvcnQ=", "not base64!"])
def test_a_wrong_key_encryption_key_is_named_and_never_printed(kek: str) -> None:
    settings = VaultSettings.model_validate({"kek": kek, "dsn": "postgresql://x"})
    with pytest.raises(ConfigurationError, match="CONTACTPOINT_KEK") as raised:
        settings.key()
    assert not kek or kek not in str(raised.value) + repr(settings)


def test_the_vault_is_found_in_the_environment_and_goes_to_the_stages_with_it() -> None:
    env = {"CONTACTPOINT_KAFKA": "a:1", "CONTACTPOINT_POSTGRES_DSN": "postgresql://x", "CONTACTPOINT_KEK": "a2s="}
    settings = KafkaSettings.from_env(env)
    assert settings.vault is not None
    assert KafkaSettings.from_env(settings.as_env()) == settings
    assert KafkaSettings.from_env({"CONTACTPOINT_KAFKA": "a:1"}).vault is None
