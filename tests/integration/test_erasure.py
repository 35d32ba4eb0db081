"""Checklist line 10: erasure leaves nothing readable, by search in every place, and by full replay."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql

from connectors.kafka import EventProducer, ReadMessage, read_to_end
from connectors.postgres import connect
from contactpoint.erasing import values
from contactpoint.erasing.forms import forms_of
from contactpoint.erasing.needles import Needles
from contactpoint.erasing.order import Approval, order_erasure
from contactpoint.erasing.proof import Trace, traces
from contactpoint.stack.postgres import find_binaries
from ingest.seals import Seals
from projections.access.keys import read_log_keys
from projections.access.log import append, create_tables
from projections.access.sequencer import Sequencer
from projections.directory.entry import fold_name
from projections.disclosures.desk import DisclosureDesk
from projections.disclosures.desk import prepare as prepare_disclosures
from projections.disclosures.rules import Ask
from schemas.access import AccessEntry, Person
from schemas.codec import decode, encode
from schemas.dead_letter import dead_letter, to_headers
from schemas.decisions import ErasedRecord, Erasure, ErasureOrdered
from schemas.errors import RejectedError
from schemas.events import RecordObserved, record_event_id
from schemas.settings import KafkaSettings, PostgresSettings
from schemas.topics import SOURCE_TOPICS
from tests.factories.directory_service import Desk
from tests.factories.line import DATABASE_SCHEMAS, Line

SHORT = 6  # letters: shorter values are other children's too
TWO = ("--by", "a", "--approved-by", "b")
WHO = ("--by", "auditor-1", "--organisation", "LA-BOLTON", "--reason", "complaint 12")


def test_line_10_an_erased_child_is_found_nowhere_and_no_replay_and_no_older_event_brings_it_back(line: Line) -> None:
    line.ingest(line.world(40))
    with line.stages():
        line.drain()
        number, members = max(line.outcome().memberships.items(), key=lambda child: len(child[1]))
        said, older = values_of(line, members)
        values = [*said, *use(line, number, members[0])]
        places = {trace.place.partition(".")[0] for trace in found(line, values)}
        assert {"table directory", "table projection", "table matching", "pg_dump"} <= places, "the search finds"
        assert places.isdisjoint({"table audit", "table vault"}), "what the trail says of the child is sealed"
        assert not any(place.startswith("topic") for place in places), "what is published is sealed"
        assert looks_for(line, number) >= numbers_of(older), "also for what the directory does not keep"
        refused = line.run("retention", "erase", number, "--by", "a", "--approved-by", "b")
        assert "six years" in refused.stderr
        a_shielded_child_is_nobody_to_who_has_no_right(line, number)
        with connect(line.postgres, autocommit=True) as connection:  # as a killed rebuild leaves it
            connection.execute("create schema directory_rebuild")
            connection.execute("create table directory_rebuild.entry as table directory.entry")
        (done,) = line.ask_here("retention", "erase", number, *TWO, "--reason", "court_order")
        assert (done["done"], done["found in"]) == (True, [])
        assert done["values searched for"] >= 3
        assert found(line, values) == []
        answer = line.ask_here("child", number)
        assert (answer["entries"], [step["kind"] for step in answer["lineage"]]) == ([], ["retired"])
        assert what_a_decision_meets(line, members[0]) == what_a_decision_meets(line, "school-9:never")
        assert opened(line, "decisions") == opened(line, "dead-letters") == []
        assert line.ask_here("request", "list", "--closed") == []
        assert {row["child"] for row in line.ask_here("audit", "search", *WHO)} >= {"(erased)"}
    drop_all_tables_but_the_ledger_and_the_vault(line)
    with line.stages():
        line.drain()
        assert found(line, values) == []
        assert number not in line.outcome().memberships
        publish(line, older)
        line.drain()
        assert live_keys(line).isdisjoint(members)
        publish(line, [newer(each) for each in older])
        line.drain()
        assert line.ask_here("child", number)["entries"], "it is said anew"
        number_entries(line)
        assert {row["child"] for row in line.ask_here("audit", "search", *WHO, "--child", number)} == {number}
    assert "none" in line.run("retention", "enforce").stdout


def a_shielded_child_is_nobody_to_who_has_no_right(line: Line, other: str) -> None:
    """Shield a child beside this one, and ask for its erasure, which is not due, in every way."""
    child = min(line.outcome().memberships.keys() - {other})
    line.ask_here("decide", "shield", child, "--by", "ann", "--reason", "threat")
    erase, right = ("retention", "erase", *TWO), ("--with-right", "shielded")
    for reason in (("--reason", "court_order"), ()):
        unknown, known = (str(line.run_here(*erase, *reason, each).exception) for each in ("0000000000000", child))
        assert known == unknown
    assert "six years" in str(line.run_here(*erase, child, *right).exception)
    ordinary = line.run_here(*erase, child, *right, CONTACTPOINT_POSTGRES_DSN=line.login("reviewer"))
    assert "contactpoint_shielded_reviewer" in str(ordinary.exception)
    line.ask_here("decide", "unshield", child, *TWO, "--reason", "threat_ended", *right, "--wait")


def what_a_decision_meets(line: Line, key: str) -> str:
    """Return how a decision that names this record is refused, the keys left out."""
    pair = (key, min(live_keys(line)))
    refused = line.run_here("decide", "must-link", *pair, "--by", "ann", "--reason", "typing_error").exception
    assert isinstance(refused, RejectedError)
    return re.sub(r"\S+:\S+", "", f"{refused.code} {refused}")


def use(line: Line, number: str, record: str) -> list[str]:
    """Use the system about a child in every way that leaves something; return what of it must not outlive the child."""
    create_tables(line.postgres)
    who = Person(user="nurse-7", role="nurse", organisation="RMC01")
    common: dict[str, Any] = {"decision": "permitted", "who": who, "policy": "p", "request": "r", "child": number}
    deeds = [
        AccessEntry(action="searched", query={"family": "Quillfeather"}, **common),
        AccessEntry(action="opened", reason="asked for Quillfeather by her aunt", **common),
    ]
    with connect(line.postgres, autocommit=True) as connection:
        append(connection, deeds)
    number_entries(line)
    items = line.folder / "right.toml"
    items.write_text(
        'names = [{given = "Quenby", family = "Quillfeather"}, {given = "Tom", family = "Reason"}]\n'  # a word of ours
        'education = [{institution = "Holder"}]\n'  # a column, in a dump
    )
    line.ask_here("decide", "correct", number, str(items), "--by", "a", "--reason", "certificate", "--wait")
    prepare_disclosures(line.postgres)
    with connect(line.postgres, autocommit=True) as connection:
        ask, now = Ask(number, "court_order", "court-7", ("names",), "ordered_items", False, "b"), datetime.now(UTC)
        DisclosureDesk(connection).authorise(ask, who, now, now + timedelta(days=1))
    what = line.folder / "asked.txt"
    what.write_text("Her aunt, Ms Quillfeather, asks what is held.")
    asked = line.run("request", "open", number, "access", "--requester", "representative", "--by", "clerk-2",
                     "--received", "2026-01-31", "--details", str(what))  # fmt: skip
    assert "2026-02-28" in asked.stdout, asked.stderr
    (late,) = line.ask_here("request", "list", "--on", "2026-03-01")
    assert (late["late"], late["days left"]) == (True, -1)
    assert line.run("request", "close", late["request"], "--by", "clerk-2").returncode == 65, "it was not answered"
    assert "Quillfeather" in line.ask_here("request", "show", late["request"], *WHO[:4])["details"]
    line.run("request", "refuse", late["request"], "--by", "clerk-2", "--reason", "no_authority")
    assert line.run("request", "list", "--overdue", "--on", "2026-03-01").returncode == 0
    error = RejectedError("row_invalid", "a column is missing")
    letter = dead_letter(
        stage="ingest", origin="f", place="f:1", key=record.encode(), value=b"QUILLFEATHER;?;", error=error
    )
    with Seals.of(line.kafka) as seals, EventProducer(line.kafka) as producer:
        (closed,) = seals.sealed([], [letter])[1]
        producer.send("dead-letters", closed.key, closed.value, to_headers(closed))
    assert (len(opened(line, "decisions")), len(opened(line, "dead-letters"))) == (2, 1)
    return ["Quillfeather", "Quenby"]


def looks_for(line: Line, child: str) -> set[str]:
    """Return what the proof would look for if the child were erased now."""
    with connect(line.postgres, autocommit=True) as connection:
        order = order_erasure(connection, child, Approval("a", "b", "court_order"))
        return set(values.values_of(connection, order))


def numbers_of(events: list[RecordObserved]) -> set[str]:
    """Return the child's numbers that linkage compares."""
    numbers = [each for event in events for each in event.data.identifiers]
    found = {each.value for each in numbers if each.scheme in {"nhs", "upn"} and each.verification != "in_doubt"}
    assert found
    return found


