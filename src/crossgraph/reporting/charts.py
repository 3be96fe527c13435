"""Line charts as SVG: names on the ends of lines, a dash of its own for each, colours by classes of a style sheet.

Nothing in them is script or inline style, so that they may stand in a page that forbids both. They are drawn for a
width of some 400 pixels and so read on a small screen as in a grid of several.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from crossgraph.reporting.curves import Curve

WIDTH, HEIGHT = 420, 250
LEFT, TOP, BOTTOM = 48, 12, 36
LETTER = 7.3
"""Width of a bold letter of 12 pixels, about."""

LONGEST = 17
"""Letters of a name at the end of its line; more are cut."""

LINE = 14.0
COLOURS = 8
DASHES = ("", "7 3", "2 3", "9 3 2 3", "14 4", "5 2 1 2", "1 2", "9 3 2 3 2 3")
SHOWN_POINTS = 60
"""A curve of more points than twice these is drawn faintly, with its means over so many parts on top."""

MOST_FAINT = 4
"""Of more lines the faint ones are left out: they would hide each other."""


@dataclass(frozen=True)
class Line:
    """A curve with its name; equal `look` is drawn alike everywhere."""

    name: str
    curve: Curve
    look: int


def line_chart(lines: Sequence[Line], *, title: str, x_title: str, mark: str) -> Markup:
    """An SVG of `lines` over a common axis; `mark` is a word that makes its identifiers unique in a page.

    Its title, and a description with the last value of every line, are there for who cannot see it. Lines without a
    point are left out; without any the drawing says so.
    """
    drawn = [line for line in lines if line.curve.known]
    told = "; ".join(f"{line.name}: {said(line.curve.last)}" for line in drawn)
    described = f"Last values by {x_title}. {told}" if drawn else "No values yet."
    head = (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-labelledby="{escape(mark)}-title {escape(mark)}-desc">'
        f'<title id="{escape(mark)}-title">{escape(title)}</title>'
        f'<desc id="{escape(mark)}-desc">{escape(described)}</desc>'
    )
    if not drawn:
        middle = f'<text class="chart-tick" x="{WIDTH / 2}" y="{HEIGHT / 2}" text-anchor="middle">no values yet</text>'
        return Markup(f"{head}{middle}</svg>")
    plot = _Plot.around(drawn)
    body = [
        *plot.axes(x_title),
        *(part for line in drawn for part in plot.line(line, x_title, faint=len(drawn) <= MOST_FAINT)),
        *plot.names(drawn),
    ]
    return Markup(f"{head}{''.join(body)}</svg>")


def ticks(low: float, high: float, *, about: int = 6) -> list[float]:
    """At most `about` and one round numbers from `low` to `high`, 1, 2 or 5 times a power of ten apart.

    >>> ticks(0.0, 9.7)
    [0.0, 2.0, 4.0, 6.0, 8.0]
    """
    if not high > low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def said(value: float | None) -> str:
    """A number as a table shows it: four digits that count, and a dash for none.

    >>> said(312.4567), said(0.00045), said(None)
    ('312.5', '0.00045', '–')
    """
    if value is None:
        return "–"
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    return f"{value:.2e}"


@dataclass(frozen=True)
class _Plot:
    """A rectangle of the drawing and the numbers at its borders."""

    low: tuple[float, float]
    high: tuple[float, float]
    right: float

    @classmethod
    def around(cls, lines: Sequence[Line]) -> _Plot:
        shown = [line.curve.reduced() if len(lines) <= MOST_FAINT else strong(line.curve) for line in lines]
        points = [point for curve in shown for point in curve.known]
        (x1, y1), (x2, y2) = (tuple(pick(axis) for axis in zip(*points, strict=True)) for pick in (min, max))
        if y1 == y2:
            y1, y2 = y1 - (abs(y1) or 1.0) / 2, y2 + (abs(y2) or 1.0) / 2
        spare = (y2 - y1) * 0.04
        letters = max(len(_cut(line.name)) for line in lines)
        low = y1 - spare if y1 < 0 or y1 > spare else min(y1, 0.0)
        return cls((x1, low), (x2 if x2 > x1 else x1 + 1, y2 + spare), WIDTH - letters * LETTER - 14)

    def at(self, x: float, y: float) -> tuple[float, float]:
        across = (x - self.low[0]) / (self.high[0] - self.low[0])
        down = (self.high[1] - y) / (self.high[1] - self.low[1])
        return LEFT + across * (self.right - LEFT), TOP + down * (HEIGHT - TOP - BOTTOM)

    def axes(self, x_title: str) -> list[str]:
        parts, floor = [], HEIGHT - BOTTOM
        heights = ticks(self.low[1], self.high[1])
        for value, text in zip(heights, _tick_texts(heights), strict=True):
            y = self.at(self.low[0], value)[1]
            parts.append(f'<line class="chart-grid" x1="{LEFT}" x2="{self.right:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
            parts.append(f'<text class="chart-tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
        parts.append(f'<line class="chart-axis" x1="{LEFT}" x2="{self.right:.1f}" y1="{floor}" y2="{floor}"/>')
        widths = [value for value in ticks(self.low[0], self.high[0], about=5) if value == int(value)]
        for value in widths or [self.low[0]]:
            x = self.at(value, self.low[1])[0]
            parts.append(f'<line class="chart-axis" x1="{x:.1f}" x2="{x:.1f}" y1="{floor}" y2="{floor + 4}"/>')
            parts.append(
                f'<text class="chart-tick" x="{x:.1f}" y="{floor + 16}" text-anchor="middle">{value:,.0f}</text>'
            )
        middle = (LEFT + self.right) / 2
        parts.append(
            f'<text class="chart-tick" x="{middle:.1f}" y="{HEIGHT - 4}" text-anchor="middle">{escape(x_title)}</text>'
        )
        return parts

    def line(self, line: Line, x_title: str, *, faint: bool) -> list[str]:
        """The curve, or its means over faint ones of shorter parts; few points are dots that tell their value."""
        curve, look = strong(line.curve), line.look % COLOURS
        parts = []
        if curve is not line.curve and faint:
            parts.append(f'<path class="chart-faint chart-look-{look}" d="{self._path(line.curve.reduced())}"/>')
        dash = DASHES[(line.look + line.look // COLOURS) % len(DASHES)]
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        parts.append(f'<path class="chart-line chart-look-{look}"{dashed} d="{self._path(curve)}"/>')
        if len(line.curve) <= SHOWN_POINTS / 2:
            for x, y in line.curve.known:
                across, down = self.at(x, y)
                told = escape(f"{line.name}, {x_title} {x:,.0f}: {said(y)}")
                dot = f'class="chart-dot chart-look-{look}" cx="{across:.1f}" cy="{down:.1f}" r="3"'
                parts.append(f"<circle {dot}><title>{told}</title></circle>")
        return parts

    def names(self, lines: Sequence[Line]) -> list[str]:
        """The name of each line beside its end, moved apart where they would overlap."""
        wanted = [self.at(*(strong(line.curve).known or line.curve.known)[-1]) for line in lines]
        heights = spread([y for _, y in wanted], gap=LINE, low=float(TOP), high=float(HEIGHT - BOTTOM) + LINE)
        parts = []
        for line, (x, y), height in zip(lines, wanted, heights, strict=True):
            look = line.look % COLOURS
            if abs(height - y) > 2 or self.right - x > 2:
                lead = f'x1="{x + 2:.1f}" y1="{y:.1f}" x2="{self.right + 5:.1f}" y2="{height:.1f}"'
                parts.append(f'<line class="chart-lead chart-look-{look}" {lead}/>')
            place = f'x="{self.right + 7:.1f}" y="{height + 4:.1f}"'
            parts.append(f'<text class="chart-name chart-look-{look}" {place}>{escape(_cut(line.name))}</text>')
        return parts

    def _path(self, curve: Curve) -> str:
        """Lines between points, broken at gaps; a lone point between gaps is a dot as wide as the line."""
        words, pen = [], "M"
        for x, y in zip(curve.x, curve.y, strict=True):
            if y is None:
                pen = "M"
                continue
            across, down = self.at(x, y)
            words.append(f"{pen}{across:.1f} {down:.1f}")
            pen = "L"
        return " ".join(words)


def strong(curve: Curve) -> Curve:
    """What is drawn strongly of a curve: itself, or means if it has very many points."""
    return curve.reduced(SHOWN_POINTS) if len(curve) > 2 * SHOWN_POINTS else curve


def spread(wanted: Sequence[float], *, gap: float, low: float, high: float) -> list[float]:
    """Places as near to those wanted as can be, in their order, `gap` apart and from `low` to `high` if there is room.

    >>> spread([10.0, 11.0, 40.0], gap=10.0, low=0.0, high=50.0)
    [10.0, 20.0, 40.0]
    """
    order = sorted(range(len(wanted)), key=lambda i: (wanted[i], i))
    gap = min(gap, (high - low) / max(1, len(wanted) - 1))
    places = [0.0] * len(wanted)
    lowest = low
    for i in order:
        places[i] = max(wanted[i], lowest)
        lowest = places[i] + gap
    highest = high
    for i in reversed(order):
        places[i] = min(places[i], highest)
        highest = places[i] - gap
    return places


def _tick_texts(values: Sequence[float]) -> list[str]:
    """All with as many decimals as the step between them needs; very small ones by power of ten."""
    largest = max(map(abs, values), default=0.0)
    if 0 < largest < 1e-3 or largest >= 1e6:
        return [f"{value:.0e}".replace("e-0", "e-") if value else "0" for value in values]
    step = values[1] - values[0] if len(values) > 1 else largest or 1.0
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return [f"{value:,.{decimals}f}" for value in values]


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 8]}…{name[-7:]}"
