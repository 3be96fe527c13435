"""Graphs of pictures that other programs made: what a scene-graph detector found, or Visual Genome's annotations.

Both give boxes in pixels. They are divided by the picture's size once, here, and cut at its border.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictFloat, StrictInt

from crossgraph.data.assembly import malformed
from crossgraph.data.graphs.rows import json_rows, parsed_row
from crossgraph.errors import DataError
from crossgraph.graphs.scene_graph import Attribute, Box, GraphObject, Relation, SceneGraph

Size = tuple[int | float, int | float]
"""Width and height in pixels."""

_OVERHANG = 0.1  # detectors overshoot the border by a few pixels; by a tenth of the picture, the size is another's


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _with_score(value: object) -> object:
    return [*value, 1.0] if isinstance(value, list) and len(value) == 3 else value


Label = Annotated[str, BeforeValidator(_lower), Field(min_length=1)]
Pixels = Annotated[StrictFloat, Field(allow_inf_nan=False)]
Side = Annotated[StrictFloat, Field(gt=0, allow_inf_nan=False)]
Corners = tuple[Pixels, Pixels, Pixels, Pixels]
Scored = Annotated[tuple[StrictInt, Label, StrictInt, Pixels], BeforeValidator(_with_score)]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True)  # detectors write much else, which is ignored


class Detection(_Row):
    """What a detector says about one picture; lists run along `boxes`. An unscored object or relation is certain."""

    image: str = Field(min_length=1)
    width: Side | None = None
    height: Side | None = None
    boxes: tuple[Corners, ...]
    labels: tuple[Label, ...]
    attributes: tuple[tuple[Label, ...], ...] | None = None
    scores: tuple[Pixels, ...] | None = None
    relations: tuple[Scored, ...] = ()


class GenomeObject(_Row):
    """A Visual Genome object."""

    object_id: StrictInt
    names: tuple[Label, ...] = Field(min_length=1)
    x: Pixels
    y: Pixels
    w: Annotated[Pixels, Field(ge=0)]
    h: Annotated[Pixels, Field(ge=0)]
    attributes: tuple[Label, ...] = ()


class GenomeRelation(_Row):
    """A Visual Genome relationship."""

    subject_id: StrictInt
    predicate: Label
    object_id: StrictInt


class GenomeImage(_Row):
    """One entry of Visual Genome's `scene_graphs.json`."""

    image_id: StrictInt
    objects: tuple[GenomeObject, ...]
    relationships: tuple[GenomeRelation, ...] = ()


def import_detections(
    path: Path,
    *,
    image_sizes: Mapping[str, Size] | None = None,
    object_threshold: float = 0.0,
    relation_threshold: float = 0.0,
) -> dict[str, SceneGraph]:
    """Image -> its graph, from a JSON list or JSON lines of what a scene-graph detector found, in their order.

    A row is `{"image", "width", "height", "boxes": [[x1, y1, x2, y2], ...], "labels": [...], "attributes"?: [[...]],
    "scores"?: [...], "relations"?: [[i, "predicate", j] or [i, "predicate", j, score], ...]}` with boxes in pixels;
    `image_sizes` (image -> width, height) serves rows without a size. Names become lower case. Objects and relations
    scored below their threshold are dropped, and so are relations of a dropped object. Raises `DataError` naming the
    row, the field, what it says and what was expected.
    """
    graphs: dict[str, SceneGraph] = {}
    for where, value in json_rows(path):
        row = parsed_row(Detection, value, path, where)
        _require_new(row.image, graphs, path, where)
        size = (row.width, row.height) if row.width and row.height else _size(row.image, image_sizes, path, where)
        _require_fit(row, path, where)
        objects = [
            GraphObject(label, tuple(map(Attribute, attributes)), box=_box(box, size, path, f"{where}, boxes[{i}]"))
            for i, (label, attributes, box) in enumerate(
                zip(row.labels, row.attributes or ((),) * len(row.boxes), row.boxes, strict=True)
            )
        ]
        kept = [i for i in range(len(objects)) if row.scores is None or row.scores[i] >= object_threshold]
        new_index = {old: new for new, old in enumerate(kept)}
        relations = [
            Relation(new_index[i], predicate, new_index[j])
            for i, predicate, j, score in row.relations
            if score >= relation_threshold and i in new_index and j in new_index
        ]
        graphs[row.image] = SceneGraph(tuple(objects[i] for i in kept), tuple(relations))
    return graphs