def number_entries(line: Line) -> None:
    """Do what the trail's keeper does with committed entries."""
    with connect(line.postgres, autocommit=True) as connection:
        Sequencer(connection, read_log_keys(line.trail_keys), no_witness).number()


def newer(event: RecordObserved) -> RecordObserved:
    """Return what the source says again after the erasure."""
    version = event.source_version + 1
    name = record_event_id(event.subject, "record.observed", version, event.fingerprint)
    return event.model_copy(update={"source_version": version, "event_id": name})


def no_witness(_: bytes, /) -> str:
    """Refuse to cosign: no checkpoint is made here."""
    raise AssertionError


def opened(line: Line, topic: str) -> list[bytes]:
    """Return the values of a topic that can be opened and that name the child."""
    return [each.value for each in read(line.kafka, [topic]) if each.value and b"quillfeather" in each.value.lower()]


def values_of(line: Line, members: tuple[str, ...]) -> tuple[list[str], list[RecordObserved]]:
    """Return what the log says of these records and of no others, and the events."""
    events = [decode(message.value) for message in read(line.kafka)]
    theirs = [each for each in events if each.subject in members and isinstance(each, RecordObserved)]
    others = fold_name("\n".join(each.model_dump_json() for each in events if each.subject not in members))
    said = {text for each in theirs for text in texts(each) if len(text) >= SHORT}
    values = sorted(text for text in said if fold_name(text) not in others)
    assert len(values) >= 3
    assert any(value.isalnum() and any(map(str.isdigit, value)) for value in values), "a supplier's number among them"
    return values, theirs


