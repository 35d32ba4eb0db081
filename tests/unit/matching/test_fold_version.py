from __future__ import annotations

from pathlib import Path

import pytest

from matching.fold_version import FOLD_VERSION
from matching.linkage.decisions import Decision
from matching.stage.made_with import MadeWith, why_again
from schemas.errors import ConfigurationError
from tests.unit.matching.fold_world import ASPECTS, fold_digest

GOLDEN = Path(__file__).parents[2] / "golden" / "matching.folds.txt"
ACTIVATED = [Decision("1", "model", 1, target="new")]


def recorded() -> dict[int, dict[str, str]]:
    lines = [line.split() for line in GOLDEN.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    versions = {int(version) for version, _, _ in lines}
    return {each: {aspect: digest for version, aspect, digest in lines if int(version) == each} for each in versions}


def test_the_fold_changes_only_with_its_version() -> None:
    now = {aspect: fold_digest(aspect) for aspect in ASPECTS}
    known = recorded().get(FOLD_VERSION, {})
    changed = [aspect for aspect in ASPECTS if known.get(aspect) != now[aspect]]
    version = FOLD_VERSION + bool(known)
    lines = "\n".join(f"{version} {aspect} {digest}" for aspect, digest in now.items())
    assert not changed, (
        f"the same events give other {', '.join(changed)}: tables made before would be wrong without a word. If that "
        f"is meant, let FOLD_VERSION in matching/fold_version.py be {version} and add to {GOLDEN}:\n{lines}"
    )


def test_every_version_folds_otherwise_than_those_before_and_the_last_is_in_force() -> None:
    versions = recorded()
    assert sorted(versions) == list(range(1, FOLD_VERSION + 1))
    assert len({tuple(digests.items()) for digests in versions.values()}) == len(versions)


@pytest.mark.parametrize(
    ("made", "model", "said"),
    [
        (MadeWith(None, 0), "old", ""),
        (MadeWith("old"), "old", ""),
        (MadeWith("old"), "new", "made with model old"),
        (MadeWith("old", 0), "old", f"made by fold version 0, this build has {FOLD_VERSION}"),
        (MadeWith("old", 0), "new", f"made by fold version 0, this build has {FOLD_VERSION}"),
    ],
)
def test_tables_of_an_older_fold_or_another_active_model_are_made_again(made: MadeWith, model: str, said: str) -> None:
    assert why_again(made, model, ACTIVATED) == said


@pytest.mark.parametrize(
    ("made", "decisions", "said"),
    [
        (MadeWith("new", FOLD_VERSION + 1), [], "run the newer build"),
        (MadeWith("old", FOLD_VERSION + 1), ACTIVATED, "run the newer build"),
        (MadeWith("old"), [], "made with model old, this worker has new: give it that model"),
        (MadeWith("old", 0), [], "made with model old, this worker has new: give it that model"),
    ],
)
def test_tables_of_a_newer_build_or_of_a_model_nobody_changed_are_refused(
    made: MadeWith, decisions: list[Decision], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        why_again(made, "new", decisions)
