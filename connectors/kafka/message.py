"""A message as readers get it."""

from __future__ import annotations

from typing import NamedTuple


class ReadMessage(NamedTuple):
    """One message as it was read; headers only when the reader was asked for them.

    A sealed value is open here, and `sealed` is how it came. `erased`: its data key was destroyed, there is no value.
    `time`: when it was sent, in milliseconds since 1970, as the log keeps it.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    sealed: bytes | None = None
    erased: bool = False
    time: int = 0

    @property
    def original(self) -> bytes:
        """The value as it came, for the dead letters."""
        return self.sealed or self.value or b""
