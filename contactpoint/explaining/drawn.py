"""Explanations as pictures: names of comparisons, levels and weights; no record key, no child number, no value."""

from __future__ import annotations

from typing import Any

from contactpoint.explaining.pictures import Bar, steps, waterfall

Answer = dict[str, Any]


def draw_pair(found: Answer) -> str:
    """Draw how a pair's weight adds up, as `words.explain_pair` tells it."""
    bars = [Bar(f"{row['comparison']}: {row['finding']}", row["weight"]) for row in found["findings"]]
    bars[0] = Bar("prior", bars[0].weight)
    together = "one child" if found["together"] else "two children"
    said = f"Match weight in bits by comparison, model {found['model']}. The two records are {together} now."
    return waterfall("Why two records are, or are not, one child", said, bars, found["threshold"])


def draw_links(found: Answer) -> str:
    """Draw the weights of the links that hold a child's records together, as `words.explain_child` tells it."""
    bars = [Bar(f"link {number}", link["weight"]) for number, link in enumerate(found["links"], 1)]
    said = f"Match weight in bits of the {len(bars)} strongest links that connect {len(found['members'])} records."
    return steps("The links that hold the records of a child together", said, bars)


def draw_tree(found: Answer) -> str:
    """Draw the mean weight at each step of a merge tree, as `answers.tree_answer` tells it."""
    bars = [
        Bar(
            f"step {step['step']}: {len(step['left'])} and {len(step['right'])} records",
            step["mean weight"] if isinstance(step["mean weight"], float) else None,
        )
        for step in found["steps"]
    ]
    said = f"Mean match weight in bits over all pairs between the two groups, model {found['model']}."
    return steps("How the records of a child came together", said, bars, found["threshold"])


def draw_change(found: Answer) -> str:
    """Draw the pieces that a split or a join would take, as `answers.split_answer` or `join_answer` tells it."""
    split = found["question"] == "split"
    title = "What would split the child" if split else "What would join the two"
    bars = [Bar(_label(piece), piece["weight"] if split else None) for piece in found["pieces"]]
    if not split:
        bars.insert(0, Bar("mean weight now", found["mean weight now"]))
    said = f"{len(found['pieces'])} pieces; {found['search']}. Model {found['model']}, weights in bits."
    return steps(title, said, bars, found["threshold"])


def _label(piece: Answer) -> str:
    return f"{piece['what']}: {piece['of'][0]}" if piece["what"] == "agreement" else str(piece["what"])
