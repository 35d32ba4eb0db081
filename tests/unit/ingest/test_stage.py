from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from connectors.ctf import CtfSettings
from ingest.stage import check_feed
from ingest.store import Totals, Writes
from schemas.errors import ConfigurationError, FencedError
from schemas.events import RecordMerged, RecordObserved, RecordWithdrawn
from schemas.telemetry import ALLOWED_KEYS
from tests.unit.connectors.source_samples import (
    FULL_REFRESH,
    MAKERS,
    adt,
    ctf,
    passenger,
    paxlst,
    pupil,
    upn,
    yot,
    yot_row,
)
from tests.unit.ingest.ingest_harness import NOW, FailingOnceStore, Line, clock

NIGHTS = ("yot_20260301010000.csv", "yot_20260302010000.csv", "yot_20260303010000.csv")
LATER = "2026-03-03T09:15:00"


@pytest.fixture
def schools(tmp_path: Path) -> Line:
    return Line("ctf", tmp_path)


@pytest.fixture
def health(tmp_path: Path) -> Line:
    return Line("hl7_adt", tmp_path)


@pytest.fixture
def yots(tmp_path: Path) -> Line:
    return Line("yot_csv", tmp_path, yot_csv=FULL_REFRESH | {"max_withdrawn_share": 0.5})


@pytest.mark.parametrize("connector", sorted(MAKERS))
def test_every_record_of_a_new_feed_is_published_to_its_topic(connector: str, tmp_path: Path) -> None:
    line = Line(connector, tmp_path, batch_size=2)
    report = line.run(MAKERS[connector](5))
    assert (report.received, report.accepted, report.events, report.files) == (5, 5, 5, 1)
    assert line.producer.topics == {line.settings.topic}
    assert {event.ingested_at for event in line.producer.events} == {NOW}


def test_a_list_with_a_wrong_total_is_told_in_the_report_and_published_whole(tmp_path: Path) -> None:
    report = Line("paxlst", tmp_path).run(paxlst(passenger(1), passenger(2)).replace("CNT+42:2", "CNT+42:136"))
    assert (report.received, report.accepted, report.rejected) == (2, 2, 0)
    assert report.notes == {"CNT: FL_count": 1}


@pytest.mark.parametrize("connector", sorted(MAKERS))
def test_running_again_publishes_nothing(connector: str, tmp_path: Path) -> None:
    line = Line(connector, tmp_path, batch_size=2)
    line.run(MAKERS[connector](5))
    assert line.run().received == 0


def test_a_newer_file_that_says_the_same_changes_nothing(schools: Line) -> None:
    schools.run(ctf(pupil(1)))
    report = schools.run(ctf(pupil(1), time=LATER), "later")
    assert (report.received, report.unchanged, report.late, report.events) == (1, 1, 0, 0)


def test_an_older_file_that_comes_late_changes_nothing(schools: Line) -> None:
    schools.run(ctf(pupil(1), time=LATER))
    report = schools.run(ctf(pupil(1, Surname="Old")), "older")
    assert (report.unchanged, report.late, report.events) == (1, 1, 0)


def test_an_unchanged_record_still_outranks_what_came_before_it(schools: Line) -> None:
    schools.run(ctf(pupil(1), time="2026-03-01T00:00:00"))
    schools.run(ctf(pupil(1), time="2026-03-03T00:00:00"), "same")
    assert schools.run(ctf(pupil(1, Surname="Late"), time="2026-03-02T00:00:00"), "late").late == 1


def test_versions_of_one_record_in_one_batch_are_all_published_in_order(schools: Line) -> None:
    schools.run(ctf(pupil(1), pupil(1, Surname="B"), pupil(1, Surname="B"), pupil(1, Surname="C")))
    families = [one.data.names[0].family for one in schools.producer.events if isinstance(one, RecordObserved)]
    assert families == ["Family1", "B", "C"]


