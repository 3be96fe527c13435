"""MS-COCO as published *(Lin 2014)*: captions and object instances in JSON; the 80 categories are the labels.

    annotations/captions_train2017.json  annotations/instances_train2017.json  train2017/000000000009.jpg  ... val2017

A picture has a label if it has an instance of the category. Train and val are those of the release; the released test
pictures have neither captions nor instances. A caption file alone is read too. For Karpathy's splits, see `karpathy`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from crossgraph.data.assembly import NO_SPLIT, CorpusBuilder, json_object, malformed, shortened
from crossgraph.data.corpus import Corpus, Understood
from crossgraph.data.guides import missing_from
from crossgraph.data.layouts.csv_captions import picture_folders
from crossgraph.data.options import SourceOptions
from crossgraph.data.probes import names_in
from crossgraph.errors import DataError

_FILE = re.compile(r"(?:captions|instances)_(?:train|val)(\d{4})\.json")
_SPLIT = re.compile(r"(train|val|test)\d*$")


class CocoOptions(SourceOptions):
    """What of COCO is read."""

    year: int | None = Field(None, description="2014 or 2017, where both are there")


def is_coco(folder: Path) -> bool:
    """Whether `folder` looks like COCO, complete or not."""
    return bool(_years(folder))


def is_coco_captions(content: Any) -> bool:
    """Whether JSON is in the form of COCO's captions: pictures, and annotations that point at them."""
    return isinstance(content, Mapping) and all(isinstance(content.get(key), list) for key in ("images", "annotations"))


def open_coco(place: Path, *, name: str | None = None, options: CocoOptions = CocoOptions()) -> Corpus:
    """The corpus in a folder or a caption file, in the order of the caption files.

    Rows that make no sense are listed. Raises `DataError` for what is missing or of another form. Without any
    instances file there are no labels; with one for train, there must be one for val.
    """
    if place.is_file():
        return coco_captions(place, json_object(place), name=name)
    folder, years = place, _years(place)
    if options.year is None and len(years) > 1:
        raise DataError(f"{folder} holds COCO of {' and '.join(years)}; say which with coco:{folder}?year={years[-1]}.")
    year = str(options.year) if options.year is not None else years[0] if years else "2017"
    beside = _annotations(folder)
    captions = {split: beside / f"captions_{split}{year}.json" for split in ("train", "val")}
    captions = {split: file for split, file in captions.items() if file.is_file()}
    if not captions:
        raise missing_from(folder, "coco", f"annotations/captions_train{year}.json")
    instances = {split: beside / f"instances_{split}{year}.json" for split in captions}
    present = [file for file in instances.values() if file.is_file()]
    if present and len(present) < len(instances):
        absent = next(file for file in instances.values() if not file.is_file())
        raise missing_from(folder, "coco", f"annotations/{absent.name}")
    builder = CorpusBuilder(folder, [folder, folder / "images"])
    categories: dict[int, str] = {}
    for split, file in captions.items():
        labels: Mapping[int, set[str]] = {}
        if present:
            found = json_object(instances[split])
            categories |= {int(one["id"]): str(one["name"]) for one in found.get("categories", [])}
            labels = _labels(builder, instances[split], found, categories)
        _add_captions(builder, file, json_object(file), split=split, below=f"{split}{year}/", labels=labels)
    ordered = [categories[number] for number in sorted(categories)]
    return builder.build(name or f"coco-{year}", label_names=ordered, understood=_understood("files of each split"))


def coco_captions(file: Path, content: Mapping[str, Any], *, name: str | None = None) -> Corpus:
    """The corpus in one caption file, which holds `content`; the name of the file says the split, if anything does."""
    folder = file.parent.parent if file.parent.name == "annotations" else file.parent
    found = _SPLIT.search(file.stem)
    builder = CorpusBuilder(file, list(dict.fromkeys([*picture_folders(folder), *picture_folders(file.parent)])))
    split = NO_SPLIT if found is None else found[1]
    _add_captions(builder, file, content, split=split, below="" if found is None else f"{found[0]}/", labels={})
    splits = "none" if found is None else "name of the file"
    return builder.build(name or file.stem, understood=_understood(splits))


def _understood(splits: str) -> Understood:
    columns = (("image", "images.file_name"), ("caption", "annotations.caption"))
    return Understood("coco", columns, splits=splits)


def _add_captions(
    builder: CorpusBuilder,
    file: Path,
    content: Mapping[str, Any],
    *,
    split: str,
    below: str,
    labels: Mapping[int, set[str]],
) -> None:
    """Give the pictures of a caption file to `builder`; each lies in the folder `below`, or in none."""
    texts: dict[int, list[str]] = defaultdict(list)
    places: dict[int, list[str]] = defaultdict(list)
    for where, row in _rows(builder, file, content, "annotations", {"image_id": int, "caption": str}):
        texts[row["image_id"]].append(row["caption"])
        places[row["image_id"]].append(where)
    for where, row in _rows(builder, file, content, "images", {"id": int, "file_name": str}):
        image, number = row["file_name"], row["id"]
        known_as = f"{below}{image}"
        own = texts.pop(number, [])
        builder.count(len(own))
        builder.add(known_as, own, where=where, split=split, labels=labels.get(number, ()), aliases=(image,), file=file)
    for number in texts:
        for where in places[number]:
            builder.reject(where, f"image_id {number} is none of its pictures", file=file)


def _labels(
    builder: CorpusBuilder, file: Path, content: Mapping[str, Any], categories: Mapping[int, str]
) -> dict[int, set[str]]:
    """The categories of each picture by its id."""
    found: dict[int, set[str]] = defaultdict(set)
    for where, row in _rows(builder, file, content, "annotations", {"image_id": int, "category_id": int}):
        if row["category_id"] not in categories:
            builder.reject(where, f"category_id {row['category_id']} is the id of none of its categories", file=file)
            continue
        builder.count(1)
        found[row["image_id"]].add(categories[row["category_id"]])
    return found


def _rows(
    builder: CorpusBuilder, file: Path, content: Mapping[str, Any], key: str, fields: dict[str, type]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of a list in the file, each with its place; those without these fields are listed."""
    rows = content.get(key)
    if not isinstance(rows, list):
        raise malformed(file, "top level", sorted(content), expected=f'a JSON object with a list "{key}"')
    for number, row in enumerate(rows):
        if isinstance(row, dict) and all(isinstance(row.get(field), kind) for field, kind in fields.items()):
            yield f"{key}[{number}]", row
        else:
            builder.reject(f"{key}[{number}]", f"got {shortened(row)}; expected {', '.join(fields)}", file=file)


def _years(folder: Path) -> list[str]:
    place = _annotations(folder)
    return sorted({found[1] for name in names_in(place) if name.endswith(".json") and (found := _FILE.fullmatch(name))})


def _annotations(folder: Path) -> Path:
    return folder / "annotations" if (folder / "annotations").is_dir() else folder
