from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from matching.features import ChangeReader
from matching.resident.prepared import Preparer
from matching.stage.intake import Messages, read_batch
from matching.stage.reading import ReadAhead
from schemas.codec import encode
from schemas.errors import RetriableError
from schemas.topics import DECISIONS
from tests.factories.linkage import hand_made_model, history
from tests.unit.matching.stage.test_engine import Message

MODEL = hand_made_model()


@pytest.fixture
def ahead() -> Iterator[ReadAhead]:
    reader = ReadAhead()
    reader.use(MODEL)
    yield reader
    reader.end()


def batches() -> list[Messages]:
    """Return batches with events, decisions, erased messages, and what is no event."""
    values = [encode(event).value for event in history(3, 60)]
    events = [Message(offset, b"", value, erased=offset % 7 == 3) for offset, value in enumerate(values)]
    broken = [Message(offset, b"", value) for offset, value in enumerate((b"{", None, b"[1]", values[0], b"\xff"))]
    return [
        {("source.schools", 0): [*events[:20], *broken], (DECISIONS, 0): broken, ("source.health", 1): events[20:30]},
        {("source.schools", 0): [], (DECISIONS, 0): []},
        {("source.health", 0): broken, ("source.schools", 1): events[30:]},
    ]


def test_what_is_read_ahead_is_what_the_owner_would_have_read_with_rows_prepared(ahead: ReadAhead) -> None:
    reader, preparer = ChangeReader(MODEL), Preparer(MODEL)
    for batch in batches():
        ahead.send(batch)
    assert ahead.waiting == len(batches())
    for batch in batches():
        messages, answers = ahead.receive()
        assert messages == batch
        changes, *others = read_batch(reader, batch)
        made = [b"" if change.row is None else preparer.words([change.row])[0] for change in changes]
        prepared = [change._replace(prepared=words) for change, words in zip(changes, made, strict=True)]
        assert read_batch(answers, messages) == (prepared, *others)
    assert ahead.waiting == 0


def exchange(ahead: ReadAhead) -> None:
    for batch in batches() * 50:
        ahead.receive()
        ahead.send(batch)


def test_a_reader_that_died_is_an_error_to_start_afresh_from(ahead: ReadAhead) -> None:
    ahead.send(batches()[0])
    os.kill(ahead.pid, signal.SIGKILL)
    with pytest.raises(RetriableError, match=r"matching\.stage\.reading ended"):
        exchange(ahead)
