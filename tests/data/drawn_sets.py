"""Tiny data sets in the layouts of the published ones, drawn into a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from crossgraph.data.corpus import Corpus


def put_photos(folder: Path, *names: str) -> None:
    """Pictures of a few pixels, each of its own shade."""
    for shade, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (10 * shade, 0, 0)).save(folder / name, "JPEG")


def put_lines(file: Path, *lines: object) -> Path:
    """A text file, one line each."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return file


def put_mirflickr(folder: Path) -> Path:
    """Five pictures, three labels (one of them relevant only), tags; picture 4 has a tag file but is missing."""
    put_photos(folder, *(f"mirflickr/im{number}.jpg" for number in (1, 2, 3, 5, 10)))
    tags = {1: ["sky", "cat"], 2: ["sky"], 3: [], 4: ["sky"], 5: ["sky", "rare"], 10: ["only"]}
    for number, own in tags.items():
        put_lines(folder / f"mirflickr/meta/tags/tags{number}.txt", *own)
        put_lines(folder / f"mirflickr/meta/tags_raw/tags{number}.txt", *(tag.upper() for tag in own))
    put_lines(folder / "annotations/animals.txt", 1, 10)
    put_lines(folder / "annotations/baby.txt", 2, 1)
    put_lines(folder / "annotations/baby_r1.txt", 2)
    put_lines(folder / "annotations/sky.txt")
    put_lines(folder / "annotations/README.txt", "not a label")
    return folder


NUSWIDE = ("actor\\0001_11.jpg", "actor\\0002_22.jpg", "zoo\\0001_33.jpg", "zoo\\0002_44.jpg", "zoo\\0003_55.jpg")
NUSWIDE_LABELS = {"sky": [1, 1, 1, 0, 0], "airport": [0, 0, 0, 1, 0], "bear": [1, 0, 1, 0, 0]}


def put_nuswide(folder: Path, *, split_lists: bool = True, whole_labels: bool = True) -> Path:
    """Five pictures, three concepts: sky (3), bear (2), airport (1); the last picture has none of them."""
    put_photos(folder, *(f"Flickr/{image.replace(chr(92), '/')}" for image in NUSWIDE))
    put_lines(folder / "ImageList/Imagelist.txt", *NUSWIDE)
    put_lines(folder / "ConceptsList/Concepts81.txt", "sky", "airport", "bear")
    put_lines(folder / "NUS_WID_Tags/All_Tags.txt", "22      cold  bear ", "11 blue sky", "33  zoo", "44", "55 nothing")
    train, test = [0, 2, 4], [1, 3]
    if split_lists:
        put_lines(folder / "ImageList/TrainImagelist.txt", *(NUSWIDE[row] for row in train))
        put_lines(folder / "ImageList/TestImagelist.txt", *(NUSWIDE[row] for row in test))
    for concept, column in NUSWIDE_LABELS.items():
        if whole_labels:
            put_lines(folder / f"Groundtruth/AllLabels/Labels_{concept}.txt", *column)
            continue
        for half, rows in (("Train", train), ("Test", test)):
            file = folder / f"Groundtruth/TrainTestLabels/Labels_{concept}_{half}.txt"
            put_lines(file, *(column[row] for row in rows))
    return folder


def put_coco(folder: Path, *, year: int = 2017) -> Path:
    """Two training pictures and one to validate with; categories cat (17), dog (18), kite (38, nowhere)."""
    images = {"train": {9: "000000000009.jpg", 7: "000000000007.jpg"}, "val": {5: "000000000005.jpg"}}
    captions = {"train": [(7, "a cat"), (9, "a dog and a cat"), (9, "two animals")], "val": [(5, "nothing")]}
    objects = {"train": [(9, 18), (9, 17), (9, 18), (7, 17)], "val": []}
    categories = [{"id": number, "name": name} for number, name in ((18, "dog"), (17, "cat"), (38, "kite"))]
    for split, own in images.items():
        put_photos(folder, *(f"{split}{year}/{name}" for name in own.values()))
        listed = [{"id": number, "file_name": name} for number, name in own.items()]
        texts = [{"image_id": image, "id": n, "caption": text} for n, (image, text) in enumerate(captions[split])]
        put_json(folder / f"annotations/captions_{split}{year}.json", {"images": listed, "annotations": texts})
        found = [{"image_id": image, "id": n, "category_id": kind} for n, (image, kind) in enumerate(objects[split])]
        content = {"images": listed, "annotations": found, "categories": categories}
        put_json(folder / f"annotations/instances_{split}{year}.json", content)
    return folder


def put_rsicd(folder: Path, *, classes: Mapping[str, Sequence[str]]) -> Path:
    """Three pictures with a caption each, and class lists."""
    names = {"airport_1.jpg": "train", "00001.jpg": "val", "park_2.jpg": "test"}
    put_photos(folder, *(f"RSICD_images/{name}" for name in names))
    images = [
        {"filename": name, "split": split, "sentences": [{"raw": f"this is {name}"}]} for name, split in names.items()
    ]
    put_json(folder / "dataset_rsicd.json", {"dataset": "rsicd", "images": images})
    for name, members in classes.items():
        put_lines(folder / f"txtclasses_rsicd/{name}.txt", *members)
    return folder


def put_json(file: Path, content: object) -> None:
    """A JSON file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))


def told(corpus: Corpus) -> dict[str, tuple[list[str], list[str]]]:
    """Image id -> captions and labels."""
    by_image = corpus.captions_of_images()
    return {
        image: ([corpus.captions[j] for j in by_image[i]], labels_of(corpus, i))
        for i, image in enumerate(corpus.image_ids)
    }


def labels_of(corpus: Corpus, row: int) -> list[str]:
    """The names of one picture's labels."""
    assert corpus.labels is not None
    return [corpus.label_names[column] for column in np.flatnonzero(corpus.labels[row])]
