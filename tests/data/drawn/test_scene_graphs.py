"""The graphs of drawn scenes say what the scenes' own file says, and what their boxes show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crossgraph.data.drawn.scene_graphs import scene_graphs
from crossgraph.data.drawn.scenes import draw_scenes
from crossgraph.errors import DataError
from crossgraph.graphs.spatial import spatial_relations


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    draw_scenes(folder, 40, seed=2)
    return folder


def test_every_picture_has_its_things_with_attributes_and_boxes(drawn: Path) -> None:
    graphs = scene_graphs(drawn)
    rows = [json.loads(line) for line in (drawn / "scenes.jsonl").read_text().splitlines()]
    assert list(graphs) == [row["image"] for row in rows]
    for row in rows:
        for thing, found in zip(row["objects"], graphs[row["image"]].objects, strict=True):
            assert found.name == thing["kind"]
            assert [one.name for one in found.attributes] == [thing["colour"], thing["size"], thing["texture"]]
            assert list(found.box or ()) == thing["box"]


def test_true_relations_are_those_that_the_boxes_show(drawn: Path) -> None:
    for graph in scene_graphs(drawn).values():
        boxes = [thing.box for thing in graph.objects if thing.box is not None]
        assert [(one.subject, one.predicate, one.object) for one in graph.relations] == spatial_relations(boxes)


def test_a_folder_without_scenes_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"scenes\.jsonl: cannot be read"):
        scene_graphs(tmp_path)


@pytest.mark.parametrize("objects", ["[]", '[{"kind": "ball"}]', "7"])
def test_a_line_that_is_no_scene_is_named(tmp_path: Path, objects: str) -> None:
    line = f'{{"image": "a.jpg", "objects": {objects}, "relations": [[0, "above", 1]]}}'
    (tmp_path / "scenes.jsonl").write_text(line + "\n")
    with pytest.raises(DataError, match=r"line 1: .*expected a scene"):
        scene_graphs(tmp_path)
