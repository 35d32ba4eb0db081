"""Mutants that no test can tell from the module: the line before, the line, the change, the reason.

In the decision function the first refusal is the answer, so a rule's later lines say nothing about a request that an
earlier rule refused. What stands there all the same makes each rule whole in itself, and mypy asks for it.
"""

from __future__ import annotations

_NO_CODE = "neither None nor '' is a code of the closed list, so both are refused alike"
_UNKNOWN = "an unknown person was refused before"
_UNLISTED = "a person unknown or of no listed category was refused before"
_NO_REASON = "either is no reason given, and the decision does not tell the two apart"

_ANY_NEGATIVE = "numpy takes any negative number for the size that is left over"
_NOT_ITSELF = "no decision keeps a record apart from itself"
_DEFAULT = "None and '' are both nothing said"
_ALL_THREE = "whatever is said of a return, the record stays three years"

_PERSON = "person = request.user.person"
_GUARD = "if person is None or person.category not in _CATEGORIES:"
_EITHER = "person is None or person.category not in _CATEGORIES"
_FIRST = "yield Outcome.PURPOSE_NOT_PERMITTED"
_MEDIATOR = "mediator = request.mediator"
_RIGHT = "granted = mediator is not None and mediator.person is not None and Right.MEDIATE in mediator.person.rights"
_ALL = "mediator is not None and mediator.person is not None and ..."
_HOLDER = "person is not None and right in person.rights and (person..."

EQUIVALENT: dict[tuple[str, str, str], str] = {
    (
        "",
        'POLICY_VERSION = "2026-11-28"',
        "'2026-11-28'  =>  '2026-11-28_'",
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
    (
        '"""Tell whether a person was given a right by name, and is of those who may hold it."""',
        "return person is not None and right in person.rights and person.category in HOLDERS[right]",
        f"{_HOLDER}  =>  right in person.rights and person.category in HOLDERS[right]",
    ): _UNKNOWN,
    (
        "seen |= group",
        "apart = [(a, b) for a in group for b in decisions.cannot.others(a) if b in group and a < b]",
        "a < b  =>  a <= b",
    ): _NOT_ITSELF,
    (
        "cannot = sorted({(min(pair), max(pair)) for pair in named})",
        "return Constraints(chain_pairs(must), np.array(cannot, np.int64).reshape(-1, 2)), overruled, shielded, lives",
        "1  =>  2",
    ): _ANY_NEGATIVE,
    (
        "pairs = [pair for group in groups for pair in pairwise(sorted(group))]",
        "return np.array(pairs, np.int64).reshape(-1, 2)",
        "1  =>  2",
    ): _ANY_NEGATIVE,
    ("left: date | None = None", "intends_return: str | None = None", "None  =>  ''"): _DEFAULT,
    ("withdrawn: date | None = None", "birth_told: date | None = None", "None  =>  ''"): _DEFAULT,
    ("birth_told: date | None = None", "death_told: date | None = None", "None  =>  ''"): _DEFAULT,
    ("death_told: date | None = None", "left_told: date | None = None", "None  =>  ''"): _DEFAULT,
    (
        "if facts.left is not None:",
        "period = f\"left_england.{facts.intends_return or 'unknown'}\"",
        "facts.intends_return or 'unknown'  =>  'unknown'",
    ): _ALL_THREE,
}
