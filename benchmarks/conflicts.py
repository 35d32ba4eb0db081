"""How much work linkage makes for people: conflicts for 1,000 simulated children, and children held for each shield.

    python -m benchmarks.conflicts [--children 6000] [--seed 77] [--shields 100]

The records of a simulated world go through the resident owner under the model that ships; then some children are
shielded. The truth is asked only afterwards.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter

from contactpoint.world import WorldSettings
from contactpoint.world.stream import value_stream
from matching.features import ChangeReader
from matching.linkage.decisions import Decision
from matching.resident.owner import ResidentOwner
from matching.stage.model_file import read_model

BATCH = 2000


def linked(children: int, seed: int) -> tuple[ResidentOwner, dict[str, int]]:
    """Return an owner that has linked a world, and the number of the child behind each record key."""
    model = read_model()
    owner, reader, child_of = ResidentOwner(model), ChangeReader(model), dict[str, int]()
    changes = []
    for event in value_stream(WorldSettings(children=children, seed=seed)):
        changes.append(reader.read(event.value))
        child_of[changes[-1].key] = event.child
    for batch, start in enumerate(range(0, len(changes), BATCH), 1):
        owner.apply(changes[start : start + BATCH], batch)
    return owner, child_of


def conflicts_by_kind(owner: ResidentOwner, child_of: dict[str, int]) -> dict[str, dict[str, int]]:
    """Return how many conflicts there are of each kind, and how many of them are about records of one child."""
    counts: dict[str, Counter[str]] = {}
    for state in owner.conflicts().values():
        kind = counts.setdefault(state.kind, Counter())
        kind["all"] += 1
        kind["one child"] += len({child_of[key] for key in state.records}) == 1
    return {kind: dict(each) for kind, each in sorted(counts.items())}


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    for name, default in (("children", 6000), ("seed", 77), ("shields", 100)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    owner, child_of = linked(given.children, given.seed)
    found = conflicts_by_kind(owner, child_of)
    members = owner.memberships()
    shielded = random.Random(given.seed).sample(sorted(members), given.shields)
    owner.apply([], 1_000_000, [Decision(number, "shield", 1, members[number]) for number in shielded])
    print(
        json.dumps(
            {
                "model": owner.model.model_id,
                "children": given.children,
                "conflicts": found,
                "conflicts_per_1000_children": 1000 * sum(each["all"] for each in found.values()) / given.children,
                "held_per_shielded_child": len(owner.holds()) / given.shields,
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
