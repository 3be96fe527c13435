"""Drawn graphs show every object and relation where it belongs, whatever the graph."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from crossgraph.gallery.explanations.arrows import Rectangle, common_area, path_between
from crossgraph.gallery.explanations.draw_graph import COLOURS, IMAGE, draw_graph
from crossgraph.gallery.explanations.sheet import Sheet
from crossgraph.graphs.scene_graph import Attribute, GraphObject, Relation, SceneGraph

LEFT, RIGHT = (0.1, 0.4, 0.3, 0.6), (0.7, 0.4, 0.9, 0.6)
TWO = SceneGraph(
    (GraphObject("dog", (Attribute("brown"),), box=LEFT), GraphObject("cat", box=RIGHT)), (Relation(0, "left of", 1),)
)


def rgb(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def pixels_of(drawing: Image.Image, colour: str) -> np.ndarray:
    """Where the drawing has exactly this colour."""
    found: np.ndarray = (np.asarray(drawing) == rgb(colour)).all(-1)
    return found


def ring_of(count: int) -> SceneGraph:
    """A ring of things, each with two attributes, and two chords."""
    things = tuple(GraphObject(f"thing number {i}", (Attribute("red"), Attribute("large"))) for i in range(count))
    ring = [Relation(i, "in front of", (i + 1) % count) for i in range(count)]
    return SceneGraph(things, (*ring, Relation(0, "behind", count // 2), Relation(1, "on the side of", count - 1)))


def test_a_box_is_framed_and_an_arrow_leads_from_centre_to_centre() -> None:
    drawing = draw_graph(TWO, Image.new("RGB", (200, 200), "white"))
    assert drawing.size == (IMAGE, IMAGE)
    first = pixels_of(drawing, COLOURS[0])
    assert first[IMAGE // 2, round(0.1 * IMAGE) + 1], "the left edge of the dog's box"
    assert first[IMAGE // 2, round(0.4 * IMAGE)], "the arrow, in its subject's colour"
    assert not first[IMAGE // 4].any(), "nothing is drawn elsewhere"


def test_the_inverse_of_a_relation_is_not_drawn_again() -> None:
    both = SceneGraph(TWO.objects, (*TWO.relations, Relation(1, "right of", 0)))
    image = Image.new("RGB", (100, 100), "white")
    assert draw_graph(both, image).tobytes() == draw_graph(TWO, image).tobytes()
    also_seen = SceneGraph(TWO.objects, (*TWO.relations, Relation(1, "look at", 0)))
    assert draw_graph(also_seen, image).tobytes() != draw_graph(TWO, image).tobytes()


def test_the_picture_itself_is_not_changed() -> None:
    image = Image.new("RGB", (50, 30), "white")
    draw_graph(TWO, image)
    assert image.getcolors() == [(1500, (255, 255, 255))]


def test_too_many_relations_are_cut_with_a_note_below() -> None:
    many = SceneGraph(TWO.objects, tuple(Relation(0, f"relation {i}", 1) for i in range(9)))
    image = Image.new("RGB", (90, 60), "white")
    assert draw_graph(many, image, most_relations=4).height > draw_graph(many, image).height


@pytest.mark.parametrize("count", [3, 4, 5, 6, 7, 8])
def test_nothing_written_covers_anything_else(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sheets: list[Sheet] = []
    made = Sheet.__post_init__

    def remembering(self: Sheet) -> None:
        made(self)
        sheets.append(self)

    monkeypatch.setattr(Sheet, "__post_init__", remembering)
    draw_graph(ring_of(count))
    (sheet,) = sheets
    assert len(sheet.taken) == count + count + 2
    assert all(common_area(one, two) == 0 for one, two in combinations(sheet.taken, 2))


def test_an_arrow_starts_and_ends_just_outside_its_nodes() -> None:
    start, end = (0.0, 0.0, 100.0, 100.0), (400.0, 0.0, 500.0, 100.0)
    (x1, y1), (x2, y2) = path_between(start, end, 0.0)
    assert (y1, y2) == (50, 50)
    assert 100 < x1 < 120
    assert 380 < x2 < 400


@pytest.mark.parametrize("box", [(0.0, 0.0, 1.0, 1.0), (0.5, 0.5, 0.5, 0.5), (0.0, 0.0, 0.0, 1.0)])
def test_odd_boxes_pictures_and_relations_are_drawn(box: Rectangle) -> None:
    thing = GraphObject("a very long name that goes on and on and on", box=box)
    graph = SceneGraph((thing, thing, GraphObject("idea")), (Relation(0, "on", 1), Relation(0, "see", 0)))
    for image in (Image.new("L", (1, 400)), Image.new("RGBA", (400, 1)), None):
        draw_graph(graph, image, title="a title " * 40)


def test_nothing_at_all_can_be_drawn() -> None:
    assert draw_graph(SceneGraph()).width > 0
    assert draw_graph(SceneGraph(), Image.new("RGB", (8, 8))).width > 0


def test_a_huge_graph_does_not_fill_the_memory() -> None:
    things = tuple(GraphObject(f"thing {i}", (Attribute("red"),) * 50) for i in range(120))
    drawing = draw_graph(SceneGraph(things, (Relation(0, "on", 60),)))
    assert max(drawing.size) < 5000
