"""How many pixels pictures have, for boxes in pixels that other programs found: from a list, or from the pictures."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from crossgraph.data.assembly import malformed
from crossgraph.data.graphs.detections import Side, Size
from crossgraph.data.graphs.rows import json_rows, parsed_row
from crossgraph.data.images import image_size
from crossgraph.data.inventory import take_inventory
from crossgraph.errors import ImageError


class _SizeRow(BaseModel):
    model_config = ConfigDict(frozen=True)  # lists of pictures say much else, which is ignored

    image: str | None = Field(None, min_length=1)
    image_id: StrictInt | None = None
    width: Side
    height: Side


def listed_sizes(path: Path, *, ending: str = ".jpg") -> dict[str, Size]:
    """Image -> its width and height, from rows {"image" or "image_id", "width", "height"}: a JSON list or JSON lines.

    An `image_id`, as in Visual Genome's `image_data.json`, is the image of that number with `ending`. Raises
    `DataError` like `import_detections`.
    """
    sizes: dict[str, Size] = {}
    for where, value in json_rows(path):
        row = parsed_row(_SizeRow, value, path, where)
        if row.image is None and row.image_id is None:
            raise malformed(path, where, value, expected="it to have the field image, or image_id")
        sizes[f"{row.image_id}{ending}" if row.image is None else row.image] = (row.width, row.height)
    return sizes


def sizes_in(folder: Path) -> dict[str, Size]:
    """Image -> its width and height upright, for every picture in `folder`: named by its path there, and by its own
    name where no other picture has that. Files that cannot be read are left out. Raises `DataError` for no folder.
    """
    sizes: dict[str, Size] = {}
    names: dict[str, list[Size]] = {}
    for file in take_inventory(folder).images:
        try:
            size = image_size(file)
        except ImageError:
            continue
        sizes[file.relative_to(folder).as_posix()] = size
        names.setdefault(file.name, []).append(size)
    return {name: found[0] for name, found in names.items() if len(found) == 1} | sizes
