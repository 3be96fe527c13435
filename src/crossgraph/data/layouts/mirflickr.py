"""MIRFlickr-25K as published *(Huiskes 2008)*: `im1.jpg` ..., a tag file a picture, a list of pictures a label.

    mirflickr/im1.jpg  mirflickr/meta/tags/tags1.txt  annotations/animals.txt  annotations/baby_r1.txt

An annotation file lists picture numbers, one a line: `baby.txt` the pictures with a baby in them, `baby_r1.txt` those
in which it matters. A picture's tags, joined, are its caption. There are no splits; shares are drawn.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import Field

from crossgraph.data.assembly import CorpusBuilder, malformed, text_lines
from crossgraph.data.corpus import Corpus
from crossgraph.data.guides import missing_from
from crossgraph.data.probes import is_folder
from crossgraph.data.shares import Shares, share_splits

ANNOTATION_FOLDERS = ("annotations", "annotations_v080", "mirflickr25k_annotations_v080")
_IMAGE = re.compile(r"im(\d+)\.jpg")
_TAG_FILE = re.compile(r"tags(\d+)\.txt")


class MirflickrOptions(Shares):
    """What of MIRFlickr is read."""

    labels: Literal["potential", "relevant", "all"] = Field("potential", description="24 labels, their 14 _r1, or both")
    raw_tags: bool = Field(False, description="tags as people typed them, from meta/tags_raw")
    least_tag: int = Field(1, ge=1, description="rarer tags are dropped, and pictures left without any; papers use 20")


def is_mirflickr(folder: Path) -> bool:
    """Whether `folder` looks like MIRFlickr, complete or not."""
    return _tag_folder(folder, raw=False) is not None or (
        _annotation_folder(folder) is not None and any(_images(folder).glob("im*.jpg"))
    )


def open_mirflickr(folder: Path, *, name: str | None = None, options: MirflickrOptions = MirflickrOptions()) -> Corpus:
    """The corpus in `folder`, pictures by number. Raises `DataError` for what is missing or malformed."""
    annotations, tag_folder = _annotation_folder(folder), _tag_folder(folder, raw=options.raw_tags)
    if annotations is None:
        raise missing_from(
            folder, "mirflickr", f"a folder {' or '.join(ANNOTATION_FOLDERS)} with animals.txt and so on"
        )
    if tag_folder is None:
        raise missing_from(folder, "mirflickr", f"meta/{'tags_raw' if options.raw_tags else 'tags'} with tags1.txt")
    labels, label_names = _labels(annotations, options.labels)
    tags = _tags(tag_folder)
    shown = {int(found[1]) for path in _images(folder).iterdir() if (found := _IMAGE.fullmatch(path.name))}
    counts = Counter(tag for own in tags.values() for tag in set(own))
    captions = {
        number: " ".join(tag for tag in own if counts[tag] >= options.least_tag) for number, own in tags.items()
    }
    numbers = sorted(shown | set(tags) | set(labels))
    if options.least_tag > 1:
        numbers = [number for number in numbers if captions.get(number)]
    images = [f"im{number}.jpg" for number in numbers]
    splits = share_splits(images, val=options.val_share, test=options.test_share, seed=options.seed)
    builder = CorpusBuilder(folder, [_images(folder)])
    for number, image, split in zip(numbers, images, splits, strict=True):
        builder.add(image, [captions.get(number, "")], where=image, split=split, labels=labels.get(number, ()))
    return builder.build(name or "mirflickr", label_names=label_names)


def _labels(folder: Path, which: str) -> tuple[dict[int, set[str]], list[str]]:
    """The labels of each picture by number, and all label names; those of _r1 are called "baby (relevant)"."""
    files = sorted(file for file in folder.glob("*.txt") if not file.stem.lower().startswith("readme"))
    if which != "all":
        files = [file for file in files if file.stem.endswith("_r1") == (which == "relevant")]
    if not files:
        raise missing_from(folder, "mirflickr", "the annotation files (animals.txt, baby.txt, baby_r1.txt and so on)")
    found: dict[int, set[str]] = {}
    names = []
    for file in files:
        names.append(f"{file.stem.removesuffix('_r1')} (relevant)" if file.stem.endswith("_r1") else file.stem)
        for line, text in text_lines(file):
            if not text.isdecimal():
                raise malformed(file, f"line {line}", text, expected="the number of a picture")
            found.setdefault(int(text), set()).add(names[-1])
    return found, names


def _tags(folder: Path) -> dict[int, list[str]]:
    """The tags of each picture by number. Bytes that are no UTF-8 are replaced: people typed them."""
    return {
        int(found[1]): file.read_text(encoding="utf-8", errors="replace").split()
        for file in folder.iterdir()
        if (found := _TAG_FILE.fullmatch(file.name))
    }


def _annotation_folder(folder: Path) -> Path | None:
    places = (folder / below / name for below in ("", "mirflickr") for name in ANNOTATION_FOLDERS)
    return _first_folder([*places, *(folder.parent / name for name in ANNOTATION_FOLDERS[1:])])


def _tag_folder(folder: Path, *, raw: bool) -> Path | None:
    name = "tags_raw" if raw else "tags"
    return _first_folder([folder / below / "meta" / name for below in ("", "mirflickr")])


def _images(folder: Path) -> Path:
    """Where the pictures lie: the folder that the archive makes, if it is there, or `images`."""
    places = [folder / "mirflickr", folder / "images"]
    return next((place for place in places if is_folder(place)), folder)


def _first_folder(places: Iterable[Path]) -> Path | None:
    return next((place for place in places if is_folder(place)), None)
