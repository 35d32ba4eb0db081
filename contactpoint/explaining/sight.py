"""What whoever asks for an explanation may see: of a shielded child only what regulation 6(6) leaves.

A level of a hidden comparison tells about a hidden field (the address agrees with one that the asker knows), and so do
sums with it in them: the total, the mean weight of a step. All of these are withheld, and record keys, which name
schools, become "record 1", "record 2". Who comes with such a key hears that nobody has it: that it is the child's would
tell the school.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow

from connectors.decisions import read_decisions
from connectors.postgres import wrap_errors
from contactpoint.explaining.numbers import records_ever, severances
from matching.linkage.explain import hidden_comparisons
from matching.linkage.model import LinkageModel
from matching.sql import QUERIES
from projections.audit_trail.lineage import Severance
from projections.audit_trail.reader import IdentityStep
from projections.review.reader import ReviewReader
from schemas.decisions import DecisionEvent, ShieldSet
from schemas.errors import RejectedError
from schemas.identity import child_number
from schemas.in_force import in_force
from schemas.settings import KafkaSettings
from schemas.visibility import VISIBLE_UNDER_SHIELD

WITHHELD = "withheld: shielded"
RIGHT_NEEDED = "this answer needs the right to see children whole: --with-right shielded"


@dataclass(frozen=True, slots=True)
class Sight:
    """Which records belong to children that are, or may be, shielded, and which identities are severed from which.

    `with_right`: the asker may see all of this.
    """

    shielded: frozenset[str]
    with_right: bool = False
    severances: tuple[Severance, ...] = ()

    @property
    def hidden(self) -> frozenset[str]:
        """The records that are not known to this asker."""
        return frozenset() if self.with_right else self.shielded

    def hides(self, records: Iterable[str]) -> bool:
        """Tell whether anything about these records has to be withheld."""
        return not self.hidden.isdisjoint(records)

    def demand_right(self, records: Iterable[str]) -> None:
        """Raise RejectedError when the answer would be about hidden fields of a shielded child."""
        if self.hides(records):
            raise RejectedError("right_needed", RIGHT_NEEDED)
        self.keep_apart(records)

    def may_name(self, records: Iterable[str]) -> bool:
        """Tell whether this asker may be told of something that is about all of these records."""
        try:
            self.demand_right([*records])
        except RejectedError:
            return False
        return True

    def keep_apart(self, records: Iterable[str]) -> None:
        """Raise the same RejectedError when the answer would show a former identity beside the new one."""
        named = set(records)
        for each in () if self.with_right else self.severances:
            if not named.isdisjoint(each.former) and not named.isdisjoint(each.current):
                raise RejectedError("right_needed", RIGHT_NEEDED)

    def demand_right_to(self, number: str, steps: Iterable[IdentityStep]) -> None:
        """Raise the same RejectedError for a number from before a severance that had records of the new identity.

        A new identity has another number than its founder's own; its records would lead from the one to the other.
        """
        own = [step for step in steps if step.child_number == number]
        if self.with_right or all(child_number(step.founder or "") != number for step in own):
            return
        ever = records_ever(own, number)
        if any(not ever.isdisjoint(each.current) for each in self.severances):
            raise RejectedError("right_needed", RIGHT_NEEDED)


EVERYTHING = Sight(frozenset(), with_right=True)


def sight(
    connection: Connection[TupleRow], kafka: KafkaSettings, *, with_right: bool, decisions: Iterable[DecisionEvent] = ()
) -> Sight:
    """Return the sight of an asker as of now; `decisions` spares reading the topic again."""
    made = list(decisions) or read_decisions(kafka)
    held, apart = in_force(made).values(), tuple(severances(made))
    named = {key for event in held if isinstance(event, ShieldSet) for key in event.data.records}
    named.update(ReviewReader(connection, shielded=True).in_doubt())
    if not named:
        return Sight(frozenset(), with_right, apart)
    with wrap_errors():
        rows = connection.execute(QUERIES["keys_of_same_children"], {"keys": sorted(named)}).fetchall()
    return Sight(frozenset(named | {row[0] for row in rows}), with_right, apart)


def aliases(keys: Sequence[str]) -> dict[str, str]:
    """Return a name for each record key that says nothing about its source."""
    return {key: f"record {place}" for place, key in enumerate(sorted(keys), 1)}


def withhold_link(link: dict[str, Any], model: LinkageModel, names: dict[str, str]) -> dict[str, Any]:
    """Return one link of a child, by this model, without what tells about hidden fields."""
    hidden = hidden_comparisons(model, VISIBLE_UNDER_SHIELD)
    findings = [
        row | {"finding": WITHHELD, "weight": None} if row["comparison"] in hidden else row for row in link["findings"]
    ]
    return link | {
        "left": names[link["left"]],
        "right": names[link["right"]],
        "weight": None,
        "findings": findings,
    }
