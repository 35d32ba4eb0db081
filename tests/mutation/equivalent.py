"""Mutants of the decision function that no test can tell from it, by line and change, with the reason."""

from __future__ import annotations

_NO_CODE = "neither None nor '' is a code of the closed list, so both are refused alike"

EQUIVALENT: dict[tuple[str, str], str] = {
    (
        'POLICY_VERSION = "2026-11-27"',
        "'2026-11-27'  =>  '2026-11-27_'",
    ): "a label for the audit trail; decides nothing",
    ("purpose: str | None = None", "None  =>  ''"): _NO_CODE,
    ("ground: str | None = None", "None  =>  ''"): _NO_CODE,
    (
        "reason: Stated = Stated.MISSING",
        "Stated.MISSING  =>  Stated.TOO_SHORT",
    ): "either is no reason given, and the decision does not tell the two apart",
}
