"""An explanation laid over its picture: regions lit by how much a word looked at them, boxes and arrows of matches."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from crossgraph.gallery.explanations.arrows import FINE, Point, arrow_paths, point_along, points_beside
from crossgraph.serving.explanations import Box, Explained, ExplainOut, MatchOut
from crossgraph.serving.problems import Problem

LONGER = 620 * FINE
"""The longer side of a drawing, in its own units."""
LETTER = 15 * FINE
EQUAL = 1e-4


@dataclass(frozen=True)
class Rect:
    """A box in the units of the drawing; `light` is how strongly it is lit, from 0 to 1, `said` what a reader hears."""

    index: int
    x: float
    y: float
    width: float
    height: float
    light: float
    said: str


@dataclass(frozen=True)
class Mark:
    """A match in the drawing: its boxes, for a relation an arrow between them, and where its words stand."""

    index: int
    kind: str
    text: str
    adds: bool
    rects: tuple[Rect, ...]
    arrow: str
    head: str
    label: Point
    label_width: float


@dataclass(frozen=True)
class Overlay:
    """What is drawn over a picture of so many units; `top` are the regions lit most, `soft` blurs their edges."""

    key: str
    width: int
    height: int
    regions: tuple[Rect, ...]
    marks: tuple[Mark, ...]
    word: int | None
    match: int | None
    top: tuple[int, ...]
    soft: float
    title: str


def overlay_of(found: Explained, *, word: int | None = None, match: int | None = None) -> Overlay:
    """The drawing with a word or a match chosen; the one that adds most, where neither is.

    Raises `Problem` 404 for a word or a match that the explanation does not have.
    """
    told = found.told
    for kind, index, there in (("word", word, len(told.words)), ("match", match, len(told.matches))):
        if index is not None and not 0 <= index < there:
            raise Problem(404, f"the explanation has no {kind} {index}: it has {there}, counted from 0.")
    if word is None and match is None:
        word, match = strongest(told)
    width, height = sizes(found.item.width, found.item.height)
    weights = told.words[word].weights if word is not None else [0.0] * len(told.boxes)
    most = max(weights, default=0.0)
    light = [weight / most if most > 0 else 0.0 for weight in weights]
    regions = [
        _rect(index, box, (width, height), light[index], where(box, is_grid=is_grid(told.boxes)))
        for index, box in enumerate(told.boxes)
    ]
    regions.sort(key=lambda rect: -rect.width * rect.height)  # small ones lie on top of large ones
    chosen = "" if word is None else told.words[word].word
    if match is not None:
        chosen = told.matches[match].text
    return Overlay(
        key=hashlib.sha256(f"{told.item} {told.sentence}".encode()).hexdigest()[:8],
        width=width,
        height=height,
        regions=tuple(regions),
        marks=tuple(_marks(told.matches, (width, height))),
        word=word,
        match=match,
        top=tuple(index for index, one in enumerate(light) if one > 1 - EQUAL),
        soft=width / 40 if is_grid(told.boxes) else 0.0,
        title=chosen,
    )


def strongest(told: ExplainOut) -> tuple[int | None, int | None]:
    """The match that adds most, else the word that does and looked somewhere; as (word, match)."""
    placed = [(one.contribution, -index) for index, one in enumerate(told.matches) if one.boxes]
    if placed:
        return None, -max(placed)[1]
    words = [
        (one.score if one.contribution is None else one.contribution, -index)
        for index, one in enumerate(told.words)
        if max(one.weights, default=0.0) > 0
    ]
    return (-max(words)[1] if words else None), None


def sizes(width: int, height: int) -> tuple[int, int]:
    """The size of the drawing over a picture of so many pixels."""
    scale = LONGER / max(width, height, 1)
    return max(1, round(width * scale)), max(1, round(height * scale))


def is_grid(boxes: list[Box]) -> bool:
    """Whether the regions are the cells of a grid over the whole picture, and not boxes around things."""
    if len(boxes) < 4:
        return False
    wide, high = boxes[0][2] - boxes[0][0], boxes[0][3] - boxes[0][1]
    even = all(abs(x2 - x1 - wide) < 0.02 and abs(y2 - y1 - high) < 0.02 for x1, y1, x2, y2 in boxes)
    return even and abs(len(boxes) * wide * high - 1) < 0.05


def where(box: Box, *, is_grid: bool) -> str:
    """Where in the picture a region is, in words."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    across = "left" if x < 0.4 else "right" if x > 0.6 else "middle"
    down = "top" if y < 0.4 else "bottom" if y > 0.6 else "middle"
    place = "the middle" if across == down else f"{down} {across}" if down != "middle" else f"middle {across}"
    return place if is_grid else f"a box, {place}"