def test_a_former_upn_merges_the_schools_own_record_into_the_new_one(schools: Line) -> None:
    former = f"<BasicDetails><FormerUPN>{upn(1)}</FormerUPN></BasicDetails>"
    schools.run(ctf(pupil(1)))
    schools.run(ctf(pupil(2, former), time=LATER), "later")
    assert schools.producer.story == [("observed", upn(1)), ("observed", upn(2)), ("merged", upn(1))]


def test_a_former_upn_of_another_school_merges_nothing(schools: Line) -> None:
    schools.run(ctf(pupil(2, f"<BasicDetails><FormerUPN>{upn(1)}</FormerUPN></BasicDetails>")))
    assert schools.producer.story == [("observed", upn(2))]


def test_a_crash_between_publishing_and_saving_repeats_ids_only(tmp_path: Path) -> None:
    line = Line("ctf", tmp_path, batch_size=2)
    line.store = FailingOnceStore()
    with pytest.raises(ConnectionError):
        line.run(MAKERS["ctf"](3))
    line.run()
    ids = [event.event_id for event in line.producer.events]
    assert len(ids) == 5
    assert len(set(ids)) == 3
    assert ids[:2] == ids[2:4]


def test_of_two_processes_on_one_feed_only_one_saves(schools: Line) -> None:
    before = schools.store.load_state(schools.settings.name)
    schools.run(ctf(pupil(1)))
    (batch,) = schools.settings.connect().read(before)
    with pytest.raises(FencedError, match="another process has read on"):
        schools.store.commit(schools.settings.name, before, Writes(batch.progress))


def test_a_bad_record_becomes_a_dead_letter_and_the_feed_goes_on(schools: Line) -> None:
    report = schools.run(ctf(pupil(1), "<Pupil><UPN>X</Pupil>", pupil(3)))
    assert (report.received, report.accepted, report.rejected, dict(report.rejects)) == (3, 2, 1, {"xml_invalid": 1})
    (letter,) = schools.producer.letters
    assert letter.value == b"<Pupil><UPN>X</Pupil>"
    assert letter.origin == "feed-ctf"
    assert letter.place.startswith("file (")
    assert (letter.stage, letter.code) == ("ingest", "xml_invalid")


def test_a_record_about_nobody_becomes_a_dead_letter_under_its_key(schools: Line) -> None:
    schools.run(ctf(pupil(1, UPN="X1", Surname="UNKNOWN", Forename="")))
    assert [(one.key, one.code) for one in schools.producer.letters] == [(b"school-8012000:X1", "identity_missing")]


def test_a_file_that_cannot_be_read_is_reported_and_the_next_one_arrives(schools: Line) -> None:
    schools.write("<html/>", "a.xml")
    report = schools.run(ctf(pupil(1)), "b.xml")
    assert [(one.file, one.code) for one in report.failures] == [("a.xml", "not_a_ctf")]
    assert report.accepted == 1


def test_a_field_of_ten_megabytes_becomes_a_dead_letter_with_all_its_bytes(yots: Line) -> None:
    long = yot_row(2, Surname="A" * 10_000_000)
    report = yots.run(yot(yot_row(1), long, yot_row(3)), NIGHTS[0])
    assert (report.accepted, report.rejected) == (3, 0)
    assert report.notes == {"names.family: too_long": 1}


def test_an_item_above_the_limit_becomes_a_dead_letter(tmp_path: Path) -> None:
    line = Line("yot_csv", tmp_path, item_limit=100_000)
    report = line.run(yot(yot_row(1), yot_row(2, Surname="A" * 10_000_000), yot_row(3)))
    assert (report.accepted, dict(report.rejects)) == (2, {"item_too_long": 1})
    assert len(line.producer.letters[0].value) == 100_000


def test_adults_are_out_of_scope_and_not_kept(tmp_path: Path) -> None:
    line = Line("paxlst", tmp_path)
    report = line.run(paxlst(passenger(1), passenger(2, born="800101"), passenger(3, born="")))
    assert (report.received, report.accepted, report.out_of_scope) == (3, 1, 2)
    assert len(line.store.records([f"carrier-XX:XX123-20260302-PAX000{number}" for number in (1, 2, 3)])) == 1


