"""Scene graphs on disk: JSON lines, a header first, then one graph a line, of pictures or of sentences.

    {"format": "crossgraph-graphs", "version": 1}
    {"key": "a.jpg", "kind": "image", "objects": [{"name": "dog", "attributes": ["brown"], "box": [0, 0, 0.5, 1]}, ...],
     "relations": [[0, "left of", 1]]}
    {"key": "two dogs run", "kind": "caption", "objects": [{"name": "dog", "span": [4, 8], "count": 2}], ...}

`key` is the picture's id or the sentence. Whatever is not known is left out. An attribute is its name or
`{"name", "span"}`, a relation `[subject, predicate, object]` or `{"subject", "predicate", "object", "span"}`.
Spans count characters (Unicode code points) of the key. A key stands once in a file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictFloat,
    StrictInt,
    TypeAdapter,
)
from pydantic_core import PydanticCustomError

from crossgraph.data.assembly import malformed, text_lines
from crossgraph.data.graphs.rows import parsed_json, parsed_row
from crossgraph.files import writing_out
from crossgraph.graphs.scene_graph import Attribute, Box, GraphObject, Relation, SceneGraph, Span

HEADER: dict[str, object] = {"format": "crossgraph-graphs", "version": 1}
"""The first line of a file."""

Kind = Literal["image", "caption"]


_SPAN = "two whole numbers from 0, the second not below the first"
_BOX = "x1, y1, x2, y2 in [0, 1] with x1 <= x2 and y1 <= y2"


def _two(value: object) -> object:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise PydanticCustomError("span", _SPAN)
    return value


def _four(value: object) -> object:
    if not isinstance(value, list | tuple) or len(value) != 4:
        raise PydanticCustomError("box", _BOX)
    return value


def _rising_span(span: Span) -> Span:
    if span[0] > span[1]:
        raise PydanticCustomError("span", _SPAN)
    return span


def _rising_box(box: Box) -> Box:
    if box[0] > box[2] or box[1] > box[3]:
        raise PydanticCustomError("box", _BOX)
    return box


def _long_attribute(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


def _long_relation(value: object) -> object:
    if isinstance(value, list) and len(value) == 3:
        return dict(zip(("subject", "predicate", "object"), value, strict=True))
    return value


Name = Annotated[str, Field(min_length=1)]
Index = Annotated[StrictInt, Field(ge=0)]
Share = Annotated[StrictFloat, Field(ge=0, le=1)]
SpanRow = Annotated[tuple[Index, Index], BeforeValidator(_two), AfterValidator(_rising_span)]
BoxRow = Annotated[tuple[Share, Share, Share, Share], BeforeValidator(_four), AfterValidator(_rising_box)]
ShortRelation = tuple[Index, Name, Index]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Header(_Row):
    """The first line of a file."""

    format: Literal["crossgraph-graphs"]
    version: Literal[1]


class AttributeRow(_Row):
    """A property of an object; `span` is where the sentence says it."""

    name: Name
    span: SpanRow | None = None


class ObjectRow(_Row):
    """A thing; `box` is where a picture shows it, `span` where a sentence names it."""

    name: Name
    attributes: tuple[
        Annotated[AttributeRow, BeforeValidator(_long_attribute, json_schema_input_type=Name | AttributeRow)], ...
    ] = ()
    box: BoxRow | None = None
    span: SpanRow | None = None
    count: Index | None = None


class RelationRow(_Row):
    """How one object, by its index from 0, relates to another."""

    subject: Index
    predicate: Name
    object: Index
    span: SpanRow | None = None


class GraphRow(_Row):
    """One graph: a line of a file after the first."""

    key: Name
    kind: Kind
    objects: tuple[ObjectRow, ...]
    relations: tuple[
        Annotated[RelationRow, BeforeValidator(_long_relation, json_schema_input_type=ShortRelation | RelationRow)], ...
    ] = ()


def read_graphs(path: Path) -> dict[str, SceneGraph]:
    """Key (picture id or sentence) -> its graph, in the order of the file; empty for a file of a header alone.

    Raises `DataError` naming the file, the line, the field, what it says and what was expected.
    """
    graphs: dict[str, SceneGraph] = {}
    lines = text_lines(path)
    _require_header(path, next(lines, (1, "")))
    for number, line in lines:
        where = f"line {number}"
        row = parsed_row(GraphRow, parsed_json(line, path, where), path, where)
        if row.key in graphs:
            raise malformed(path, f"{where}, key", row.key, expected="a key that no line before has")
        graphs[row.key] = _graph(row, path, where)
    return graphs


def write_graphs(path: Path, graphs: Mapping[str, SceneGraph], *, kind: Kind) -> None:
    """Write one file of graphs, complete or not at all; `kind` says whether the keys are picture ids or sentences.

    Raises `DataError` for a graph that `read_graphs` would refuse, and `OSError` where the file cannot be written.
    """
    lines = [json.dumps(HEADER)]
    for key, graph in graphs.items():
        plain = graph_to_json(key, graph, kind=kind)
        where = f"graph of {key!r}"
        _graph(parsed_row(GraphRow, plain, path, where), path, where)
        lines.append(json.dumps(plain))
    path.parent.mkdir(parents=True, exist_ok=True)
    with writing_out(path) as file:
        file.write("".join(line + "\n" for line in lines).encode())


def graph_to_json(key: str, graph: SceneGraph, *, kind: Kind) -> dict[str, Any]:
    """One graph as plain values: a line of a file."""
    objects = [
        _known(
            name=thing.name,
            attributes=[_attribute_to_json(one) for one in thing.attributes] or None,
            box=thing.box and list(thing.box),
            span=thing.span and list(thing.span),
            count=thing.count,
        )
        for thing in graph.objects
    ]
    return {"key": key, "kind": kind, "objects": objects, "relations": [_relation_to_json(r) for r in graph.relations]}


def graph_schema() -> dict[str, Any]:
    """The JSON schema that every line of a file fits: the header or a graph."""
    return TypeAdapter(Header | GraphRow).json_schema()


def _require_header(path: Path, first: tuple[int, str]) -> None:
    number, line = first
    expected = f"the header {json.dumps(HEADER)}"
    found = parsed_json(line, path, f"line {number}") if line else None
    if not isinstance(found, dict) or found.get("format") != HEADER["format"]:
        raise malformed(path, f"line {number}", line or "nothing", expected=expected)
    if found.get("version") != HEADER["version"] or isinstance(found["version"], bool):
        newer = f"{HEADER['version']}, the only version this program reads; write the file again"
        raise malformed(path, f"line {number}, version", found.get("version"), expected=newer)


def _graph(row: GraphRow, path: Path, where: str) -> SceneGraph:
    for index, relation in enumerate(row.relations):
        for end, target in (("subject", relation.subject), ("object", relation.object)):
            if target >= len(row.objects):
                field = f"{where}, relations[{index}].{end}"
                raise malformed(path, field, target, expected=f"the index of one of {len(row.objects)} objects, from 0")
    if row.kind == "caption":
        _require_spans_in_key(row, path, where)
    return SceneGraph(
        tuple(
            GraphObject(
                thing.name,
                tuple(Attribute(one.name, one.span) for one in thing.attributes),
                thing.span,
                thing.box,
                thing.count,
            )
            for thing in row.objects
        ),
        tuple(Relation(one.subject, one.predicate, one.object, one.span) for one in row.relations),
    )


def _require_spans_in_key(row: GraphRow, path: Path, where: str) -> None:
    spans = [(f"objects[{i}].span", thing.span) for i, thing in enumerate(row.objects)]
    spans += [
        (f"objects[{i}].attributes[{j}].span", one.span)
        for i, thing in enumerate(row.objects)
        for j, one in enumerate(thing.attributes)
    ]
    spans += [(f"relations[{i}].span", one.span) for i, one in enumerate(row.relations)]
    for field, span in spans:
        if span is not None and span[1] > len(row.key):
            expected = f"a place in the key, which has {len(row.key)} characters"
            raise malformed(path, f"{where}, {field}", list(span), expected=expected)


def _attribute_to_json(attribute: Attribute) -> object:
    if attribute.span is None:
        return attribute.name
    return {"name": attribute.name, "span": list(attribute.span)}


def _relation_to_json(relation: Relation) -> object:
    if relation.span is None:
        return [relation.subject, relation.predicate, relation.object]
    return {
        "subject": relation.subject,
        "predicate": relation.predicate,
        "object": relation.object,
        "span": list(relation.span),
    }


def _known(**values: object) -> dict[str, object]:
    """Only the values that are not None."""
    return {name: value for name, value in values.items() if value is not None}
