from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching import features
from matching.changes import SourceChange
from matching.features import FIELDS, ChangeReader
from matching.linkage.columns import SEPARATOR
from matching.linkage.marks import birth_order, with_birth_order
from matching.linkage.model import Field, LinkageModel
from matching.linkage.normalise import fold_identifier
from schemas.catalogue import CURRENT_VERSIONS
from schemas.codec import encode
from schemas.errors import ConfigurationError, RejectedError
from schemas.events import AnyRecordEvent, RecordObserved
from schemas.records import Identifier, NameClaim, PersonRecord
from tests.factories.linkage import hand_made_model
from tests.strategies import record_events

GOLDEN = Path(__file__).parents[2] / "golden" / "record.observed.v2.json"
READER = ChangeReader(hand_made_model())
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def observed(**data: Any) -> RecordObserved:
    return RecordObserved(
        event_id="1",
        subject="school-1:7",
        feed="f",
        source_version=1,
        fingerprint="aa",
        ingested_at=EPOCH,
        data=PersonRecord(**data),
    )


def value_of(field: str, **data: Any) -> str:
    values = READER.read(encode(observed(**data)).value).values
    return values[list(FIELDS).index(field)]


def test_the_golden_event_gives_the_values_that_linkage_compares() -> None:
    assert READER.read(GOLDEN.read_bytes()) == SourceChange(
        key="school-8012000:B801200005001",
        source="school-8012000",
        kind="observed",
        version=1,
        fingerprint="00ff",
        ingested_at=1_772_443_200_000_000,
        event_id="749292ed502ac5e832bc6a6d04f9952a",
        row=SEPARATOR.join(
            (
                "ZOE",
                "ONEILL ADEWALE|SMITH",
                "20141103",
                "F",
                "",  # ZZ99 is the code for "no postcode known"
                "12 MILL LANE WESTBURY EXAMPLETON",
                "GRACE ADEWALE",
                "9990001006",
                "B801200005001",
                "1000000019",
            )
        ),
        authority="801",
        verified=with_birth_order(1, 2),
    )


@given(record_events())
def test_every_record_event_becomes_the_change_that_it_describes(event: AnyRecordEvent) -> None:
    change = READER.read(encode(event).value) if _survives(event) else None
    if change is not None:
        assert (change.key, change.version, change.fingerprint) == (
            event.subject,
            event.source_version,
            event.fingerprint,
        )
        assert change.event_id == event.event_id
        assert f"record.{change.kind}" == event.event_type
        assert change.ingested_at == (event.ingested_at - EPOCH) // (datetime.resolution)
        assert (change.row is not None) == (change.kind == "observed")


def _survives(event: AnyRecordEvent) -> bool:
    return event.event_type != "record.merged" or event.data.survivor != event.subject


@given(st.from_regex(re.compile(r"[A-Za-z0-9/_.-]{1,40}"), fullmatch=True))
def test_the_short_way_for_identifiers_gives_what_folding_gives(value: str) -> None:
    assert value_of("nhs", identifiers=(Identifier(scheme="nhs", value=value),)) == fold_identifier(value)


def test_all_names_are_alternates_of_one_field() -> None:
    names = (NameClaim(given="Ann", family="Lee"), NameClaim(kind="former", given="Ann", family="Ray"))
    assert (value_of("given", names=names), value_of("surname", names=names)) == ("ANN", "LEE|RAY")


@pytest.mark.parametrize(
    ("field", "data"),
    [
        pytest.param("birth_date", {"birth_date": date(2027, 1, 3), "birth_date_basis": "expected"}, id="not yet born"),
        pytest.param(
            "nhs",
            {"identifiers": (Identifier(scheme="nhs", value="9990001006", verification="in_doubt"),)},
            id="number in doubt",
        ),
        pytest.param(
            "upn", {"identifiers": (Identifier(scheme="temporary_upn", value="A80120000500B"),)}, id="stopgap"
        ),
        pytest.param("postcode", {}, id="no whereabouts"),
        pytest.param("sex", {"sex": "not_specified"}, id="not specified"),
    ],
)
def test_what_identifies_nobody_counts_as_missing(field: str, data: dict[str, Any]) -> None:
    assert value_of(field, **data) == ""


@pytest.mark.parametrize(
    ("name", "stated", "order"),
    [("Twin 2", None, 2), ("BABY TWIN B", None, 2), ("Triplet-C", None, 3), ("Twin Girl ONE", None, 1),
     ("1st twin", None, 1), ("Second Twin", None, 2), ("Twin 2 of 2", None, 2), ("TWIN 1 SMITH", None, 1),
     ("Twin", None, 0), ("Twin Anna", None, 0),
     ("Baby 2", None, 0), ("Tawin 2", None, 0), ("Twin 1", 2, 2), ("Ann", 3, 3)],
)  # fmt: skip
def test_the_birth_order_is_what_is_stated_or_what_a_placeholder_name_tells(
    name: str, stated: int | None, order: int
) -> None:
    event = observed(names=(NameClaim(given=name),), birth_order=stated)
    assert birth_order(READER.read(encode(event).value).verified) == order


def poisoned(**changes: Any) -> bytes:
    event = orjson.loads(encode(observed()).value) | {"schema_version": _version(**changes)} | changes
    return orjson.dumps(event)


def _version(event_type: str = "record.observed", **_: Any) -> int:
    return CURRENT_VERSIONS[event_type]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        pytest.param(None, "not_json", id="tombstone"),
        pytest.param(b"\x00\xff\x00", "not_json", id="binary"),
        pytest.param(b'{"event_type":"record.observed","schema_version":1}', "event_invalid", id="fields missing"),
        pytest.param(poisoned(schema_version=99), "schema_version_unknown", id="from the future"),
        pytest.param(poisoned(subject="no-colon"), "record_key_invalid", id="key without source"),
        pytest.param(poisoned(subject="a:b\x00c"), "name_invalid", id="NUL in the key"),
        pytest.param(poisoned(subject="a:" + "b" * 600), "name_invalid", id="endless key"),
        pytest.param(poisoned(fingerprint="\x1f"), "name_invalid", id="control character in the fingerprint"),
        pytest.param(poisoned(source_version=2**63), "event_invalid", id="version beyond 64 bits"),
        pytest.param(poisoned(ingested_at="yesterday"), "event_invalid", id="no time"),
        pytest.param(poisoned(event_type="record.merged", data={}), "merge_invalid", id="merge into nothing"),
        pytest.param(
            poisoned(event_type="record.merged", data={"survivor": "school-1:7"}),
            "merge_invalid",
            id="merge into itself",
        ),
        pytest.param(
            poisoned(event_type="identity.created"), "event_type_unexpected", id="an event of another kind of topic"
        ),
    ],
)
def test_what_is_not_a_source_event_is_rejected_with_a_code(value: bytes | None, code: str) -> None:
    with pytest.raises(RejectedError) as refusal:
        READER.read(value)
    assert refusal.value.code == code


def test_a_model_that_asks_for_what_no_event_has_is_refused_by_name() -> None:
    model: LinkageModel = hand_made_model()
    object.__setattr__(model, "fields", (Field("shoe_size", "exact"), Field("nhs", "surname")))
    with pytest.raises(ConfigurationError, match=r"shoe_size \(exact\), nhs \(surname\); known: given"):
        ChangeReader(model)


def test_sensitive_parts_are_not_even_read() -> None:
    read = {name for view in vars(features).values() for name in getattr(view, "__struct_fields__", ())}
    assert read.isdisjoint({"involvements", "education", "primary_care", "contact", "sensitive"})
