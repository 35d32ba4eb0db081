"""Mutants of the decision function that no test can tell from it: the line before, the line, the change, the reason.

The first refusal is the answer, so a rule's later lines say nothing about a request that an earlier rule refused. What
stands there all the same makes each rule whole in itself, and mypy asks for it.
"""

from __future__ import annotations

_NO_CODE = "neither None nor '' is a code of the closed list, so both are refused alike"
_UNKNOWN = "an unknown person was refused before"
_UNLISTED = "a person unknown or of no listed category was refused before"
_NO_REASON = "either is no reason given, and the decision does not tell the two apart"

_PERSON = "person = request.user.person"
_GUARD = "if person is None or person.category not in _CATEGORIES:"
_EITHER = "person is None or person.category not in _CATEGORIES"
_FIRST = "yield Outcome.PURPOSE_NOT_PERMITTED"
_MEDIATOR = "mediator = request.mediator"
_RIGHT = "granted = mediator is not None and mediator.person is not None and Right.MEDIATE in mediator.person.rights"
_ALL = "mediator is not None and mediator.person is not None and ..."
_OVERRIDER = "if person is None or Right.OVERRIDE_SHIELD not in person.rights or person.category not in OVERRIDERS:"
_WHO = "person is None or Right.OVERRIDE_SHIELD not in person.rig..."

EQUIVALENT: dict[tuple[str, str, str], str] = {
    (
        "",
        'POLICY_VERSION = "2026-11-27"',
        "'2026-11-27'  =>  '2026-11-27_'",
    ): "a label for the audit trail, which decides nothing",
    ("now: int", "purpose: str | None = None", "None  =>  ''"): _NO_CODE,
    ("mediator: Participant | None = None", "ground: str | None = None", "None  =>  ''"): _NO_CODE,
    (
        "purpose: str | None = None",
        "reason: Stated = Stated.MISSING",
        "Stated.MISSING  =>  Stated.TOO_SHORT",
    ): _NO_REASON,
    ("yield Outcome.USER_UNKNOWN", "return", "return  =>  pass"): _UNKNOWN,
    (_MEDIATOR, _RIGHT, f"{_ALL}  =>  mediator.person is not None and Right.MEDIATE in mediator..."): _UNKNOWN,
    (_MEDIATOR, _RIGHT, f"{_ALL}  =>  mediator is not None and Right.MEDIATE in mediator.person..."): _UNKNOWN,
    (
        _PERSON,
        _GUARD,
        f"{_GUARD} ...  =>  if False: yield Outcome.PURPOSE_NOT_PERMITTED return",
    ): _UNLISTED,
    (_PERSON, _GUARD, f"{_EITHER}  =>  person is None and person.category not in _CATEGORIES"): _UNLISTED,
    (_PERSON, _GUARD, f"{_EITHER}  =>  person.category not in _CATEGORIES"): _UNKNOWN,
    (_PERSON, _GUARD, f"{_EITHER}  =>  person is None"): _UNLISTED,
    (_GUARD, _FIRST, "Outcome.PURPOSE_NOT_PERMITTED  =>  Outcome.REASON_NOT_GIVEN"): _UNLISTED,
    (_GUARD, _FIRST, "yield Outcome.PURPOSE_NOT_PERMITTED  =>  pass"): _UNLISTED,
    (_FIRST, "return", "return  =>  pass"): _UNLISTED,
    (_PERSON, _OVERRIDER, f"{_WHO}  =>  Right.OVERRIDE_SHIELD not in person.rights or person.cate..."): _UNKNOWN,
}
