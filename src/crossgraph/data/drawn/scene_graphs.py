"""The true graphs of drawn scenes: what each picture shows, as whoever drew it knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from crossgraph.data.assembly import malformed, text_lines
from crossgraph.errors import DataError
from crossgraph.graphs.scene_graph import Attribute, GraphObject, Relation, SceneGraph


def scene_graphs(folder: Path) -> dict[str, SceneGraph]:
    """Image id -> its graph, for every scene drawn in `folder`, in the order of `scenes.jsonl`.

    Attributes are colour, size and texture, in that order; every ordered pair of things is related. Raises `DataError`
    without a `scenes.jsonl`, or naming its first line that is no scene.
    """
    file = folder / "scenes.jsonl"
    graphs: dict[str, SceneGraph] = {}
    for number, line in text_lines(file):
        try:
            row = json.loads(line)
            graphs[row["image"]] = SceneGraph(
                tuple(_object(thing) for thing in row["objects"]),
                tuple(Relation(int(i), str(predicate), int(j)) for i, predicate, j in row["relations"]),
            )
        except (ValueError, KeyError, TypeError, RecursionError, DataError) as error:
            raise malformed(file, f"line {number}", line, expected="a scene as draw_scenes writes it") from error
    return graphs


def _object(thing: Any) -> GraphObject:
    x1, y1, x2, y2 = (float(edge) for edge in thing["box"])
    attributes = tuple(Attribute(str(thing[name])) for name in ("colour", "size", "texture"))
    return GraphObject(str(thing["kind"]), attributes, box=(x1, y1, x2, y2))
