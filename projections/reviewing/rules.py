"""When a question is answered: by two people who do not see each other's answer, and a third where they differ. Pure.

All clerical records done twice is the practice of the Australian Bureau of Statistics (2940.0.55.002); a third person
where the two differ is that of the trials in facts/console.md section 6.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from schemas.errors import RejectedError
from schemas.reasons import REASONS
from schemas.two_people import same_person

Answer = Literal["same", "different", "cannot_tell"]
Standing = Literal["unanswered", "one_answer", "disputed", "settled", "unresolved"]

ANSWERS: tuple[Answer, ...] = ("same", "different", "cannot_tell")
MOST_ANSWERS: Final = 3
CLAIM: Final = timedelta(minutes=15)
"""How long a claim holds unless another time is given."""
LONGEST_CLAIM: Final = timedelta(days=7)

ANSWER_REASONS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "same": REASONS["decision.must_link"],
        "different": REASONS["decision.cannot_link"],
        "cannot_tell": {
            "too_little_known": "the records say too little",
            "sources_contradict": "the sources contradict each other",
            "ask_the_source": "only a source can tell",
        },
    }
)
"""Answer to code to words. Those of `same` and `different` are the reasons of the decisions that may follow."""


class Opinion(NamedTuple):
    """One person's answer."""

    by: str
    answer: Answer
    reason: str
    given_at: datetime


class Verdict(NamedTuple):
    """Where a question stands; `answer` once it is settled."""

    standing: Standing
    answer: Answer | None = None

    @property
    def is_open(self) -> bool:
        """Whether another person has to answer."""
        return self.standing in {"unanswered", "one_answer", "disputed"}


def verdict(answers: Sequence[str]) -> Verdict:
    """Return what the answers come to, in any order: two that agree settle it; three that all differ never do."""
    counts = Counter(answers)
    for answer in ANSWERS:
        if counts[answer] > 1:
            return Verdict("settled", answer)
    standings: tuple[Standing, ...] = ("unanswered", "one_answer", "disputed", "unresolved")
    return Verdict(standings[min(len(answers), MOST_ANSWERS)])


def decision_of(opinions: Sequence[Opinion]) -> tuple[Literal["must-link", "cannot-link"], Opinion, Opinion] | None:
    """Return the decision that two people agree on, and their answers; None where there is none or they cannot tell."""
    answer = verdict([each.answer for each in opinions]).answer
    if answer not in {"same", "different"}:
        return None
    first, second, *_ = [each for each in opinions if each.answer == answer]
    return "must-link" if answer == "same" else "cannot-link", first, second


def check_answer(answer: str, reason: str, by: str, before: Sequence[Opinion]) -> Answer:
    """Return the answer as one of the listed; raise RejectedError when this person may not give it for this reason."""
    if any(same_person(by, each.by) for each in before):
        raise RejectedError("answered_before", "you have answered this: another person has to")
    if not verdict([each.answer for each in before]).is_open:
        raise RejectedError("question_answered", "enough people have answered this")
    for known in ANSWERS:
        if answer == known:
            codes = ANSWER_REASONS[known]
            if reason not in codes:
                raise RejectedError("reason_unknown", f"the reasons for {answer} are: {', '.join(codes)}")
            return known
    raise RejectedError("answer_unknown", f"the answers are: {', '.join(ANSWERS)}")
