"""Labelled photos: `photos.jsonl` beside `images/`, one object a line, of COCO and ADE20K."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from crossgraph.graphs.scene_graph import Box

NO_SCENE = "misc"
"""What ADE20K calls the scene of a photo that shows none."""


@dataclass(frozen=True)
class Photo:
    """A file, what it shows, and where: `scene` is empty for COCO, `boxes` hold one box of each class, for ADE20K."""

    path: Path
    source: str
    labels: tuple[str, ...]
    scene: str
    boxes: tuple[tuple[str, Box], ...]


def read_photos(folder: Path) -> list[Photo]:
    """The photos of a folder, in the order of its file."""
    found = []
    for line in (folder / "photos.jsonl").read_text(encoding="utf-8").splitlines():
        said = json.loads(line)
        boxes = [(one["name"], tuple(one["box"])) for one in said.get("objects", ())]
        path = folder / "images" / said["image"]
        found.append(Photo(path, said["source"], tuple(said["labels"]), said.get("scene", ""), tuple(boxes)))
    return found
