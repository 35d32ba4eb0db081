"""Stops and deletes a temporary stack when the process that made it dies: `python -m contactpoint.stack.guard FOLDER`.

Its standard input is a pipe from that process; the end of the pipe is the end of the process, however it came.
"""

from __future__ import annotations

import sys
from pathlib import Path

from contactpoint.stack.local import discard


def main() -> None:
    """Wait for the end of standard input, then discard the stack if it is still there."""
    sys.stdin.buffer.read()
    discard(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
