"""Arrows between rectangles: where they start and end, and how they look. Lengths are `FINE` times final pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from PIL import ImageDraw

FINE = 2
"""Drawings are made so many times larger than shown, and shrunk at the end."""

RIM = "#ffffff"

WORDS_AT = (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82)
"""Where along an arrow its words may stand, best first."""

Point = tuple[float, float]
Rectangle = tuple[float, float, float, float]
"""x1, y1, x2, y2."""


def loop_at(box: Rectangle, lane: int, *, below: bool) -> list[Point]:
    """From an anchor to itself, around its upper or lower side."""
    x, y = (box[0] + box[2]) / 2, box[3] if below else box[1]
    side, reach = (12 + 8 * lane) * FINE, (36 + 26 * lane) * (FINE if below else -FINE)
    return [(x - side, y), (x - side, y + reach), (x + side, y + reach), (x + side, y)]


def path_between(start: Rectangle, end: Rectangle, offset: float) -> list[Point]:
    """From the border of one anchor to that of the other, shifted sideways; nothing where both are in one place."""
    (x1, y1), (x2, y2) = (((r[0] + r[2]) / 2, (r[1] + r[3]) / 2) for r in (start, end))
    length = math.hypot(x2 - x1, y2 - y1)
    if length == 0:
        return []
    shift_x, shift_y = -(y2 - y1) / length * offset, (x2 - x1) / length * offset
    first = _leaving(start, (x1 + shift_x, y1 + shift_y), (x2 + shift_x, y2 + shift_y))
    last = _leaving(end, (x2 + shift_x, y2 + shift_y), (x1 + shift_x, y1 + shift_y))
    return [first, last]


def arrow_paths(
    pairs: Sequence[tuple[int, int]], anchors: Mapping[int, Rectangle], *, height: int
) -> list[list[Point]]:
    """A path for each pair of anchors, from the first to the second; those between the same two run side by side.

    Where both are in one place the path is a loop, away from the nearer edge of a drawing of that `height`.
    """
    together: dict[tuple[int, int], int] = {}
    paths = []
    for start, end in pairs:
        pair = (min(start, end), max(start, end))
        lane = together.setdefault(pair, 0)
        together[pair] += 1
        # Lanes 0, 1, 2, 3 lie at 0, 1, -1, 2 widths from the middle, as seen from the lower index.
        offset = (lane + 1) // 2 * (1 if lane % 2 else -1) * (1 if start == pair[0] else -1) * 26.0 * FINE
        path = path_between(anchors[start], anchors[end], offset)
        paths.append(path or loop_at(anchors[start], lane, below=anchors[start][1] > height / 2))
    return paths


def _leaving(box: Rectangle, inside: Point, towards: Point) -> Point:
    """Where the line from `inside` to `towards` leaves `box`, a little outside of it."""
    (x, y), (dx, dy) = inside, (towards[0] - inside[0], towards[1] - inside[1])
    length, pad = math.hypot(dx, dy), 4 * FINE
    edges = (box[0] - pad, box[2] + pad) if dx else ()
    shares = [(edge - x) / dx for edge in edges if (edge - x) / dx > 0]
    edges = (box[1] - pad, box[3] + pad) if dy else ()
    shares += [(edge - y) / dy for edge in edges if (edge - y) / dy > 0]
    share = min(min(shares, default=0.0), 0.45) if length else 0.0
    return x + dx * share, y + dy * share


def point_along(path: Sequence[Point], share: float) -> Point:
    """The point after so much of the path's middle piece."""
    (x1, y1), (x2, y2) = path[(len(path) - 1) // 2], path[(len(path) - 1) // 2 + 1]
    return x1 + (x2 - x1) * share, y1 + (y2 - y1) * share


def points_beside(path: Sequence[Point], size: Point) -> list[Point]:
    """Centres for words of that size next to the path's middle piece, on either side, so that it stays visible."""
    (x1, y1), (x2, y2) = path[(len(path) - 1) // 2], path[(len(path) - 1) // 2 + 1]
    length = math.hypot(x2 - x1, y2 - y1) or 1.0
    across, down = -(y2 - y1) / length, (x2 - x1) / length
    gap = abs(across) * size[0] / 2 + abs(down) * size[1] / 2 + 9 * FINE
    middles = [point_along(path, share) for share in WORDS_AT]
    return [(x + side * gap * across, y + side * gap * down) for x, y in middles for side in (-1, 1)]


def draw_arrow(pen: ImageDraw.ImageDraw, path: Sequence[Point], colour: str, *, width: int = 2) -> None:
    """A line along `path` with a head at its end; `width` is in final pixels."""
    pen.line(path, fill=RIM, width=(width + 3) * FINE, joint="curve")  # a bright rim shows on any picture
    pen.line(path, fill=colour, width=width * FINE, joint="curve")
    (x1, y1), (x2, y2) = path[-2:]
    angle, size = math.atan2(y2 - y1, x2 - x1), (8 + 2 * width) * FINE
    wings = [(x2 - size * math.cos(angle + turn), y2 - size * math.sin(angle + turn)) for turn in (-0.4, 0.4)]
    pen.polygon([(x2, y2), *wings], fill=colour, outline=RIM)


def common_area(first: Rectangle, second: Rectangle) -> float:
    """The area that both cover."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    return max(0.0, width) * max(0.0, height)
