"""Other programs' graphs: boxes become shares once, thresholds drop, and what does not fit is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crossgraph.data.graphs.detections import import_detections, import_visual_genome
from crossgraph.errors import DataError
from crossgraph.graphs.scene_graph import Attribute, GraphObject, Relation, SceneGraph

DETECTION = {
    "image": "a.jpg",
    "width": 200,
    "height": 100,
    "boxes": [[0, 0, 100, 50], [100, 50, 202.0, 100], [10, 10, 20, 20]],
    "labels": ["Dog", "cat ", "ball"],
    "attributes": [["Brown"], [], ["red", "small"]],
    "scores": [0.9, 0.8, 0.3],
    "relations": [[0, "Left of", 1, 0.7], [1, "behind", 0, 0.2], [0, "with", 2]],
    "model": "ignored",
}


def written(folder: Path, content: object) -> Path:
    file = folder / "found.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def test_a_detection_becomes_a_graph_with_boxes_cut_at_the_border(tmp_path: Path) -> None:
    assert import_detections(written(tmp_path, [DETECTION])) == {
        "a.jpg": SceneGraph(
            (
                GraphObject("dog", (Attribute("brown"),), box=(0.0, 0.0, 0.5, 0.5)),
                GraphObject("cat", box=(0.5, 0.5, 1.0, 1.0)),
                GraphObject("ball", (Attribute("red"), Attribute("small")), box=(0.05, 0.1, 0.1, 0.2)),
            ),
            (Relation(0, "left of", 1), Relation(1, "behind", 0), Relation(0, "with", 2)),
        )
    }


def test_thresholds_drop_objects_their_relations_and_doubtful_relations(tmp_path: Path) -> None:
    found = import_detections(written(tmp_path, [DETECTION]), object_threshold=0.8, relation_threshold=0.5)
    assert [thing.name for thing in found["a.jpg"].objects] == ["dog", "cat"]
    assert found["a.jpg"].relations == (Relation(0, "left of", 1),)


def test_relations_follow_their_objects_when_an_earlier_one_is_dropped(tmp_path: Path) -> None:
    row = DETECTION | {"scores": [0.1, 0.8, 0.9], "relations": [[1, "near", 2], [0, "near", 2]]}
    found = import_detections(written(tmp_path, [row]), object_threshold=0.5)
    assert found["a.jpg"].triples() == (("cat", "near", "ball"),)


def test_json_lines_are_read_like_a_list(tmp_path: Path) -> None:
    rows = [DETECTION, DETECTION | {"image": "b.jpg"}]
    lines = tmp_path / "found.jsonl"
    lines.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    assert import_detections(lines) == import_detections(written(tmp_path, rows))


def test_sizes_may_come_from_elsewhere(tmp_path: Path) -> None:
    row = {key: value for key, value in DETECTION.items() if key not in ("width", "height")}
    file = written(tmp_path, [row])
    assert import_detections(file, image_sizes={"a.jpg": (200, 100)}) == import_detections(
        written(tmp_path, [DETECTION])
    )
    with pytest.raises(DataError, match=r"the size of 'a\.jpg' is not known"):
        import_detections(written(tmp_path, [row]), image_sizes={"b.jpg": (200, 100)})


def test_a_picture_without_objects_has_an_empty_graph(tmp_path: Path) -> None:
    row = {"image": "a.jpg", "width": 4, "height": 4, "boxes": [], "labels": []}
    assert import_detections(written(tmp_path, [row])) == {"a.jpg": SceneGraph()}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": ["dog"]}, r"entry 0, labels: got 1 of them; expected one for each of 3 boxes"),
        ({"scores": [1.0]}, r"entry 0, scores: got 1 of them"),
        ({"attributes": [[]]}, r"entry 0, attributes: got 1 of them"),
        ({"labels": ["dog", "", "ball"]}, r"entry 0, labels\[1\]: got \"\""),
        ({"boxes": [[0, 0, 1], [0] * 4, [0] * 4]}, r"entry 0.* boxes\[0\]\[3\]"),
        ({"boxes": [[50, 0, 40, 9]] * 3}, r"entry 0, boxes\[0\]: got \[50\.0.*; expected x1, y1, x2, y2 in pixels"),
        ({"boxes": [[0, 0, 400, 9]] * 3}, r"entry 0, boxes\[0\]: .*expected a box in a picture of 200 x 100 pixels"),
        ({"boxes": [[0, 0, 0.5, 1]] * 3}, r"entry 0, boxes: .*expected pixels"),
        ({"relations": [[0, "on", 3]]}, r"entry 0, relations\[0\]: got 3; expected the index of one of 3 boxes"),
        ({"relations": [[0, "on"]]}, r"entry 0.* relations\[0\]\[2\]"),
        ({"width": 0}, r"entry 0, width: got 0; expected greater than 0"),
        ({"width": float("inf")}, r"entry 0, width: got Infinity; expected a finite number"),
    ],
)
def test_a_detection_that_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        import_detections(written(tmp_path, [DETECTION | changes]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[1", "neither a JSON list nor JSON lines"),
        (b"[1]", r"entry 0: got 1; expected a JSON object"),
        (b'{"image": "a.jpg"}', r"line 1: got .*expected it to have the field boxes"),
        (b"\xff\xfe", r"line 1: not UTF-8"),
        (b'[\n"\xff"]', "neither a JSON list nor JSON lines"),
    ],
)
def test_what_is_no_file_of_detections_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "found.json").write_bytes(content)
    with pytest.raises(DataError, match=message):
        import_detections(tmp_path / "found.json")


def test_a_picture_stands_once_in_a_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"entry 1, image: got a\.jpg"):
        import_detections(written(tmp_path, [DETECTION, DETECTION]))


GENOME = {
    "image_id": 7,
    "objects": [
        {"object_id": 31, "names": ["Man", "person"], "x": 0, "y": 50, "w": 100, "h": 50, "attributes": ["Tall"]},
        {"object_id": 12, "names": ["hat"], "x": 20, "y": 40, "w": 20, "h": 20, "synsets": ["hat.n.01"]},
    ],
    "relationships": [{"relationship_id": 1, "subject_id": 31, "object_id": 12, "predicate": "WEARS"}],
}


def test_visual_genome_objects_are_found_by_their_ids(tmp_path: Path) -> None:
    found = import_visual_genome(written(tmp_path, [GENOME]), image_sizes={"7.jpg": (200, 100)})
    assert found["7.jpg"].triples() == (("man", "wears", "hat"),)
    assert found["7.jpg"].objects[0] == GraphObject("man", (Attribute("tall"),), box=(0.0, 0.5, 0.5, 1.0))


def test_visual_genome_needs_sizes_and_known_ids(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the size of '7\.jpg' is not known"):
        import_visual_genome(written(tmp_path, [GENOME]), image_sizes={})
    wrong = GENOME | {"relationships": [{"subject_id": 31, "object_id": 99, "predicate": "on"}]}
    with pytest.raises(DataError, match=r"entry 0, relationships\[0\]: got 99; expected the object_id of an object"):
        import_visual_genome(written(tmp_path, [wrong]), image_sizes={"7.jpg": (200, 100)})
