"""COCO's layout on three drawn pictures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crossgraph.data.layouts.coco import open_coco
from crossgraph.data.sources import open_corpus, source_of
from crossgraph.errors import DataError
from tests.data.drawn_sets import put_coco, told


def test_coco_reads_captions_categories_and_splits(tmp_path: Path) -> None:
    corpus = open_coco(put_coco(tmp_path))
    assert told(corpus) == {
        "train2017/000000000009.jpg": (["a dog and a cat", "two animals"], ["cat", "dog"]),
        "train2017/000000000007.jpg": (["a cat"], ["cat"]),
        "val2017/000000000005.jpg": (["nothing"], []),
    }
    assert corpus.label_names == ("cat", "dog", "kite")
    assert corpus.image_splits == ("train", "train", "val")
    assert corpus.name == "coco-2017"
    assert source_of(tmp_path) == "coco"


def test_coco_pictures_may_lie_in_one_folder_of_images(tmp_path: Path) -> None:
    put_coco(tmp_path)
    (tmp_path / "images").mkdir()
    for split in ("train", "val"):
        for image in (tmp_path / f"{split}2017").iterdir():
            image.rename(tmp_path / "images" / image.name)
    assert open_coco(tmp_path).image_paths[0] == tmp_path / "images/000000000009.jpg"


def test_coco_without_instances_has_no_labels_and_of_two_years_one_is_chosen(tmp_path: Path) -> None:
    put_coco(put_coco(tmp_path), year=2014)
    with pytest.raises(DataError, match="2014 and 2017; say which with coco:"):
        open_corpus(tmp_path)
    assert open_corpus(f"coco:{tmp_path}?year=2014").name == "coco-2014"
    for split in ("train", "val"):
        (tmp_path / f"annotations/instances_{split}2014.json").unlink()
    assert open_corpus(f"coco:{tmp_path}?year=2014").labels is None


def test_what_is_missing_of_coco_is_said_with_the_source(tmp_path: Path) -> None:
    put_coco(tmp_path)
    (tmp_path / "annotations/instances_val2017.json").unlink()
    with pytest.raises(DataError, match=r"annotations/instances_val2017\.json is missing(?s:.*)cocodataset\.org"):
        open_coco(tmp_path)
    for split in ("train", "val"):
        (tmp_path / f"annotations/captions_{split}2017.json").unlink()
    with pytest.raises(DataError, match=r"annotations/captions_train2017\.json is missing"):
        open_coco(tmp_path)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"image_id": 9, "category_id": 99}, "category_id 99 is the id of none of its categories"),
        ({"image_id": "9", "category_id": 17}, "expected image_id, category_id"),
        (7, "got 7; expected image_id, category_id"),
    ],
)
def test_malformed_instances_are_listed(tmp_path: Path, change: object, complaint: str) -> None:
    file = put_coco(tmp_path) / "annotations/instances_train2017.json"
    content = json.loads(file.read_text())
    content["annotations"].append(change)
    file.write_text(json.dumps(content))
    corpus = open_coco(tmp_path)
    assert corpus.label_names == ("cat", "dog", "kite")
    (listed,) = corpus.skipped_rows
    assert (listed.path, listed.where) == (file, "annotations[4]")
    assert complaint in listed.reason


def test_instances_of_another_form_are_refused(tmp_path: Path) -> None:
    file = put_coco(tmp_path) / "annotations/instances_train2017.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"annotations": {}}))
    with pytest.raises(DataError, match=r'instances_train2017\.json.*expected a JSON object with a list "annotations"'):
        open_coco(tmp_path)


def test_a_caption_file_alone_is_read_and_captions_of_unknown_pictures_are_listed(tmp_path: Path) -> None:
    file = put_coco(tmp_path) / "annotations/captions_val2017.json"
    content = json.loads(file.read_text())
    content["annotations"] += [{"image_id": 5, "caption": "more"}, {"image_id": 77, "caption": "of what?"}]
    file.write_text(json.dumps(content))
    corpus = open_corpus(file)
    assert corpus.captions == ("nothing", "more")
    assert corpus.image_splits == ("val",)
    assert corpus.understood.layout == "coco"
    assert [(one.where, one.reason) for one in corpus.skipped_rows] == [
        ("annotations[2]", "image_id 77 is none of its pictures")
    ]
    assert (corpus.understood.rows, corpus.understood.rows_read) == (4, 3)


def test_captions_in_this_form_are_known_by_their_content(tmp_path: Path) -> None:
    put_coco(tmp_path)
    mine = tmp_path / "mine.json"
    (tmp_path / "annotations/captions_train2017.json").rename(mine)
    corpus = open_corpus(mine)
    assert corpus.understood.layout == "coco"
    assert len(corpus) == 2
    assert {image for _, image, _ in corpus.understood.guesses} == set(corpus.image_ids)
