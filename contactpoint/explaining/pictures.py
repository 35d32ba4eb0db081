"""Small pictures as SVG: a waterfall of weights, bars, a curve.

Text and shapes only: no scripts, no links, no styles from elsewhere, so that a picture is safe in any page. Every
picture has a title and a description for those who do not see it, and holds nothing of a person: the callers pass names
of comparisons, words of levels, and numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

_WIDTH: Final = 760
_ROW: Final = 26
_LABELS: Final = 330
_LONGEST: Final = 52  # characters of a label
_TOP: Final = 48
_FONT: Final = 'font-family="Arial, sans-serif" font-size="13"'
_FOR, _AGAINST, _TOTAL, _GREY = "#1d70b8", "#d4351c", "#0b0c0c", "#b1b4b6"


@dataclass(frozen=True, slots=True)
class Bar:
    """One row: its words, and how much it adds (bits); None where that is withheld."""

    label: str
    weight: float | None


def waterfall(title: str, description: str, bars: Sequence[Bar], threshold: float | None = None) -> str:
    """Return a picture in which each bar begins where the one before ended, and the last row is the total.

    Without a total (a weight is withheld) each bar begins at 0.
    """
    whole = all(bar.weight is not None for bar in bars)
    spans: list[tuple[float, float]] = []
    at = 0.0
    for bar in bars:
        start = at if whole else 0.0
        at = start + (bar.weight or 0.0)
        spans.append((start, at))
    rows = [*bars, *([Bar("total", at)] if whole else [])]
    spans += [(0.0, at)] if whole else []
    return _picture(title, description, _rows(rows, spans, threshold, total=whole), len(rows))


def steps(title: str, description: str, bars: Sequence[Bar], threshold: float | None = None) -> str:
    """Return a picture in which each bar begins at 0, such as the mean weight at each step of a merge tree."""
    spans = [(0.0, bar.weight or 0.0) for bar in bars]
    return _picture(title, description, _rows(bars, spans, threshold, total=False), len(bars))


def curve(title: str, description: str, points: Sequence[tuple[float, float, float]], chosen: float) -> str:
    """Return a picture of (threshold, precision, recall): both from 0 to 1 over the threshold in bits."""
    low, high = min(p[0] for p in points), max(p[0] for p in points)
    height, left, right = 260.0, 60.0, _WIDTH - 30.0

    def x(threshold: float) -> float:
        """Return where a threshold stands."""
        return left + (threshold - low) / ((high - low) or 1.0) * (right - left)

    def line(column: int, colour: str) -> str:
        """Return the curve of one column of the points."""
        path = " ".join(f"{x(p[0]):.1f},{_TOP + (1 - p[column]) * height:.1f}" for p in points)
        return f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{path}"/>'

    marks = [_text(left - 8, _TOP + (1 - share) * height + 4, f"{share:.1f}", "end") for share in (0.0, 0.5, 1.0)]
    marks += [_text(x(p[0]), _TOP + height + 20, f"{p[0]:g}", "middle") for p in points[:: max(1, len(points) // 8)]]
    body = [
        f'<rect x="{left}" y="{_TOP}" width="{right - left}" height="{height}" fill="none" stroke="{_GREY}"/>',
        _dashed(x(chosen), _TOP, _TOP + height),
        line(1, _FOR),
        line(2, _AGAINST),
        *marks,
        _text(left, _TOP + height + 44, "precision: blue, recall: red, dashed: the threshold; bits of match weight"),
    ]
    return _svg(title, description, body, round(_TOP + height + 60))


def _rows(
    bars: Sequence[Bar], spans: Sequence[tuple[float, float]], threshold: float | None, *, total: bool
) -> list[str]:
    ends = [0.0, *(end for span in spans for end in span), *([] if threshold is None else [threshold])]
    low, high = min(ends), max(ends)
    scale = (_WIDTH - _LABELS - 90) / ((high - low) or 1.0)

    def x(weight: float) -> float:
        """Return where a weight stands."""
        return _LABELS + (weight - low) * scale

    bottom = _TOP + _ROW * len(bars)
    body = [f'<line x1="{x(0):.1f}" y1="{_TOP - 6}" x2="{x(0):.1f}" y2="{bottom}" stroke="{_GREY}"/>']
    if threshold is not None:
        body.append(_dashed(x(threshold), _TOP - 6, bottom))
    for row, (bar, (start, end)) in enumerate(zip(bars, spans, strict=True)):
        y = _TOP + _ROW * row
        colour = _TOTAL if total and row == len(bars) - 1 else _FOR if end >= start else _AGAINST
        body.append(_text(_LABELS - 10, y + 14, _short(bar.label), "end"))
        body.append(
            f'<rect x="{x(min(start, end)):.1f}" y="{y + 2}" width="{abs(end - start) * scale:.1f}" '
            f'height="{_ROW - 10}" fill="{colour}"/>'
        )
        said = "withheld" if bar.weight is None else f"{bar.weight:+.2f}"
        body.append(_text(x(max(start, end)) + 6, y + 14, said))
    return body


def _picture(title: str, description: str, body: list[str], rows: int) -> str:
    return _svg(title, description, body, _TOP + _ROW * rows + 16)


def _svg(title: str, description: str, body: Sequence[str], height: int) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="title desc" '
        f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}">'
    )
    lines = [
        head,
        f'<title id="title">{_words(title)}</title>',
        f'<desc id="desc">{_words(description)}</desc>',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(16, 24, title),
        *body,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _dashed(x: float, top: float, bottom: float) -> str:
    place = f'x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}"'
    return f'<line {place} stroke="{_TOTAL}" stroke-dasharray="4 3"/>'


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {_FONT} fill="#0b0c0c">{_words(words)}</text>'


def _words(text: str) -> str:
    return escape("".join(symbol if symbol.isprintable() else " " for symbol in text))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