def regions_of(match: MatchOut, boxes: list[Box]) -> list[int]:
    """The regions that are the boxes of a match."""
    return [
        index
        for index, box in enumerate(boxes)
        if any(max(abs(one - other) for one, other in zip(box, place, strict=True)) < EQUAL for place in match.boxes)
    ]


def _rect(index: int, box: Box, size: tuple[int, int], light: float, said: str) -> Rect:
    x1, y1, x2, y2 = box[0] * size[0], box[1] * size[1], box[2] * size[0], box[3] * size[1]
    return Rect(index, round(x1, 1), round(y1, 1), round(x2 - x1, 1), round(y2 - y1, 1), round(light, 3), said)


def _marks(matches: list[MatchOut], size: tuple[int, int]) -> list[Mark]:
    """What is drawn of every match that was found somewhere; arrows between the same two boxes lie side by side."""
    boxes = list(dict.fromkeys(box for match in matches for box in match.boxes))
    anchors = {place: _dot(box, size) for place, box in enumerate(boxes)}
    related = [index for index, match in enumerate(matches) if match.kind == "relation" and match.boxes]
    ends = [(boxes.index(matches[index].boxes[0]), boxes.index(matches[index].boxes[-1])) for index in related]
    paths = dict(zip(related, arrow_paths(ends, anchors, height=size[1]), strict=True))
    marks = []
    for index, match in enumerate(matches):
        if not match.boxes:
            continue
        rects = tuple(_rect(index, box, size, 1.0, match.text) for box in match.boxes)
        width = min(len(match.text) * LETTER * 0.5 + 24, float(size[0]))
        path = paths.get(index)
        across, down = _label_at(path, rects[0], (width, 2.0 * LETTER), size)
        marks.append(
            Mark(
                index,
                match.kind,
                match.text,
                match.contribution > 0,
                rects,
                _points(path or []),
                _points(_head(path) if path else []),
                (round(across, 1), round(down, 1)),
                round(width, 1),
            )
        )
    return marks


def _label_at(path: list[Point] | None, rect: Rect, label: Point, size: tuple[int, int]) -> Point:
    """The middle of the words of a match: beside its arrow where there is room, else on it, or over its box."""
    half, tall = label[0] / 2, label[1] / 2
    places = points_beside(path, label) if path else []
    for x, y in places:
        if half <= x <= size[0] - half and tall <= y <= size[1] - tall:
            return x, y
    x, y = point_along(path, 0.5) if path else (rect.x + half, rect.y - tall)
    return min(max(x, half), size[0] - half), min(max(y, tall), size[1] - tall)


def _dot(box: Box, size: tuple[int, int]) -> tuple[float, float, float, float]:
    x, y, reach = (box[0] + box[2]) / 2 * size[0], (box[1] + box[3]) / 2 * size[1], 5.0 * FINE
    return x - reach, y - reach, x + reach, y + reach


def _head(path: list[Point]) -> list[Point]:
    """The three corners of the head at the end of an arrow."""
    (x1, y1), (x2, y2) = path[-2:]
    length = max(((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5, 1e-9)
    along, across = ((x2 - x1) / length, (y2 - y1) / length), (-(y2 - y1) / length, (x2 - x1) / length)
    back, half = 14.0 * FINE, 6.0 * FINE
    foot = (x2 - along[0] * back, y2 - along[1] * back)
    return [
        (x2, y2),
        (foot[0] + across[0] * half, foot[1] + across[1] * half),
        (foot[0] - across[0] * half, foot[1] - across[1] * half),
    ]


def _points(path: list[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in path)
