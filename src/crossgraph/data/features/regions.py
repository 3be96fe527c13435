"""Regions that a detector supplied for pictures: boxes from a graph file, found by the name of a picture file.

The file is one of `graph_files` with graphs of kind "image" (`crossgraph graph import` writes one). Its keys are
picture ids; a picture file has the boxes of the key that is its path, or the longest end of its path.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from crossgraph.data.graphs.graph_files import read_graphs
from crossgraph.encoders.image import Boxes
from crossgraph.errors import DataError


class SuppliedRegions:
    """The boxes of one graph file; called with a picture file, it gives that file's boxes, or None where it has none.

    Raises `DataError` for a file that cannot be read, or that has no box at all.
    """

    def __init__(self, file: Path) -> None:
        self._boxes: dict[str, Boxes] = {}
        for key, graph in read_graphs(file).items():
            boxes = [thing.box for thing in graph.objects if thing.box is not None]
            if boxes:
                self._boxes[key] = np.asarray(boxes, dtype=np.float32)
        if not self._boxes:
            raise DataError(f"{file} has no object with a box; give a graph file of pictures with regions.")

    def __len__(self) -> int:
        return len(self._boxes)

    def __call__(self, image: Path) -> Boxes | None:
        parts = image.parts
        ends = ("/".join(parts[start:]).replace("//", "/") for start in range(len(parts)))
        return next((self._boxes[end] for end in ends if end in self._boxes), None)


def mirrored_boxes(boxes: Boxes) -> Boxes:
    """The boxes in the picture seen in a mirror."""
    return np.stack([1 - boxes[:, 2], boxes[:, 1], 1 - boxes[:, 0], boxes[:, 3]], axis=1)
