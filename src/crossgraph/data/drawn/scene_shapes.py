"""The kinds of things a scene can show, each as a few polygons and ellipses in its own unit square.

Coordinates run from (0, 0) at the top left to (1, 1) at the bottom right of the thing's box, which the outline touches
on all four sides. The body takes the thing's colour and stripes; details are drawn over it in a tone of that colour.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

Coordinates = tuple[float, ...]


@dataclass(frozen=True)
class Part:
    """One primitive: `figure` is "polygon", "ellipse", "arc" (over `angles`, in degrees) or "pie"."""

    figure: str
    points: Coordinates
    tone: str = "body"
    angles: tuple[float, float] = (0.0, 360.0)


@dataclass(frozen=True)
class Shape:
    """`aspect` is width over height; `body` parts come before the stripes, `details` after."""

    aspect: float
    body: tuple[Part, ...]
    details: tuple[Part, ...] = ()


def _polygon(*points: float, tone: str = "body") -> Part:
    return Part("polygon", points, tone)


def _block(left: float, top: float, right: float, bottom: float, *, tone: str = "body") -> Part:
    return Part("polygon", (left, top, right, top, right, bottom, left, bottom), tone)


def _ellipse(left: float, top: float, right: float, bottom: float, *, tone: str = "body") -> Part:
    return Part("ellipse", (left, top, right, bottom), tone)


def _filling(points: list[tuple[float, float]]) -> tuple[float, Part]:
    """The aspect of an outline, and the outline stretched to fill its unit square."""
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    top, bottom = min(y for _, y in points), max(y for _, y in points)
    fitted = (value for x, y in points for value in ((x - left) / (right - left), (y - top) / (bottom - top)))
    return (right - left) / (bottom - top), Part("polygon", tuple(fitted))


def _star() -> Shape:
    turns = [(math.pi * step / 5, 1.0 if step % 2 == 0 else 0.42) for step in range(10)]
    aspect, outline = _filling([(radius * math.sin(turn), -radius * math.cos(turn)) for turn, radius in turns])
    return Shape(aspect, (outline,))


def _heart() -> Shape:
    turns = [2 * math.pi * step / 60 for step in range(60)]
    curve = [
        (16 * math.sin(t) ** 3, -(13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)))
        for t in turns
    ]
    aspect, outline = _filling(curve)
    return Shape(aspect, (outline,), (_ellipse(0.16, 0.14, 0.34, 0.32, tone="light"),))


def _moon() -> Shape:
    # A circle less a smaller one, both through the two tips, which the larger circle reaches at 50 degrees.
    outer = [math.radians(50 + 260 * step / 40) for step in range(41)]
    inner = [math.radians(284.2 - 208.4 * step / 40) for step in range(41)]
    curve = [(math.cos(t), math.sin(t)) for t in outer]
    hollow = [(0.445 + 0.795 * math.cos(t), 0.795 * math.sin(t)) for t in inner]
    aspect, outline = _filling(curve + hollow)
    return Shape(aspect, (outline,))


def _flower() -> Shape:
    centre, reach_y = 0.33, 0.215
    petals = tuple(
        _ellipse(
            0.5 + 0.31 * math.cos(turn) - 0.19,
            centre + reach_y * math.sin(turn) - 0.144,
            0.5 + 0.31 * math.cos(turn) + 0.19,
            centre + reach_y * math.sin(turn) + 0.144,
        )
        for turn in (2 * math.pi * step / 6 for step in range(6))
    )
    return Shape(
        0.7,
        petals,
        (
            _block(0.46, 0.64, 0.54, 1.0, tone="dark"),
            _ellipse(0.54, 0.74, 0.9, 0.86, tone="dark"),
            _ellipse(0.33, 0.21, 0.67, 0.45, tone="light"),
        ),
    )


def _car() -> Shape:
    wheels = tuple(
        _ellipse(left + inset, 0.56 + 1.9 * inset, left + 0.23 - inset, 1.0 - 1.9 * inset, tone=tone)
        for left in (0.12, 0.65)
        for inset, tone in ((0.0, "ink"), (0.07, "light"))
    )
    windows = (
        _polygon(0.28, 0.4, 0.35, 0.1, 0.49, 0.1, 0.49, 0.4, tone="light"),
        _polygon(0.54, 0.4, 0.54, 0.1, 0.68, 0.1, 0.77, 0.4, tone="light"),
    )
    body = (_polygon(0.0, 0.5, 0.18, 0.42, 0.3, 0.0, 0.72, 0.0, 0.86, 0.42, 1.0, 0.5, 1.0, 0.8, 0.0, 0.8),)
    return Shape(1.9, body, windows + wheels)


def _boat() -> Shape:
    sails = (
        _polygon(0.48, 0.0, 0.48, 0.66, 0.04, 0.66),
        _polygon(0.56, 0.12, 0.56, 0.66, 0.92, 0.66),
    )
    hull = _polygon(0.0, 0.74, 1.0, 0.74, 0.82, 1.0, 0.18, 1.0, tone="dark")
    return Shape(1.15, sails, (hull, _block(0.49, 0.0, 0.54, 0.74, tone="ink")))


def _umbrella() -> Shape:
    canopy = Part("pie", (0.0, 0.0, 1.0, 1.1), angles=(180.0, 360.0))
    ribs = tuple(
        _polygon(0.5, 0.0, foot - 0.015, 0.55, foot + 0.015, 0.55, tone="dark") for foot in (0.18, 0.39, 0.61, 0.82)
    )
    scallops = tuple(_ellipse(left, 0.49, left + 0.2, 0.6) for left in (0.0, 0.2, 0.4, 0.6, 0.8))
    pole = _block(0.48, 0.55, 0.52, 0.92, tone="ink")
    hook = Part("arc", (0.48, 0.82, 0.7, 1.0), "ink", (0.0, 180.0))
    return Shape(1.0, (canopy, *scallops), (*ribs, pole, hook))


def _house() -> Shape:
    roof = _polygon(0.0, 0.46, 0.5, 0.0, 1.0, 0.46, tone="dark")
    door = _block(0.41, 0.66, 0.59, 1.0, tone="dark")
    windows = (_block(0.17, 0.56, 0.33, 0.74, tone="light"), _block(0.67, 0.56, 0.83, 0.74, tone="light"))
    return Shape(1.0, (_block(0.08, 0.4, 0.92, 1.0),), (roof, door, *windows))


def _cup() -> Shape:
    handle = Part("arc", (0.52, 0.22, 1.0, 0.78), angles=(270.0, 450.0))
    bowl = (_polygon(0.0, 0.1, 0.74, 0.1, 0.64, 1.0, 0.1, 1.0), _ellipse(0.0, 0.0, 0.74, 0.2))
    return Shape(1.1, (handle, *bowl), (_ellipse(0.05, 0.035, 0.69, 0.165, tone="dark"),))


SHAPES: dict[str, Shape] = {
    "ball": Shape(1.0, (_ellipse(0.0, 0.0, 1.0, 1.0),), (_ellipse(0.2, 0.14, 0.42, 0.36, tone="light"),)),
    "box": Shape(
        1.0,
        (_polygon(0.0, 0.26, 0.26, 0.0, 1.0, 0.0, 1.0, 0.74, 0.74, 1.0, 0.0, 1.0),),
        (
            _polygon(0.0, 0.26, 0.26, 0.0, 1.0, 0.0, 0.74, 0.26, tone="light"),
            _polygon(0.74, 0.26, 1.0, 0.0, 1.0, 0.74, 0.74, 1.0, tone="dark"),
        ),
    ),
    "star": _star(),
    "tree": Shape(
        0.75,
        (
            _polygon(0.5, 0.0, 0.84, 0.36, 0.16, 0.36),
            _polygon(0.5, 0.16, 0.92, 0.6, 0.08, 0.6),
            _polygon(0.5, 0.38, 1.0, 0.84, 0.0, 0.84),
        ),
        (_block(0.42, 0.84, 0.58, 1.0, tone="ink"),),
    ),
    "house": _house(),
    "car": _car(),
    "fish": Shape(
        1.7,
        (_ellipse(0.0, 0.06, 0.8, 0.94), _polygon(0.66, 0.5, 1.0, 0.0, 1.0, 1.0)),
        (
            _ellipse(0.14, 0.3, 0.24, 0.46, tone="ink"),
            _polygon(0.36, 0.52, 0.58, 0.38, 0.58, 0.68, tone="dark"),
        ),
    ),
    "cup": _cup(),
    "flower": _flower(),
    "boat": _boat(),
    "umbrella": _umbrella(),
    "hat": Shape(
        1.35,
        (_polygon(0.2, 0.0, 0.8, 0.0, 0.76, 0.85, 0.24, 0.85), _ellipse(0.0, 0.66, 1.0, 1.0)),
        (_polygon(0.23, 0.5, 0.77, 0.5, 0.76, 0.7, 0.24, 0.7, tone="dark"),),
    ),
    "moon": _moon(),
    "heart": _heart(),
    "arrow": Shape(1.5, (_polygon(0.0, 0.3, 0.55, 0.3, 0.55, 0.0, 1.0, 0.5, 0.55, 1.0, 0.55, 0.7, 0.0, 0.7),)),
}
"""Kind -> outline, in the order in which labels are listed."""
