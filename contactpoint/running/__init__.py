"""Running the line on one machine: its stages as processes, the trail's parts, how far all is, a service to try."""

from __future__ import annotations
