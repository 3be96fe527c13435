"""MS-COCO as published *(Lin 2014)*: captions and object instances in JSON; the 80 categories are the labels.

    annotations/captions_train2017.json  annotations/instances_train2017.json  train2017/000000000009.jpg  ... val2017

A picture has a label if it has an instance of the category. Train and val are those of the release; the released test
pictures have neither captions nor instances. For Karpathy's splits, see `karpathy`.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from crossgraph.data.assembly import CorpusBuilder, json_object, malformed
from crossgraph.data.corpus import Corpus
from crossgraph.data.guides import missing_from
from crossgraph.data.options import SourceOptions
from crossgraph.errors import DataError

_FILE = re.compile(r"(?:captions|instances)_(?:train|val)(\d{4})\.json")


class CocoOptions(SourceOptions):
    """What of COCO is read."""

    year: int | None = Field(None, description="2014 or 2017, where both are there")


def is_coco(folder: Path) -> bool:
    """Whether `folder` looks like COCO, complete or not."""
    return bool(_years(folder))


def open_coco(folder: Path, *, name: str | None = None, options: CocoOptions = CocoOptions()) -> Corpus:
    """The corpus in `folder`, in the order of the caption files. Raises `DataError` for what is missing or malformed.

    Without any instances file there are no labels; with one for train, there must be one for val.
    """
    years = _years(folder)
    if options.year is None and len(years) > 1:
        raise DataError(f"{folder} holds COCO of {' and '.join(years)}; say which with coco:{folder}?year={years[-1]}.")
    year = str(options.year) if options.year is not None else years[0] if years else "2017"
    place = _annotations(folder)
    captions = {split: place / f"captions_{split}{year}.json" for split in ("train", "val")}
    captions = {split: file for split, file in captions.items() if file.is_file()}
    if not captions:
        raise missing_from(folder, "coco", f"annotations/captions_train{year}.json")
    instances = {split: place / f"instances_{split}{year}.json" for split in captions}
    present = [file for file in instances.values() if file.is_file()]
    if present and len(present) < len(instances):
        absent = next(file for file in instances.values() if not file.is_file())
        raise missing_from(folder, "coco", f"annotations/{absent.name}")
    builder = CorpusBuilder(folder, [folder, folder / "images"])
    categories: dict[int, str] = {}
    for split, file in captions.items():
        content = json_object(file)
        found = json_object(instances[split]) if present else {}
        categories |= {int(one["id"]): str(one["name"]) for one in found.get("categories", [])}
        labels = _labels(instances[split], found, categories)
        texts: dict[int, list[str]] = defaultdict(list)
        for _, row in _rows(file, content, "annotations", {"image_id": int, "caption": str}):
            texts[row["image_id"]].append(row["caption"])
        for where, row in _rows(file, content, "images", {"id": int, "file_name": str}):
            image = row["file_name"]
            builder.add(
                f"{split}{year}/{image}",
                texts.get(row["id"], []),
                where=where,
                split=split,
                labels=labels.get(row["id"], ()),
                aliases=(image,),
            )
    ordered = [categories[number] for number in sorted(categories)]
    return builder.build(name or f"coco-{year}", label_names=ordered)


def _labels(file: Path, content: dict[str, Any], categories: dict[int, str]) -> dict[int, set[str]]:
    """The categories of each picture by its id."""
    found: dict[int, set[str]] = defaultdict(set)
    if content:
        for where, row in _rows(file, content, "annotations", {"image_id": int, "category_id": int}):
            if row["category_id"] not in categories:
                raise malformed(file, where, row["category_id"], expected='the id of one of its "categories"')
            found[row["image_id"]].add(categories[row["category_id"]])
    return found


def _rows(
    file: Path, content: dict[str, Any], key: str, fields: dict[str, type]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of a list in the file, each with its place; raises `DataError` for one without these fields."""
    rows = content.get(key)
    if not isinstance(rows, list):
        raise malformed(file, "top level", sorted(content), expected=f'a JSON object with a list "{key}"')
    for number, row in enumerate(rows):
        if not isinstance(row, dict) or not all(isinstance(row.get(field), kind) for field, kind in fields.items()):
            raise malformed(file, f"{key}[{number}]", json.dumps(row), expected=f"the fields {', '.join(fields)}")
        yield f"{key}[{number}]", row


def _years(folder: Path) -> list[str]:
    place = _annotations(folder)
    files = place.iterdir() if place.is_dir() else ()
    return sorted({found[1] for file in files if (found := _FILE.fullmatch(file.name))})


def _annotations(folder: Path) -> Path:
    return folder / "annotations" if (folder / "annotations").is_dir() else folder