def import_visual_genome(path: Path, *, image_sizes: Mapping[str, Size], ending: str = ".jpg") -> dict[str, SceneGraph]:
    """Image -> its graph, from Visual Genome's `scene_graphs.json`; the image is its number with `ending`.

    `image_sizes` has each image's width and height in pixels, which Visual Genome keeps in another file. An object is
    named by the first of its names. Raises `DataError` like `import_detections`.
    """
    graphs: dict[str, SceneGraph] = {}
    for where, value in json_rows(path):
        row = parsed_row(GenomeImage, value, path, where)
        image = f"{row.image_id}{ending}"
        _require_new(image, graphs, path, where)
        size = _size(image, image_sizes, path, where)
        objects = tuple(
            GraphObject(
                thing.names[0],
                tuple(map(Attribute, thing.attributes)),
                box=_box(
                    (thing.x, thing.y, thing.x + thing.w, thing.y + thing.h), size, path, f"{where}, objects[{i}]"
                ),
            )
            for i, thing in enumerate(row.objects)
        )
        index = {thing.object_id: i for i, thing in enumerate(row.objects)}
        relations = []
        for i, one in enumerate(row.relationships):
            for end in (one.subject_id, one.object_id):
                if end not in index:
                    raise malformed(path, f"{where}, relationships[{i}]", end, expected="the object_id of an object")
            relations.append(Relation(index[one.subject_id], one.predicate, index[one.object_id]))
        graphs[image] = SceneGraph(objects, tuple(relations))
    return graphs


def _box(corners: Corners, size: Size, path: Path, where: str) -> Box:
    """The box in shares of the picture, cut at its border."""
    x1, y1, x2, y2 = corners
    width, height = size
    if x1 > x2 or y1 > y2:
        raise malformed(path, where, list(corners), expected="x1, y1, x2, y2 in pixels with x1 <= x2 and y1 <= y2")
    shares = (x1 / width, y1 / height, x2 / width, y2 / height)
    if min(shares) < -_OVERHANG or max(shares) > 1 + _OVERHANG:
        raise malformed(path, where, list(corners), expected=f"a box in a picture of {width:g} x {height:g} pixels")
    left, top, right, bottom = (min(max(share, 0.0), 1.0) for share in shares)
    return left, top, right, bottom


def _size(image: str, sizes: Mapping[str, Size] | None, path: Path, where: str) -> Size:
    found = (sizes or {}).get(image)
    if found is None or min(found) <= 0:
        raise DataError(
            f"{path}, {where}: the size of {image!r} is not known. Boxes are in pixels: give width and height in the "
            "row, a list of sizes (--sizes), or the pictures (--images)."
        )
    return found


def _require_new(image: str, graphs: Mapping[str, SceneGraph], path: Path, where: str) -> None:
    if image in graphs:
        raise malformed(path, f"{where}, image", image, expected="a picture that no row before has")


def _require_fit(row: Detection, path: Path, where: str) -> None:
    """Every list is as long as the boxes, relations point to boxes, and boxes are not shares already."""
    count = len(row.boxes)
    for name, values in (("labels", row.labels), ("attributes", row.attributes), ("scores", row.scores)):
        if values is not None and len(values) != count:
            raise malformed(
                path, f"{where}, {name}", f"{len(values)} of them", expected=f"one for each of {count} boxes"
            )
    for index, (i, _, j, _) in enumerate(row.relations):
        for end in (i, j):
            if not 0 <= end < count:
                expected = f"the index of one of {count} boxes, from 0"
                raise malformed(path, f"{where}, relations[{index}]", end, expected=expected)
    if count and (row.width is None or row.width > 1) and max(map(max, row.boxes)) <= 1:
        raise malformed(path, f"{where}, boxes", list(map(list, row.boxes)), expected="pixels; these are within one")