@pytest.mark.parametrize(("event", "more"), [("A29", []), ("A40", ["MRG|RX9^^^RX1^PI"])])
def test_what_happens_to_unknown_adults_is_out_of_scope_too(event: str, more: list[str], health: Line) -> None:
    report = health.run(adt(1, event=event, more=more, pid="PID|1||RX1^^^RX1^PI||A^B||19800101"))
    assert report.received == report.out_of_scope
    assert health.producer.events == []


def test_fields_that_the_law_does_not_list_are_counted_by_name(yots: Line) -> None:
    report = yots.run(yot(yot_row(1), yot_row(2)), NIGHTS[0])
    assert report.dropped == {"Offence": 2}
    assert "theft" not in str([event.model_dump_json() for event in yots.producer.events])


def test_an_update_keeps_what_it_does_not_mention(health: Line) -> None:
    health.run(adt(1, pid="PID|1||RX1^^^RX1^PI||Khan^Ali||20141103|M"))
    health.run(adt(1, event="A31", time="20260302101500", pid='PID|1||RX1^^^RX1^PI||Shah^Ali|||""'), "update")
    newest = health.producer.events[-1]
    assert isinstance(newest, RecordObserved)
    assert (newest.data.names[0].family, str(newest.data.birth_date), newest.data.sex) == ("Shah", "2014-11-03", None)


def test_a_late_message_fills_a_gap_in_a_newer_version(health: Line) -> None:
    health.run(adt(1, event="A31", time="20260302101500", pid="PID|1||RX1^^^RX1^PI||Khan^Ali"))
    health.run(adt(1, time="20260302091500", pid="PID|1||RX1^^^RX1^PI||Old^Ali||20141103"), "late")
    first, second = health.producer.events
    assert isinstance(second, RecordObserved)
    assert (second.data.names[0].family, str(second.data.birth_date)) == ("Khan", "2014-11-03")
    assert second.source_version > first.source_version


