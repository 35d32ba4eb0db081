"""The reader: a process that decodes and folds source events and prepares rows while the owner applies the one before.

That takes two fifths of the owner's time, and nothing of it depends on the state. Decisions stay with the owner,
which has to check them; so do dead letters. When this process dies, the owner drops its state and starts afresh, as
after any other error.
"""

from __future__ import annotations

import sys
from collections import deque
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Final

import msgspec

from matching.changes import SourceChange
from matching.features import ChangeReader
from matching.linkage.model import LinkageModel
from matching.linkage.model_json import dump_model, load_model
from matching.resident.prepared import Preparer
from matching.stage.channel import Helper, serve
from matching.stage.intake import Messages, read_ahead_of
from schemas.errors import RejectedError


class Values(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One question: the values of source events; or, where `model` is given, the model to read for from now on."""

    values: list[bytes | None]
    model: str = ""


class Found(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The answer: the change of each value, None where it was `refused`, by place, with a code and a reason."""

    changes: list[SourceChange | None]
    refused: dict[int, tuple[str, str]]


_ENCODER: Final = msgspec.msgpack.Encoder()
_VALUES: Final = msgspec.msgpack.Decoder(Values)
_FOUND: Final = msgspec.msgpack.Decoder(Found)


class Answers:
    """What the reader found in one batch, told one by one in the order of the messages."""

    def __init__(self, found: Found) -> None:
        self._changes = iter(enumerate(found.changes))
        self._refused = found.refused

    def read(self, value: bytes | None) -> SourceChange:  # noqa: ARG002  the next message's value, already read
        """Return the change of the next message; raise RejectedError when it is none."""
        place, change = next(self._changes)
        if change is None:
            raise RejectedError(*self._refused[place])
        return change


class ReadAhead:
    """The owner's side: batches are sent in order and received in the same order. Not thread-safe."""

    def __init__(self) -> None:
        self._helper = Helper("matching.stage.reading", b"")
        self._sent: deque[Messages] = deque()

    @property
    def pid(self) -> int:
        """The process id of the reader."""
        return self._helper.pid

    @property
    def waiting(self) -> int:
        """How many batches were sent and not received."""
        return len(self._sent)

    def use(self, model: LinkageModel) -> None:
        """Read for this model from now on."""
        self._helper.send(_ENCODER.encode(Values([], dump_model(model))))

    def send(self, messages: Messages) -> None:
        """Let a batch be read. Raises RetriableError when the reader is gone."""
        values = [message.value for message in read_ahead_of(messages)]
        self._helper.send(_ENCODER.encode(Values(values)))
        self._sent.append(messages)

    def receive(self) -> tuple[Messages, Answers]:
        """Return the oldest batch that was sent, with what was read. Raises RetriableError when the reader is gone."""
        found = _FOUND.decode(self._helper.receive())
        return self._sent.popleft(), Answers(found)

    def end(self) -> None:
        """End the process: what it has not read will be read again."""
        self._helper.kill()


def work(connection: Connection, inbox: SimpleQueue[bytes | None]) -> None:
    """Read batch after batch until the owner closes the channel."""
    reading: tuple[ChangeReader, Preparer] | None = None
    inbox.get()  # the first frame says nothing: the model comes when the owner knows it
    while (frame := inbox.get()) is not None:
        asked = _VALUES.decode(frame)
        if asked.model:
            model = load_model(asked.model)
            reading = ChangeReader(model), Preparer(model)
        elif reading is not None:
            connection.send_bytes(_ENCODER.encode(_read(*reading, asked.values)))


def _read(reader: ChangeReader, preparer: Preparer, values: list[bytes | None]) -> Found:
    changes: list[SourceChange | None] = []
    refused: dict[int, tuple[str, str]] = {}
    for value in values:
        try:
            changes.append(reader.read(value))
        except RejectedError as error:
            refused[len(changes)] = error.code, error.reason
            changes.append(None)
    observed = [
        (place, change) for place, change in enumerate(changes) if change is not None and change.row is not None
    ]
    made = preparer.words([change.row or "" for _, change in observed])
    for (place, change), words in zip(observed, made, strict=True):
        changes[place] = SourceChange(*change[:-1], words)  # `_replace` takes twice as long
    return Found(changes, refused)


if __name__ == "__main__":
    serve(sys.argv, work)
