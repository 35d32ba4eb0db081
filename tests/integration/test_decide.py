"""People decide on a real log: what is refused, what is published, and the queue from the command line."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any

import pytest
from typer.testing import Result

from connectors.decisions import read_decisions
from connectors.kafka import EventProducer
from connectors.postgres import connect
from contactpoint.erasing.order import Approval, order_erasure
from projections.access.log import set_limits
from schemas.codec import decode, encode
from schemas.decisions import CannotLinkDecided, DecisionRetracted
from schemas.errors import RejectedError
from schemas.events import RecordObserved
from schemas.reasons import REASONS
from schemas.records import NameClaim, PersonRecord
from schemas.topics import CONFLICTS
from tests.factories.line import Line
from tests.integration.test_erasure import newer, publish, read
from tests.unit.projections.reviews import conflict


def run(line: Line, *arguments: str) -> Result:
    """Run a command by a login that has the one role it needs."""
    right = "shielded_reviewer" if "--with-right" in arguments else "reviewer"
    return line.run_here(*arguments, CONTACTPOINT_POSTGRES_DSN=line.login(right))


def ask(line: Line, *arguments: str) -> Any:
    done = run(line, *arguments, "--output", "json")
    assert done.exit_code == 0, (done.output, done.exception)
    return json.loads(done.stdout)


@pytest.mark.parametrize("line", ["owner", "shared"], indirect=True)  # the answers are the same whoever links
def test_a_decision_is_checked_published_with_what_was_seen_and_taken_back(line: Line) -> None:
    line.ingest(line.world(40))
    with line.stages():
        line.drain()
        number, members = max(line.outcome().memberships.items(), key=lambda child: len(child[1]))
        one, other = members[:2]
        refused = run(line, "decide", "cannot-link", one, other, "--by", "ann", "--reason", "twins")
        assert isinstance(refused.exception, RejectedError)
        assert "splits a published child" in str(refused.exception)
        assert read_decisions(line.kafka) == []
        two = ("--by", "ann", "--approved-by", "bob", "--wait")
        told = ask(line, "decide", "cannot-link", one, other, *two, "--reason", "twins")
        (made,) = read_decisions(line.kafka)
        assert isinstance(made, CannotLinkDecided)
        assert (made.event_id, made.by, made.approved_by) == (told["decision"], "ann", "bob")
        assert made.data.seen is not None
        why = ask(line, "explain", one, other)
        assert made.data.seen.weight / 100 == why["weight"]
        assert f"{made.event_id} by ann, approved by bob: twins" in why["kept apart by"][-1]
        ask(line, "decide", "retract", made.event_id, *two, "--reason", "mistaken")
        assert isinstance(read_decisions(line.kafka)[1], DecisionRetracted)
        _a_child_that_a_person_made_says_so(line, number, (one, other))
        _a_record_that_changed_is_explained_as_it_is_now(line)
        line.drain()
        parted = _what_is_nobodys_after_a_split_is_listed(line, number)
        _a_correction_outlasts_the_feeds_until_it_is_retracted(line, ask(line, "lineage", number)["current"][0])
        _every_other_decision_about_a_child_is_taken(line, ask(line, "lineage", number)["current"][0])
        _an_adoption_leaves_no_way_from_the_one_identity_to_the_other(line, number, members)
    _a_shield_is_set_at_once_and_lifted_by_two_with_the_right(line, line.ask("lineage", number)["current"][0], members)
    _of_a_shielded_child_it_is_listed_for_whoever_may_see_it(line, parted)
    _each_decision_is_entered_once_with_the_children_that_it_rests_on(line)
    _the_queue(line, one, other)


def _a_child_that_a_person_made_says_so(line: Line, number: str, pair: tuple[str, str]) -> None:
    by = ("--by", "ann", "--approved-by", "bob", "--reason")
    told = ask(line, "decide", "must-link", *pair, *by, "family_confirmed")
    (said,) = ask(line, "explain", number)["stated"]
    assert (said["left"], said["right"], said["says"]) == (*sorted(pair), "one child")
    assert told["decision"] in said["because of"]
    ask(line, "decide", "retract", told["decision"], *by, "mistaken")


def _a_record_that_changed_is_explained_as_it_is_now(line: Line) -> None:
    """The child stays the same by a decision, so no event tells what linked its records before."""
    pairs = {child: keys for child, keys in sorted(line.outcome().memberships.items()) if len(keys) == 2}
    number, pair = next(each for each in pairs.items() if ask(line, "child", each[0])["entries"])
    by = ("--by", "ann", "--approved-by", "bob", "--wait", "--reason")
    told = ask(line, "decide", "must-link", *pair, *by, "family_confirmed")
    events = [decode(message.value) for message in read(line.kafka)]
    own = [each for each in events if isinstance(each, RecordObserved) and each.subject == pair[0]]
    newest = max(own, key=lambda each: each.source_version)
    other = PersonRecord(names=(NameClaim(given="Quenby", family="Quillfeather"),), birth_date=date(2013, 4, 5))
    changed = newer(newest.model_copy(update={"data": other, "fingerprint": "ff"}))
    weights = []
    for event in (changed, newer(newer(newest))):
        publish(line, [event])
        line.drain()
        found, now = ask(line, "explain", number), ask(line, "explain", *pair)
        assert now["together"]
        assert {link["weight"] for link in (*found["links"], *found["others"])} <= {now["weight"]}
        weights.append(now["weight"])
    assert weights[0] < weights[1]
    ask(line, "decide", "retract", told["decision"], *by, "mistaken")


def _what_is_nobodys_after_a_split_is_listed(line: Line, number: str) -> list[str]:
    by_size = groupby(
        sorted(line.outcome().memberships.items(), key=lambda each: len(each[1])), lambda each: len(each[1])
    )
    alike = next(pair for _, some in by_size if len(pair := [each for each in some if each[0] != number][:2]) == 2)
    two = ("--by", "ann", "--approved-by", "bob", "--wait", "--reason")
    joined = ask(line, "decide", "must-link", *(members[0] for _, members in alike), *two, "family_confirmed")
    assert ask(line, "decide", "unclaimed") == []
    (one,) = ask(line, "lineage", alike[0][0])["current"]
    harm = ask(line, "decide", "harm", one, "--by", "ann", "--reason", "significant_harm")
    ask(line, "decide", "retract", joined["decision"], *two, "mistaken")
    (found,) = ask(line, "decide", "unclaimed")
    assert (found["decision"], found["children"]) == (harm["decision"], sorted(child for child, _ in alike))
    assert "1 decisions are no child's" in run(line, "conflicts", "list").stderr
    return [harm["decision"], alike[0][0]]


def _of_a_shielded_child_it_is_listed_for_whoever_may_see_it(line: Line, parted: list[str]) -> None:
    decision, child = parted
    ask(line, "decide", "shield", child, "--by", "ann", "--reason", "threat")
    assert ask(line, "decide", "unclaimed") == []
    assert [each["decision"] for each in ask(line, "decide", "unclaimed", "--with-right", "shielded")] == [decision]
    lift = ("decide", "unshield", child, "--by", "ann", "--approved-by", "bob", "--with-right", "shielded")
    ask(line, *lift, "--reason", "threat_ended")


def _a_correction_outlasts_the_feeds_until_it_is_retracted(line: Line, number: str) -> None:
    before = ask(line, "child", number)["entries"][0]["birth_date"]["value"]["date"]
    wrong, items = line.folder / "wrong.toml", line.folder / "items.toml"
    wrong.write_text('nickname = "x"')
    items.write_text("birth_date = 2012-02-29")
    who = ("--by", "ann", "--reason", "certificate", "--wait")
    assert "nickname" in str(run(line, "decide", "correct", number, str(wrong), *who).exception)
    wrong.write_text("birth_date = 2126-02-28")
    assert "still to come" in str(run(line, "decide", "correct", number, str(wrong), *who).exception)
    _consent_to_an_age_that_was_reached_is_refused(line, number)
    told = ask(line, "decide", "correct", number, str(items), *who)
    assert ask(line, "child", number)["entries"][0]["birth_date"]["value"]["date"] == "2012-02-29"
    ask(line, "decide", "retract", told["decision"], "--by", "ann", "--reason", "mistaken", "--wait")
    assert ask(line, "child", number)["entries"][0]["birth_date"]["value"]["date"] == before


def _consent_to_an_age_that_was_reached_is_refused(line: Line, number: str) -> None:
    grown, who = line.folder / "grown.toml", ("--by", "ann", "--reason")
    born = datetime.now(UTC).date().replace(month=1, day=1)
    born = born.replace(year=born.year - 22)
    grown.write_text(f"birth_date = {born}")
    told = ask(line, "decide", "correct", number, str(grown), *who, "certificate", "--wait")
    stay = (
        "decide",
        "consent",
        number,
        "participation",
        "--given-by",
        "child",
        "--basis",
        "care_leaver",
        "--until-age",
    )
    assert f"{born} as the date of birth: 20 is reached" in str(run(line, *stay, "20", *who, "asked_child").exception)
    asked = ask(line, *stay, "25", *who, "asked_child")
    for made in (asked["decision"], told["decision"]):
        ask(line, "decide", "retract", made, *who, "mistaken", "--wait")


def _every_other_decision_about_a_child_is_taken(line: Line, number: str) -> None:
    who = ("--by", "ann", "--reason")
    consent = ask(line, "decide", "consent", number, "sensitive_services", "--given-by", "child", *who, "asked_child")
    assert ask(line, "decide", "withdraw-consent", number, *who, "child_asked")["consent"] == consent["decision"]
    again = run(line, "decide", "withdraw-consent", number, *who, "child_asked")
    assert f"no consent for {number} is in force" in str(again.exception)
    ask(line, "decide", "harm", number, *who, "significant_harm")
    gone = ("--since", "2026-02-01", "--intends-return", "unknown")
    left = ask(line, "decide", "left-england", number, *gone, *who, "statement", "--wait")
    assert ask(line, "child", number)["entries"][0]["whereabouts"]["value"]["status"] == "left_england"
    ask(line, "decide", "retract", left["decision"], *who, "mistaken")
    agreed = ("--approved-by", "bob", "--by", "ann", "--reason", "moved")
    unsaid = run(line, "decide", "authority", number, "E08000001", "--previous", "nowhere", *agreed)
    assert "the child's sources name" in str(unsaid.exception)
    ask(line, "decide", "authority", number, "E08000001", *who, "allocated")
    for wrong in (["--previous", "E08000009"], [], ["--previous", "E08000001", "--since", "2020-01-01"]):
        refused = run(line, "decide", "authority", number, "E08000002", *wrong, *agreed)
        assert "authority E08000001 has the child since" in str(refused.exception)
    ask(line, "decide", "authority", number, "E08000002", "--previous", "E08000001", *agreed, "--wait")
    shown = ask(line, "field", number, "responsible_authority")["authorities"]
    assert [each["authority"] for each in shown] == ["E08000001", "E08000002"]


def _an_adoption_leaves_no_way_from_the_one_identity_to_the_other(
    line: Line, number: str, members: tuple[str, ...]
) -> None:
    own = [step for step in ask(line, "history", number)["identity"] if step["child_number"] == number]
    founder = own[-1]["founder"]
    former = [next(key for key in members if key != founder)]
    new = [key for key in members if key not in former]
    sides = [*(word for key in former for word in ("--former", key)), *(w for key in new for w in ("--current", key))]
    two = ("--by", "ann", "--approved-by", "bob", "--wait", "--reason")
    severed = ask(line, "decide", "severed", *sides, *two, "adoption")
    numbers = {key: child for child, keys in line.outcome().memberships.items() for key in keys}
    here, there = numbers[former[0]], numbers[founder]
    assert there not in {here, number}, "whoever knew the number of before does not find the new identity"
    for one, other in ((here, there), (there, here), (number, there), (there, number)):
        assert other not in json.dumps(ask(line, "lineage", one))
    assert ask(line, "lineage", number)["current"] == [here]
    for question in (("explain", former[0], new[0]), ("explain", here, there, "--join"), ("history", number)):
        assert "needs the right" in str(run(line, *question).exception)
    right = ("--with-right", "shielded")
    assert "severed" not in json.dumps(ask(line, "lineage", number)), "nor does a cause tell of it"
    assert {here, there} <= {*ask(line, "lineage", number, *right)["other lives"]}
    assert number not in json.dumps(ask(line, "history", there)["identity"])
    _each_life_is_erased_with_all_its_numbers(line, {here: (former, {here, number}), there: (new, {there})})
    assert ask(line, "explain", former[0], new[0], *right)["together"] is False
    ask(line, "decide", "retract", severed["decision"], *two, "mistaken", *right)
    part = ask(line, "decide", "severed", "--former", former[0], "--current", founder, *two, "adoption")
    assert (severed["records not named"], part["records not named"]) == (0, len(members) - 2)
    ask(line, "decide", "retract", part["decision"], *two, "mistaken", *right)
    assert line.outcome().memberships[number] == members
    assert len(members) > 2


def _each_life_is_erased_with_all_its_numbers(line: Line, lives: dict[str, tuple[list[str], set[str]]]) -> None:
    approval = Approval("ann", "bob", "court_order")
    with connect(line.postgres) as connection:
        for child, (records, numbers) in lives.items():
            connection.execute(
                "insert into projection.identity (child_number, version, event_type, members, held, former) "
                "values (%s, 1, 'identity.retired', '{}', false, %s)", [f"ended {child}", records[:1]],
            )  # fmt: skip
            order = order_erasure(connection, child, approval).data
            assert {each.key for each in order.records} == set(records)
            assert set(order.child_numbers) == {*numbers, f"ended {child}"}
        connection.rollback()


def _a_shield_is_set_at_once_and_lifted_by_two_with_the_right(
    line: Line, number: str, members: tuple[str, ...]
) -> None:
    before, day = len(read_decisions(line.kafka)), timedelta(days=1)
    set_limits(line.postgres, numbering=timedelta(), signing=day, witness=day)
    link = ("decide", "must-link", *members[:2], "--by", "ann", "--reason", "typing_error")
    assert "not kept" in str(run(line, *link).exception)
    assert len(read_decisions(line.kafka)) == before
    ask(line, "decide", "shield", number, "--by", "ann", "--reason", "threat", "--review-on", "2026-11-01")
    set_limits(line.postgres, numbering=day, signing=day, witness=day)
    lift = ("decide", "unshield", number, "--by", "ann", "--approved-by", "bob", "--reason", "threat_ended")
    due = ("decide", "shields", "--with-right", "shielded")
    assert [(each["look again"], each["children"]) for each in ask(line, *due)] == [("2026-11-01", [number])]
    assert "--with-right" in str(run(line, *due[:2]).exception)
    assert "shielded" in str(run(line, *lift).exception)
    assert "another person" in str(run(line, *lift, "--approved-by", "ann", "--with-right", "shielded").exception)
    ask(line, *lift, "--with-right", "shielded")
    assert ask(line, *due) == []
    assert "no shield" in str(run(line, *lift, "--with-right", "shielded").exception)


def _each_decision_is_entered_once_with_the_children_that_it_rests_on(line: Line) -> None:
    about: dict[str, list[dict[str, Any]]] = {}
    for entry in line.entries():
        if entry.get("fields") == ["evidence"]:
            about.setdefault(entry["request"], []).append(entry)
    decided = read_decisions(line.kafka)
    commands = {kind for kind in REASONS if kind != "model.activated"}
    assert {each.model_dump()["event_type"] for each in decided} == commands  # one of each
    for made in decided:
        entered = about.pop(made.event_id)
        assert {(each["who"]["user"], each["reason"]) for each in entered} == {(made.by, made.reason)}
        assert {each.get("query", {}).get("approved_by") for each in entered} == {made.approved_by}
        children = [each["child"] for each in entered]
        assert children
        assert len(set(children)) == len(children)
    refused = {each["refusal"] for entered in about.values() for each in entered if each["decision"] == "refused"}
    assert refused >= {"second_person_needed", "right_needed", "not_shielded", "day_to_come", "age_reached"}


def _the_queue(line: Line, one: str, other: str) -> None:
    before = ask(line, "conflicts", "list", "--with-right", "shielded")
    hidden = conflict("opened", 50_000, ("school-1:none", "school-2:none"), shielded=True, kind="shield_in_doubt")
    seen = conflict("opened", 50_000, (min(one, other), max(one, other)), authority="E08000001")
    with EventProducer(line.kafka) as producer:
        for event in (hidden, seen):
            producer.send_event(CONFLICTS, encode(event))
    with line.stages():
        line.drain()
    everything = ask(line, "conflicts", "list", "--with-right", "shielded", "--on", "2026-03-01")
    assert len(everything["conflicts"]) == len(before["conflicts"]) + 2
    found = ask(line, "conflicts", "list", "--authority", "E08000001", "--kind", "possible_link")["conflicts"]
    assert seen.subject in {each["conflict_id"] for each in found}
    assert hidden.subject not in json.dumps(ask(line, "conflicts", "list", "--state", "any"))
    assert ask(line, "conflicts", "show", seen.subject)["records"] == sorted((one, other))
    ask(line, "decide", "shield", one, "--by", "ann", "--reason", "threat")
    unknown = str(run(line, "conflicts", "show", "0" * 32).exception)
    for name in (hidden.subject, seen.subject):  # the second was open to everybody before the shield
        assert str(run(line, "conflicts", "show", name).exception).replace(name, "0" * 32) == unknown
    assert seen.subject not in json.dumps(ask(line, "conflicts", "list", "--state", "any"))
    assert ask(line, "conflicts", "show", seen.subject, "--with-right", "shielded")["records"]
    assert ask(line, "conflicts", "show", hidden.subject, "--with-right", "shielded")["shielded"]
