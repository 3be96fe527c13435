"""Labelled photos: `photos.jsonl` beside `images/`, one object a line, of COCO and ADE20K.

Of our set, 218 of the 1,500 ADE20K photos are not those that their lines speak of: the ones numbered up to 300 (a rose
is a "diner_indoor", cars are a "bathroom"; 85 were looked at, none is right but by chance). From 301 on they are right.
Those up to 300 are left out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from crossgraph.graphs.scene_graph import Box

NO_SCENE = "misc"
"""What ADE20K calls the scene of a photo that shows none."""

LAST_WRONG = 300
"""The highest number of an ADE20K file whose picture is another one."""


@dataclass(frozen=True)
class Photo:
    """A file, what it shows, and where: `scene` is empty for COCO, `boxes` hold one box of each class, for ADE20K."""

    path: Path
    source: str
    labels: tuple[str, ...]
    scene: str
    boxes: tuple[tuple[str, Box], ...]


def is_wrong(photo: Photo) -> bool:
    """Whether the file is known to hold another picture than its line says."""
    return photo.source == "ade20k" and int(photo.path.stem.removeprefix("ade_")) <= LAST_WRONG


def read_photos(folder: Path, *, with_wrong: bool = False) -> list[Photo]:
    """The photos of a folder, in the order of its file; those whose line is of another picture only on request."""
    found = []
    for line in (folder / "photos.jsonl").read_text(encoding="utf-8").splitlines():
        said = json.loads(line)
        boxes = [(one["name"], tuple(one["box"])) for one in said.get("objects", ())]
        path = folder / "images" / said["image"]
        one = Photo(path, said["source"], tuple(said["labels"]), said.get("scene", ""), tuple(boxes))
        if with_wrong or not is_wrong(one):
            found.append(one)
    return found
