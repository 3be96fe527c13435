"""Graphs come back from disk as they were, and a wrong file is refused with the line and the field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossgraph.data.graphs.graph_files import HEADER, graph_schema, graph_to_json, read_graphs, write_graphs
from crossgraph.errors import DataError
from crossgraph.graphs.scene_graph import Attribute, GraphObject, Relation, SceneGraph

SENTENCE = "two brown dogs chase a cat"
CAPTION = SceneGraph(
    (GraphObject("dog", (Attribute("brown", (4, 9)),), (10, 14), count=2), GraphObject("cat", span=(23, 26))),
    (Relation(0, "chase", 1, (15, 20)),),
)
IMAGE = SceneGraph(
    (GraphObject("dog", (Attribute("brown"),), box=(0.0, 0.25, 0.5, 1.0)), GraphObject("cat")),
    (Relation(0, "left of", 1),),
)


def written(folder: Path, *rows: object, header: object = HEADER) -> Path:
    """A file of these lines."""
    file = folder / "graphs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in (header, *rows)), encoding="utf-8")
    return file


def row(**changes: Any) -> dict[str, Any]:
    """A good line of a picture, with changes."""
    return {"key": "a.jpg", "kind": "image", "objects": [{"name": "dog"}, {"name": "cat"}], "relations": [], **changes}


def test_a_file_is_a_header_and_one_graph_a_line(tmp_path: Path) -> None:
    write_graphs(tmp_path / "graphs.jsonl", {"a.jpg": IMAGE}, kind="image")
    lines = [json.loads(line) for line in (tmp_path / "graphs.jsonl").read_text().splitlines()]
    assert lines == [
        {"format": "crossgraph-graphs", "version": 1},
        {
            "key": "a.jpg",
            "kind": "image",
            "objects": [{"name": "dog", "attributes": ["brown"], "box": [0.0, 0.25, 0.5, 1.0]}, {"name": "cat"}],
            "relations": [[0, "left of", 1]],
        },
    ]


def test_both_forms_of_attributes_and_relations_are_read(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        {
            "key": SENTENCE,
            "kind": "caption",
            "objects": [
                {"name": "dog", "attributes": [{"name": "brown", "span": [4, 9]}], "span": [10, 14], "count": 2},
                {"name": "cat", "span": [23, 26], "box": None},
            ],
            "relations": [{"subject": 0, "predicate": "chase", "object": 1, "span": [15, 20]}],
        },
        row(objects=[{"name": "dog", "attributes": ["brown"], "box": [0, 0.25, 0.5, 1]}, {"name": "cat"}])
        | {"relations": [[0, "left of", 1]]},
    )
    assert read_graphs(file) == {SENTENCE: CAPTION, "a.jpg": IMAGE}


spans = st.none() | st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda s: (min(s), max(s)))
names = st.text(min_size=1, max_size=12)
shares = st.floats(0, 1)


boxes = st.none() | st.tuples(shares, shares, shares, shares).map(
    lambda e: (min(e[0], e[2]), min(e[1], e[3]), max(e[0], e[2]), max(e[1], e[3]))
)
attributes = st.lists(st.tuples(names, spans), max_size=3)
objects = st.tuples(names, attributes, spans, boxes, st.none() | st.integers(0, 10**12))


@st.composite
def plain_graphs(draw: st.DrawFn) -> tuple[list[Any], list[Any]]:
    """Arguments of objects and of relations."""
    things = draw(st.lists(objects, max_size=4))
    ends = st.integers(0, max(0, len(things) - 1))
    return things, draw(st.lists(st.tuples(ends, names, ends, spans), max_size=4 if things else 0))


@given(st.dictionaries(names, plain_graphs(), max_size=3))
def test_what_is_written_is_read_back_in_order(tmp_path_factory: pytest.TempPathFactory, plain: Any) -> None:
    graphs = {
        key: SceneGraph(
            tuple(GraphObject(name, tuple(Attribute(*one) for one in own), *rest) for name, own, *rest in things),
            tuple(Relation(*one) for one in relations),
        )
        for key, (things, relations) in plain.items()
    }
    file = tmp_path_factory.getbasetemp() / "round-trip.jsonl"
    write_graphs(file, graphs, kind="image")
    assert read_graphs(file) == graphs
    assert list(read_graphs(file)) == list(graphs)


def test_spans_count_characters_not_bytes(tmp_path: Path) -> None:
    sentence = "ein größerer Hund 🐕 bellt"
    graph = SceneGraph((GraphObject("hund", (Attribute("größer", (4, 12)),), (13, 17)),))
    write_graphs(tmp_path / "g.jsonl", {sentence: graph}, kind="caption")
    assert read_graphs(tmp_path / "g.jsonl") == {sentence: graph}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key": ""}, r"line 2, key: got \"\"; expected string should have at least 1 character"),
        ({"kind": "video"}, r"line 2, kind: got \"video\"; expected 'image' or 'caption'"),
        ({"objects": "dog"}, r"line 2, objects: got \"dog\"; expected a valid tuple"),
        ({"objects": [{}]}, r"line 2: got .*; expected it to have the field objects\[0\]\.name"),
        ({"objects": [{"name": 7}]}, r"line 2, objects\[0\]\.name: got 7; expected a valid string"),
        ({"objects": [{"name": "dog", "colour": "red"}]}, r"objects\[0\]\.colour: got red; expected no such field"),
        ({"objects": [{"name": "dog", "attributes": [3]}]}, r"objects\[0\]\.attributes\[0\]: got 3"),
        ({"objects": [{"name": "dog", "count": -1}]}, r"objects\[0\]\.count: got -1; expected greater than or equal"),
        ({"objects": [{"name": "dog", "count": True}]}, r"objects\[0\]\.count: got true; expected a valid integer"),
        (
            {"objects": [{"name": "dog", "box": [0, 0, 1.5, 1]}]},
            r"\.box\[2\]: got 1\.5; expected less than or equal to 1",
        ),
        ({"objects": [{"name": "dog", "box": [0.5, 0, 0.4, 1]}]}, r"\.box: .*expected x1, y1, x2, y2 in \[0, 1\]"),
        ({"objects": [{"name": "dog", "box": [0, 0, 1]}]}, r"\.box: .*expected x1, y1, x2, y2 in \[0, 1\]"),
        ({"objects": [{"name": "dog", "box": [0, 0, 1, float("nan")]}]}, r"\.box\[3\]: got NaN; expected"),
        ({"objects": [{"name": "dog", "box": [0, 0, 1, "1"]}]}, r"\.box\[3\]: got \"1\"; expected a valid number"),
        ({"objects": [{"name": "dog", "span": [3, 2]}]}, r"\.span: got \[3, 2\]; expected two whole numbers"),
        ({"relations": [[0, "on", 2]]}, r"line 2, relations\[0\]\.object: got 2; expected the index of one of 2 obj"),
        ({"relations": [[-1, "on", 1]]}, r"line 2, relations\[0\]\.subject: got -1; expected greater than or equal"),
        ({"relations": [[0, "on"]]}, r"line 2, relations\[0\]: got \[0, \"on\"\]"),
        ({"relations": [[0, "", 1]]}, r"line 2, relations\[0\]\.predicate: got \"\""),
        ({"kind": "caption", "objects": [{"name": "dog", "span": [0, 9]}]}, r"\[0\]\.span: got \[0, 9\]; .* 5 char"),
    ],
)
def test_a_wrong_line_is_refused_with_its_field(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    file = written(tmp_path, row() | changes)
    with pytest.raises(DataError, match=message) as raised:
        read_graphs(file)
    assert str(raised.value).startswith(f"{file}, line 2")


def test_a_key_stands_once_in_a_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 3, key: got a\.jpg; expected a key that no line before has"):
        read_graphs(written(tmp_path, row(), row()))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"line 1: got nothing; expected the header \{\"format\": \"crossgraph-graphs\", \"version\": 1\}"),
        (b'{"key": "a.jpg"}\n', r"line 1: got .*a\.jpg.*; expected the header"),
        (b'{"format": "crossgraph-graphs", "version": 2}\n', r"line 1, version: got 2; expected 1"),
        (b'{"format": "crossgraph-graphs", "version": true}\n', r"line 1, version: got True; expected 1"),
        (b'{"format": "crossgraph-graphs"}\n', r"line 1, version: got None; expected 1"),
        (b'{"format": "crossgraph-graphs", "version": 1}\n{"key"\n', r"line 2: got {\"key\"; expected one JSON object"),
        (b'{"format": "crossgraph-graphs", "version": 1}\n[1]\n', r"line 2: got \[1\]; expected a JSON object"),
        (b'{"format": "crossgraph-graphs", "version": 1}\n"\xff"\n', r"line 2: not UTF-8"),
        (b'{"format": "crossgraph-graphs", "version": 1}\n' + b"[" * 100_000, r"line 2: got \[\["),
    ],
)
def test_what_is_no_file_of_graphs_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "graphs.jsonl").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_graphs(tmp_path / "graphs.jsonl")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_graphs(tmp_path / "nowhere.jsonl")


def test_what_could_not_be_read_back_is_not_written(tmp_path: Path) -> None:
    file = tmp_path / "graphs.jsonl"
    write_graphs(file, {"a.jpg": IMAGE}, kind="image")
    before = file.read_bytes()
    for wrong in (GraphObject(""), GraphObject("dog", box=(0.0, 0.0, 2.0, 1.0)), GraphObject("dog", span=(0, 99))):
        with pytest.raises(DataError, match=r"graph of 'a dog'"):
            write_graphs(file, {"a dog": SceneGraph((wrong,))}, kind="caption")
    assert file.read_bytes() == before


def test_the_schema_names_every_field_and_both_forms() -> None:
    schema = graph_schema()
    parts = schema["$defs"]
    assert set(parts["GraphRow"]["properties"]) == set(graph_to_json("a.jpg", IMAGE, kind="image"))
    assert set(parts["ObjectRow"]["properties"]) == {"name", "attributes", "box", "span", "count"}
    attribute = parts["ObjectRow"]["properties"]["attributes"]["items"]["anyOf"]
    assert attribute == [{"minLength": 1, "type": "string"}, {"$ref": "#/$defs/AttributeRow"}]
    relation = parts["GraphRow"]["properties"]["relations"]["items"]["anyOf"]
    assert (relation[0]["type"], relation[1]) == ("array", {"$ref": "#/$defs/RelationRow"})
    json.dumps(schema)