@given(order=st.permutations(range(4)))
def test_messages_in_any_order_end_in_the_same_record(
    order: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    pids = ["Khan^Ali||20141103|M", "Shah^Ali", "Shah^Ali|||F", 'Shah^Ali||""']
    texts = [
        adt(1, event="A31", time=f"2026030209150{number}", pid=f"PID|1||RX1^^^RX1^PI||{pid}")
        for number, pid in enumerate(pids)
    ]
    health = Line("hl7_adt", tmp_path_factory.mktemp("health"), batch_size=1)
    health.run("".join(texts[number] for number in order))
    newest = max(health.producer.events, key=lambda event: event.source_version)
    assert isinstance(newest, RecordObserved)
    assert (newest.data.names[0].family, newest.data.birth_date, newest.data.sex) == ("Shah", None, "female")


def test_a_deleted_person_is_withdrawn_and_older_messages_stay_out(health: Line) -> None:
    health.run(adt(1, time="20260302090000") + adt(1, event="A29", time="20260302100000"))
    health.run(adt(1, event="A31", time="20260302093000"), "late")
    health.run(adt(1, event="A29", time="20260302100000") + "\r", "again")
    assert health.producer.story == [("observed", "RX1"), ("withdrawn", "RX1")]


def test_a_person_who_is_added_again_is_back_without_the_old_items(health: Line) -> None:
    health.run(adt(1, time="20260302090000") + adt(1, event="A29", time="20260302100000"))
    health.run(adt(1, time="20260302110000", pid="PID|1||RX1^^^RX1^PI||New^Name"), "again")
    newest = health.producer.events[-1]
    assert isinstance(newest, RecordObserved)
    assert (newest.data.names[0].family, newest.data.birth_date) == ("New", None)


def test_a_merge_names_the_survivor_and_a_repeat_of_it_nothing_new(health: Line) -> None:
    health.run(adt(1) + adt(9) + adt(1, event="A40", time="20260302100000", more=["MRG|RX9^^^RX1^PI"]))
    merged = [event for event in health.producer.events if isinstance(event, RecordMerged)]
    assert [(one.subject, one.data.survivor) for one in merged] == [("trust-RX1:RX9", "trust-RX1:RX1")]
    report = health.run(adt(1, event="A40", time="20260302100000", more=["MRG|RX9^^^RX1^PI"]) + "\r", "again")
    assert report.accepted == 0


def test_a_late_merge_is_still_published(health: Line) -> None:
    health.run(adt(9, event="A31", time="20260302110000"))
    health.run(adt(1, event="A40", time="20260302100000", more=["MRG|RX9^^^RX1^PI"]), "late")
    assert ("merged", "RX9") in health.producer.story


def test_who_is_missing_from_a_full_refresh_is_withdrawn(yots: Line) -> None:
    yots.run(yot(yot_row(1), yot_row(2), yot_row(3)), NIGHTS[0])
    report = yots.run(yot(yot_row(1), yot_row(3)), NIGHTS[1])
    assert (report.received, report.unchanged, report.withdrawn_by_absence, report.warnings) == (2, 2, 1, [])
    assert [one.subject for one in yots.producer.events if isinstance(one, RecordWithdrawn)] == ["yot-1E01:00002"]


def test_who_comes_back_in_a_later_full_refresh_is_published_again(yots: Line) -> None:
    yots.run(yot(yot_row(1), yot_row(2)), NIGHTS[0])
    yots.run(yot(yot_row(1)), NIGHTS[1])
    yots.run(yot(yot_row(1), yot_row(2)), NIGHTS[2])
    assert [kind for kind, record in yots.producer.story if record == "00002"] == ["observed", "withdrawn", "observed"]


def test_a_full_refresh_that_leaves_out_too_many_withdraws_nobody(yots: Line) -> None:
    yots.run(yot(*map(yot_row, range(1, 11))), NIGHTS[0])
    report = yots.run(yot(*map(yot_row, range(1, 5))), NIGHTS[1])
    assert report.withdrawn_by_absence == 0
    assert "6 records of yot-1E01 are not in this full refresh: not withdrawn" in report.warnings[0]
    assert "more than 5 of 10 (yot_csv.max_withdrawn_share = 0.5)" in report.warnings[0]


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_the_bound_does_not_depend_on_the_size_of_batches(size: int, tmp_path: Path) -> None:
    line = Line("yot_csv", tmp_path, batch_size=size, yot_csv=FULL_REFRESH | {"max_withdrawn_share": 0.5})
    line.write(yot(*map(yot_row, range(1, 11))), NIGHTS[0])
    line.write(yot(*map(yot_row, range(1, 7))), NIGHTS[1])
    assert line.run(yot(*map(yot_row, range(1, 3))), NIGHTS[2]).withdrawn_by_absence == 4


def test_a_row_without_a_name_could_be_anybody_so_nobody_is_withdrawn(yots: Line) -> None:
    yots.run(yot(yot_row(1), yot_row(2)), NIGHTS[0])
    report = yots.run(yot(yot_row(1), "1E01,000"), NIGHTS[1])
    assert report.withdrawn_by_absence == 0
    assert "1 rows could not be read" in report.warnings[0]


def test_a_rejected_row_is_not_absent(yots: Line) -> None:
    yots.run(yot(yot_row(1), yot_row(2)), NIGHTS[0])
    report = yots.run(yot(yot_row(1), yot_row(2, Surname="A\0B")), NIGHTS[1])
    assert (report.rejected, report.withdrawn_by_absence, report.warnings) == (1, 0, [])


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_full_refreshes_in_any_order_end_in_the_newest_one(order: tuple[int, ...], yots: Line) -> None:
    contents = [yot(yot_row(1), yot_row(2)), yot(yot_row(1), yot_row(3)), yot(yot_row(3), yot_row(2))]
    for number in order:
        yots.run(contents[number], NIGHTS[number])
    known = yots.store.records([f"yot-1E01:0000{number}" for number in (1, 2, 3)])
    assert {key[-1] for key, record in known.items() if record.status == "observed"} == {"2", "3"}


def test_a_full_refresh_split_over_batches_and_a_crash_withdraws_the_same(tmp_path: Path) -> None:
    line = Line("yot_csv", tmp_path, batch_size=2, yot_csv=FULL_REFRESH | {"max_withdrawn_share": 1})
    line.run(yot(*map(yot_row, range(1, 8))), NIGHTS[0])
    line.write(yot(*map(yot_row, range(1, 6))), NIGHTS[1])
    steps = iter([False, True])
    line.run(stop=lambda: next(steps))
    line.run()
    withdrawn = [one.subject for one in line.producer.events if isinstance(one, RecordWithdrawn)]
    assert withdrawn == ["yot-1E01:00006", "yot-1E01:00007"]


def test_a_paused_feed_is_left_alone_until_it_is_resumed(schools: Line) -> None:
    schools.store.set_paused(schools.settings.name, paused=True, reason="wrong school")
    report = schools.run(ctf(pupil(1)))
    assert (report.paused, report.received) == (True, 0)
    schools.store.set_paused(schools.settings.name, paused=False)
    assert schools.run().accepted == 1


def test_a_replay_tries_again_what_was_refused_under_the_mended_settings(schools: Line) -> None:
    content = ctf(pupil(1), pupil(2, Surname="Ad\xe9w"), pupil(3)).encode("cp1252")
    assert schools.run(content, "file.xml").rejects == {"undecodable": 1}
    schools.settings = schools.settings.model_copy(update={"ctf": CtfSettings(fallback_encoding="cp1252")})
    assert schools.run().received == 0
    assert schools.store.forget(schools.settings.name, "file.xml") == 1
    report = schools.run()
    assert (report.accepted, report.unchanged, report.rejected) == (1, 2, 0)


def test_a_stopped_run_ends_after_its_batch_and_the_next_goes_on(tmp_path: Path) -> None:
    line = Line("ctf", tmp_path, batch_size=2)
    steps = iter([False, True])
    assert line.run(MAKERS["ctf"](5), stop=lambda: next(steps)).received == 2
    assert line.run().received == 3


def test_the_store_counts_over_all_runs(schools: Line) -> None:
    schools.run(ctf(pupil(1), "<Pupil><UPN>X</Pupil>"))
    schools.run(ctf(pupil(1), time=LATER), "later")
    assert schools.store.status("feed-ctf").totals == Totals(3, 1, 1, 0, 1)


def test_watchers_see_the_counts_grow(tmp_path: Path) -> None:
    line, seen = Line("ctf", tmp_path, batch_size=2), list[int]()
    line.run(MAKERS["ctf"](5), watch=lambda report: seen.append(report.received))
    assert seen == [2, 4, 5]


def test_a_check_tells_what_would_happen_and_changes_nothing(schools: Line) -> None:
    schools.write(ctf(pupil(1), "<Pupil><UPN>X</Pupil>"))
    check = check_feed(schools.settings, clock)
    assert (check.problems, check.report.accepted, check.report.rejected) == ((), 1, 1)
    assert [letter.code for letter in check.rejects] == ["xml_invalid"]
    assert schools.run().received == 2


def test_a_feed_without_its_directory_cannot_run(tmp_path: Path) -> None:
    line = Line("ctf", tmp_path / "none")
    assert check_feed(line.settings, clock).problems
    with pytest.raises(ConfigurationError, match="feed feed-ctf: the directory"):
        line.run()


def test_logs_and_reports_hold_nobodys_data(tmp_path: Path) -> None:
    line = Line("ctf", tmp_path)
    with capture_logs() as logs:
        report = line.run(
            ctf(pupil(1), pupil(2, Surname="UNKNOWN", Forename="", UPN="X"), "<Pupil><DOB>Family3</Pupil>")
        )
    assert logs
    assert all(set(entry) <= ALLOWED_KEYS | {"log_level"} for entry in logs)
    assert "Family" not in str(logs) + str(report.as_dict())


def test_ids_of_events_do_not_depend_on_the_size_of_batches(tmp_path: Path) -> None:
    ids = []
    for size in (1, 3, 100):
        line = Line("ctf", tmp_path, batch_size=size)
        line.run(MAKERS["ctf"](7))
        ids.append([event.event_id for event in line.producer.events])
    assert ids[0] == ids[1] == ids[2]
