"""A scene graph, drawn: over its picture as boxes and arrows, or on paper as nodes in a ring.

Everything is drawn at twice its size and shrunk at the end, which smooths lines; lengths below are final pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from PIL import Image, ImageChops

from crossgraph.gallery.explanations.arrows import (
    FINE,
    WORDS_AT,
    Point,
    Rectangle,
    arrow_paths,
    common_area,
    draw_arrow,
    path_between,
    point_along,
)
from crossgraph.gallery.explanations.sheet import Sheet, font_of, scaled, shortened, text_width, words_size
from crossgraph.gallery.explanations.titles import FAINT, INK, MARGIN, PAPER, with_lines
from crossgraph.graphs.scene_graph import GraphObject, Relation, SceneGraph
from crossgraph.graphs.spatial import INVERSE

IMAGE = 880  # longer side of the picture
COLOURS = ("#d1495b", "#1f78b4", "#2e8b57", "#b8860b", "#7b4fa3", "#c2571a", "#00798c", "#8c564b")
_LARGEST = 20.0  # where the ring stops growing
_WIDEST = 2000.0 * FINE  # radius beyond which many nodes rather overlap than fill the memory


def draw_graph(
    graph: SceneGraph, image: Image.Image | None = None, *, title: str = "", most_relations: int = 24
) -> Image.Image:
    """Over `picture`, every object's box with name and attributes and an arrow for every relation; without a picture,
    or when no object has a box, objects as rounded nodes with their attributes under the name.

    `title` is written on top. Of two spatial relations that say the same (left of, right of) the first is drawn, and
    after `most_relations` arrows a note says how many there are. Objects without a box are left out over a picture.
    """
    relations = _without_inverses(graph.relations)
    boxed = [i for i, thing in enumerate(graph.objects) if thing.box is not None]
    if image is None or not boxed:
        sheet = _draw_ring(graph.objects, relations[:most_relations])
    else:
        relations = [one for one in relations if one.subject in boxed and one.object in boxed]
        sheet = _draw_over(graph.objects, relations[:most_relations], image)
    note = "" if len(relations) <= most_relations else f"{most_relations} of {len(relations)} relations are drawn"
    return with_lines(sheet.reduce(FINE), title, note)


def _draw_over(objects: Sequence[GraphObject], relations: Sequence[Relation], image: Image.Image) -> Image.Image:
    scale = FINE * IMAGE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    sheet = Sheet(image.convert("RGB").resize(size, Image.Resampling.LANCZOS))
    boxes = {i: scaled(thing.box, size) for i, thing in enumerate(objects) if thing.box is not None}
    for i, box in boxes.items():
        sheet.pen.rectangle(box, outline=_colour(i), width=3 * FINE)
    labels = {i: _name_over(sheet, objects[i], box) for i, box in boxes.items()}
    anchors = {}
    for i, (x1, y1, x2, y2) in boxes.items():
        x, y, dot = (x1 + x2) / 2, (y1 + y2) / 2, 5 * FINE
        anchors[i] = (x - dot, y - dot, x + dot, y + dot)
    _draw_relations(sheet, relations, anchors)
    for i, anchor in anchors.items():
        sheet.pen.ellipse(anchor, fill=_colour(i), outline=PAPER, width=FINE)
    for i, place in labels.items():
        sheet.pen.rectangle(place, fill=_colour(i))
        _write(sheet, place, _lines_over(objects[i]), PAPER, PAPER)
    return sheet.image


def _name_over(sheet: Sheet, thing: GraphObject, box: Rectangle) -> Rectangle:
    """Where the name goes: above the box, inside at one of its edges, or below it."""
    x1, y1, x2, y2 = box
    width, height = _text_size(_lines_over(thing))
    across = (x1 + width / 2, x2 - width / 2, (x1 + x2) / 2)
    down = (y1 - height / 2, y1 + height / 2, y1 + 3 * height / 2, y2 - height / 2, y2 + height / 2)
    return sheet.free((width, height), [(x, y) for y in down for x in across])


def _draw_ring(objects: Sequence[GraphObject], relations: Sequence[Relation]) -> Image.Image:
    """Nodes on an ellipse, just large enough for every arrow to show beside its words."""
    sizes = [_text_size(_lines_in_node(thing)) for thing in objects]
    order = list(_ring_order(len(objects), relations))
    growth = 1.0
    nodes = _ring(order, sizes, growth)
    while growth < _LARGEST and not _has_room(nodes, relations):
        growth *= 1.1
        nodes = _ring(order, sizes, growth)
    edge = 120 * FINE  # for loops and words at the border; what stays empty is cut off
    left, top = (min((place[axis] for place in nodes.values()), default=0.0) - edge for axis in (0, 1))
    right, bottom = (max((place[axis] for place in nodes.values()), default=0.0) + edge for axis in (2, 3))
    nodes = {i: (x1 - left, y1 - top, x2 - left, y2 - top) for i, (x1, y1, x2, y2) in nodes.items()}
    sheet = Sheet(Image.new("RGB", (round(right - left), round(bottom - top)), PAPER), list(nodes.values()))
    _draw_relations(sheet, relations, nodes)
    for i, place in nodes.items():
        sheet.pen.rounded_rectangle(place, 12 * FINE, fill=f"{_colour(i)}22", outline=_colour(i), width=2 * FINE)
        _write(sheet, place, _lines_in_node(objects[i]), INK, FAINT)
    if not objects:
        sheet.pen.text((edge, edge), "no objects", fill=FAINT, font=font_of(16), anchor="mm")
    return _trimmed(sheet.image)


def _ring(order: Sequence[int], sizes: Sequence[Point], growth: float) -> dict[int, Rectangle]:
    """The place of every node around (0, 0): one in the middle, two side by side, others clockwise from the left."""
    count = len(order)
    spread = 0.0 if count < 2 else min(growth * 40 * FINE / math.sin(math.pi / count), _WIDEST)
    across = spread + (max(size[0] for size in sizes) / 2 if count > 1 else 0.0)
    down = spread * 0.8 + (max(size[1] for size in sizes) / 2 if count > 1 else 0.0)
    nodes = {}
    for turn, i in enumerate(order):
        angle = math.pi + 2 * math.pi * turn / count + (math.pi / 4 if count == 4 else 0)
        x, y = (across * math.cos(angle), down * math.sin(angle)) if count > 1 else (0.0, 0.0)
        width, height = sizes[i]
        nodes[i] = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return nodes


def _has_room(nodes: dict[int, Rectangle], relations: Sequence[Relation]) -> bool:
    """Whether no nodes touch, and every arrow can be seen on both sides of its words."""
    places = list(nodes.values())
    if any(common_area(_widened(one), two) for k, one in enumerate(places) for two in places[k + 1 :]):
        return False
    for one in relations:
        if one.subject != one.object:
            (x1, y1), (x2, y2) = path_between(nodes[one.subject], nodes[one.object], 0.0)
            length = math.hypot(x2 - x1, y2 - y1)
            width, height = words_size(one.predicate)
            steep, flat = abs(y2 - y1) / max(length, 1), abs(x2 - x1) / max(length, 1)
            hidden = min(width / max(flat, 1e-9), height / max(steep, 1e-9))
            if length < hidden + 50 * FINE:
                return False
    return True


def _trimmed(drawing: Image.Image) -> Image.Image:
    """Without empty borders, but for a margin, and not too narrow for a title."""
    paper = Image.new("RGB", drawing.size, PAPER)
    x1, y1, x2, y2 = ImageChops.difference(drawing, paper).getbbox() or (0, 0, *drawing.size)
    margin = MARGIN * FINE
    width = max(x2 - x1 + 2 * margin, 440 * FINE)
    sheet = Image.new("RGB", (width, y2 - y1 + 2 * margin), PAPER)
    sheet.paste(drawing.crop((x1, y1, x2, y2)), ((width - (x2 - x1)) // 2, margin))
    return sheet


def _draw_relations(sheet: Sheet, relations: Sequence[Relation], anchors: dict[int, Rectangle]) -> None:
    """All arrows, then their words on top. Arrows between the same two run side by side."""
    words: list[tuple[str, int, Rectangle]] = []
    paths = arrow_paths([(one.subject, one.object) for one in relations], anchors, height=sheet.image.height)
    for one, path in zip(relations, paths, strict=True):
        place = sheet.free(words_size(one.predicate), [point_along(path, share) for share in WORDS_AT])
        words.append((one.predicate, one.subject, place))
    for one, path in zip(relations, paths, strict=True):
        draw_arrow(sheet.pen, path, _colour(one.subject))
    for predicate, subject, place in words:
        sheet.pen.rounded_rectangle(place, 6 * FINE, fill="#ffffffe6")
        middle = ((place[0] + place[2]) / 2, (place[1] + place[3]) / 2)
        sheet.pen.text(middle, shortened(predicate), fill=_colour(subject), font=font_of(15), anchor="mm")


def _ring_order(count: int, relations: Sequence[Relation]) -> Iterator[int]:
    """All objects, each followed by what it is related to."""
    near: dict[int, list[int]] = {i: [] for i in range(count)}
    for one in relations:
        near[one.subject].append(one.object)
        near[one.object].append(one.subject)
    seen: set[int] = set()
    for start in sorted(range(count), key=lambda i: (len(near[i]) > 1, i)):
        waiting = [start]
        while waiting:
            i = waiting.pop()
            if i not in seen:
                seen.add(i)
                yield i
                waiting += reversed(near[i])


def _without_inverses(relations: Sequence[Relation]) -> list[Relation]:
    """Less those that say again, the other way round, what one before says."""
    said: set[tuple[int, str, int]] = set()
    kept = []
    for one in relations:
        if (one.object, INVERSE.get(one.predicate), one.subject) not in said:
            kept.append(one)
        said.add((one.subject, one.predicate, one.object))
    return kept


def _lines_over(thing: GraphObject) -> list[str]:
    """Name, number and attributes in one line."""
    return [shortened(" ".join((*(one.name for one in thing.attributes), _counted(thing))), 40)]


def _lines_in_node(thing: GraphObject) -> list[str]:
    """The name with its number, and up to eight attributes under it."""
    return [shortened(_counted(thing)), *(shortened(one.name) for one in thing.attributes[:8])]


def _counted(thing: GraphObject) -> str:
    return thing.name if thing.count is None or thing.count == 1 else f"{thing.name} ({thing.count})"


def _write(sheet: Sheet, place: Rectangle, lines: Sequence[str], first: str, others: str) -> None:
    x, y = (place[0] + place[2]) / 2, place[1] + 15 * FINE
    for number, line in enumerate(lines):
        colour, size = (others, 14) if number else (first, 16)
        sheet.pen.text((x, y + number * 20 * FINE), line, fill=colour, font=font_of(size), anchor="mm")


def _text_size(lines: Sequence[str]) -> Point:
    return max(text_width(line, 16) for line in lines) + 20 * FINE, (len(lines) * 20.0 + 8) * FINE


def _widened(box: Rectangle) -> Rectangle:
    gap = 16 * FINE
    return box[0] - gap, box[1] - gap, box[2] + gap, box[3] + gap


def _colour(index: int) -> str:
    return COLOURS[index % len(COLOURS)]
