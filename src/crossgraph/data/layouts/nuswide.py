r"""NUS-WIDE as published *(Chua 2009)*: lists of pictures, a column of 0 and 1 a concept, a line of tags a picture.

    ImageList/Imagelist.txt                    actor\0001_2124494179.jpg        one line a picture
    Concepts81.txt, or ConceptsList/...        airport                          one line a concept
    Groundtruth/AllLabels/Labels_airport.txt   0                                one line a picture
    NUS_WID_Tags/All_Tags.txt                  2124494179 portrait face         photo number, then its tags

Instead of AllLabels, TrainTestLabels will do (Labels_airport_Train.txt in the order of TrainImagelist.txt). Train and
test are those of the lists; a share of train is held out as val. Pictures lie in `Flickr` or `images`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from pydantic import Field

from crossgraph.data.assembly import CorpusBuilder, malformed, text_lines
from crossgraph.data.corpus import Corpus
from crossgraph.data.guides import missing_from
from crossgraph.data.probes import is_file
from crossgraph.data.shares import Shares, hold_out, share_splits
from crossgraph.errors import DataError

_PHOTO = re.compile(r"_(\d+)\.\w+$")


class NuswideOptions(Shares):
    """What of NUS-WIDE is read."""

    concepts: int | None = Field(
        None, ge=1, le=81, description="only so many most frequent concepts (10, 21) and the pictures that have any"
    )


def is_nuswide(folder: Path) -> bool:
    """Whether `folder` looks like NUS-WIDE, complete or not."""
    return (folder / "NUS_WID_Tags").is_dir() or _find(folder, "ImageList", "Imagelist.txt") is not None


def open_nuswide(folder: Path, *, name: str | None = None, options: NuswideOptions = NuswideOptions()) -> Corpus:
    """The corpus in `folder`, in the order of the image list. Raises `DataError` for what is missing or malformed.

    Without train and test lists, splits are drawn by shares.
    """
    lists = {split: _image_list(folder, file) for split, file in _LISTS.items()}
    labels, images = _labels(folder, lists)
    names = _concepts(folder, labels)
    table = np.stack([labels[concept] for concept in names], axis=1)
    rows, columns = np.arange(len(images)), np.arange(len(names))
    if options.concepts is not None:
        columns = np.sort(np.argsort(-table.sum(axis=0), kind="stable")[: options.concepts])
        rows = np.flatnonzero(table[:, columns].any(axis=1))
    kept = [images[row] for row in rows]
    tags = _tags(folder)
    builder = CorpusBuilder(folder, [folder / below for below in ("Flickr", "images", "image", "")])
    for row, image, split in zip(rows, kept, _splits(kept, lists, options), strict=True):
        own = [names[column] for column in columns if table[row, column]]
        photo = _PHOTO.search(image)
        caption = tags.get(photo[1], "") if photo else ""
        builder.add(image, [caption], where=image, split=split, labels=own, aliases=(image.rsplit("/", 1)[-1],))
    title = "nuswide" if options.concepts is None else f"nuswide-{options.concepts}"
    return builder.build(name or title, label_names=[names[column] for column in columns])


_LISTS = {"all": "Imagelist.txt", "train": "TrainImagelist.txt", "test": "TestImagelist.txt"}


def _image_list(folder: Path, file_name: str) -> list[str]:
    r"""The pictures of a list, `\` made `/`; empty if the list is not there."""
    file = _find(folder, "ImageList", file_name)
    return [] if file is None else [line.replace("\\", "/") for _, line in text_lines(file)]


def _labels(folder: Path, lists: dict[str, list[str]]) -> tuple[dict[str, Bool[np.ndarray, " n"]], list[str]]:
    """Which pictures have each concept, and the pictures in that order."""
    whole = next((place for place in (folder / "Groundtruth/AllLabels", folder / "AllLabels") if place.is_dir()), None)
    if whole is not None and any(whole.glob("Labels_*.txt")):
        if not lists["all"]:
            raise missing_from(folder, "nuswide", "ImageList/Imagelist.txt")
        files = {file.stem.removeprefix("Labels_"): file for file in sorted(whole.glob("Labels_*.txt"))}
        return {name: _column(file, len(lists["all"])) for name, file in files.items()}, lists["all"]
    halves = folder / "Groundtruth/TrainTestLabels"
    files = {file.stem[len("Labels_") : -len("_Train")]: file for file in sorted(halves.glob("Labels_*_Train.txt"))}
    if not files:
        raise missing_from(folder, "nuswide", "Groundtruth/AllLabels with Labels_airport.txt and so on")
    for split in ("train", "test"):
        if not lists[split]:
            raise missing_from(folder, "nuswide", f"ImageList/{_LISTS[split]}")
    found = {}
    for name, file in files.items():
        other = halves / f"Labels_{name}_Test.txt"
        if not other.is_file():
            raise missing_from(folder, "nuswide", f"Groundtruth/TrainTestLabels/{other.name}")
        found[name] = np.concatenate([_column(file, len(lists["train"])), _column(other, len(lists["test"]))])
    return found, [*lists["train"], *lists["test"]]


def _column(file: Path, count: int) -> Bool[np.ndarray, " n"]:
    """One concept's 0 and 1, one a picture."""
    values = [text for _, text in text_lines(file)]
    if len(values) != count:
        raise DataError(f"{file}: {len(values)} lines, but the image list has {count}; they must go line by line.")
    if not set(values) <= {"0", "1"}:
        line = next(number for number, text in text_lines(file) if text not in ("0", "1"))
        raise malformed(file, f"line {line}", values[line - 1], expected="0 or 1")
    return np.asarray([value == "1" for value in values], dtype=np.bool_)


def _concepts(folder: Path, labels: dict[str, Bool[np.ndarray, " n"]]) -> list[str]:
    """The concepts in the order of the list, or by name without one."""
    file = _find(folder, "ConceptsList", "Concepts81.txt")
    names = sorted(labels) if file is None else [line for _, line in text_lines(file)]
    absent = [name for name in names if name not in labels]
    if absent:
        raise missing_from(folder, "nuswide", f"the labels of {', '.join(absent[:3])} (Labels_{absent[0]}.txt)")
    return names


def _tags(folder: Path) -> dict[str, str]:
    """The tags by photo number. Bytes that are no UTF-8 are replaced: people typed them."""
    file = _find(folder, "NUS_WID_Tags", "All_Tags.txt")
    if file is None:
        raise missing_from(folder, "nuswide", "NUS_WID_Tags/All_Tags.txt")
    found = {}
    with file.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            photo, *tags = line.split() or [""]
            if photo and not photo.isdecimal():
                raise malformed(file, f"line {number}", line.strip(), expected="the number of a photo, then its tags")
            found[photo] = " ".join(tags)
    return found


def _splits(images: Sequence[str], lists: dict[str, list[str]], options: NuswideOptions) -> list[str]:
    if not lists["train"] or not lists["test"]:
        return share_splits(images, val=options.val_share, test=options.test_share, seed=options.seed)
    tests = set(lists["test"])
    splits = ["test" if image in tests else "train" for image in images]
    return hold_out(images, splits, val=options.val_share, seed=options.seed)


def _find(folder: Path, below: str, file_name: str) -> Path | None:
    places = (folder / below / file_name, folder / file_name)
    return next((place for place in places if is_file(place)), None)
