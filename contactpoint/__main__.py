"""Run the command line: `python -m contactpoint`."""

from __future__ import annotations

from contactpoint.cli import main

if __name__ == "__main__":
    main()
