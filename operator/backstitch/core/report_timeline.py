# SPDX-License-Identifier: Apache-2.0
"""How is time drawn? One row a bar: an SVG that only holds rectangles and may be stretched to any width, with its words
beside it as HTML, so that it can be read on a phone too. Numbers are milliseconds from a common start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from backstitch.core.report_html import Html, join, tag
from backstitch.core.view_text import duration_text

_WIDTH = 1000
_BAR, _LOCK, _GAP = 14, 5, 2
_LEAST = 3.0  # a bar is never too thin to be seen


@dataclass(frozen=True)
class Bar:
    """One span. `fill` is the end of a class of the style sheet: bar, exclusive, validate, rows, none, unknown …"""

    start: float
    end: float
    fill: str
    title: str = ""


@dataclass(frozen=True)
class Row:
    """One line of a chart: its bars on one track, and thinner ones below it, each on its own."""

    name: Html | str
    took: str
    bars: Sequence[Bar] = ()
    below: Sequence[Bar] = ()


@dataclass(frozen=True)
class Band:
    """Rows under one heading."""

    title: str
    rows: Sequence[Row] = field(default_factory=tuple)


def chart(bands: Sequence[Band], *, label: str) -> Html:
    """Draw bands on one axis; nothing when no row has a bar."""
    bars = [bar for band in bands for row in band.rows for bar in (*row.bars, *row.below)]
    if not bars:
        return Html("")
    start = min(bar.start for bar in bars)
    whole = max(max(bar.end for bar in bars) - start, 1.0)
    parts: list[Html] = []
    for band in bands:
        if band.rows:
            parts.append(tag("div", band.title, cls="band"))
        for row in band.rows:
            parts += [
                tag("div", row.name, cls="name"),
                tag("div", row.took, cls="took"),
                _track(row, start, whole),
            ]
    ticks = [tag("span", "0", style="left:0%")]
    ticks.append(tag("span", duration_text(int(whole / 2)), cls="mid", style="left:50%"))
    ticks.append(tag("span", duration_text(int(whole)), style="left:100%"))
    return tag("div", *parts, tag("div", *ticks, cls="axis"), cls="chart", role="img", aria_label=label)


def _track(row: Row, start: float, whole: float) -> Html:
    lines = len(row.below)
    height = _BAR + 12 if not lines else 6 + _BAR + 3 + lines * (_LOCK + _GAP) + 2
    top = 6
    shapes = [tag("rect", x=0, y=top, width=_WIDTH, height=_BAR, cls="track")]
    shapes += [_rect(bar, start, whole, top, _BAR) for bar in row.bars]
    for number, bar in enumerate(row.below):
        shapes.append(_rect(bar, start, whole, top + _BAR + 3 + number * (_LOCK + _GAP), _LOCK))
    return tag(
        "svg",
        *shapes,
        viewBox=f"0 0 {_WIDTH} {height}",
        preserveAspectRatio="none",
        style=f"height:{height}px",
        aria_hidden="true",
    )


def _rect(bar: Bar, start: float, whole: float, y: float, height: float) -> Html:
    width = max((bar.end - bar.start) / whole * _WIDTH, _LEAST)
    x = min((bar.start - start) / whole * _WIDTH, _WIDTH - width)
    said = tag("title", bar.title) if bar.title else None
    return tag("rect", said, x=f"{max(x, 0):.1f}", y=y, width=f"{width:.1f}", height=height, cls=f"f-{bar.fill}")


def legend(entries: Sequence[tuple[str, str]]) -> Html:
    """Give what the colours mean; entries are fill and words."""
    items = []
    for fill, words in entries:
        swatch = tag("svg", tag("rect", x=0, y=0, width=14, height=10, cls=f"f-{fill}"), viewBox="0 0 14 10",
                     aria_hidden="true")  # fmt: skip
        items.append(tag("li", join(swatch, words)))
    return tag("ul", *items, cls="legend")