def texts(event: Any) -> Iterator[str]:
    """Yield every text that a record event states about the person."""
    waiting = [json.loads(event.data.model_dump_json(exclude_none=True))]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        else:
            waiting.extend(value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())


def read(kafka: KafkaSettings, topics: Sequence[str] = SOURCE_TOPICS) -> list[ReadMessage]:
    """Return every message of these topics, open."""
    return list(read_to_end(kafka, topics))


def found(line: Line, values: list[str]) -> list[Trace]:
    """Search everywhere."""
    wanted = [*map(forms_of, values)]
    return traces(line.kafka, line.postgres, wanted, pg_dump=find_binaries(None) / "pg_dump")


def drop_all_tables_but_the_ledger_and_the_vault(line: Line) -> None:
    with connect(line.postgres, autocommit=True) as connection:
        for name in DATABASE_SCHEMAS:
            connection.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(name)))


def publish(line: Line, events: list[RecordObserved]) -> None:
    """Send events again in the clear, as a source that goes by ingest would."""
    kinds = {"school": "schools", "health": "health", "yot": "yot", "eborders": "eborders"}
    with EventProducer(line.kafka) as producer:
        for event in events:
            kind = next((topic for start, topic in kinds.items() if event.subject.startswith(start)), "schools")
            producer.send_event(f"source.{kind}", encode(event))


def live_keys(line: Line) -> set[str]:
    with psycopg.connect(line.postgres.dsn.get_secret_value()) as connection:
        return {row[0] for row in connection.execute("select record_key from projection.record_version")}


def test_an_employer_s_name_that_a_child_s_record_says_is_no_trace(postgres: PostgresSettings) -> None:
    Desk(postgres).employ("nurse-7", organisation="RMC01")
    order = ErasureOrdered(
        event_id="e",
        subject="school-1:a",
        decided_at=datetime.now(UTC),
        by="a",
        approved_by="b",
        reason="court_order",
        data=Erasure(records=(ErasedRecord(key="school-1:a", source_version=1),)),
    )
    with connect(postgres) as connection:
        (left,) = values.only_theirs(connection, {order: ["Employer RMC01", "Quillfeather"]}).values()
    assert Needles(left).found_in([b"Employer RMC01", b"quillfeather"]) == {(1, left.index(forms_of("Quillfeather")))}
