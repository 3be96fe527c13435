"""JSON lists, names with texts, conversations: what other people's tools write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crossgraph.data.corpus import Corpus
from crossgraph.data.sources import open_corpus
from crossgraph.errors import DataError
from tests.data.drawn_sets import labels_of, put_json, put_lines, put_photos


def captions_of(corpus: Corpus) -> dict[str, list[str]]:
    by_image = corpus.captions_of_images()
    return {image: [corpus.captions[j] for j in by_image[i]] for i, image in enumerate(corpus.image_ids)}


EXPECTED = {"val2014/a.jpg": ["one", "two"], "val2014/b.jpg": ["three"]}


@pytest.mark.parametrize(
    "content",
    [
        [{"image": "val2014/a.jpg", "caption": ["one", "two"]}, {"image": "val2014/b.jpg", "caption": "three"}],
        [
            {"image": f"val2014/{image}.jpg", "caption": text}
            for image, text in (("a", "one"), ("a", "two"), ("b", "three"))
        ],
        {
            "data": [
                {"file_name": "val2014/a.jpg", "captions": ["one", "two"]},
                {"file_name": "val2014/b.jpg", "text": "three"},
            ]
        },
        {"val2014/a.jpg": ["one", "two"], "val2014/b.jpg": "three"},
        [
            {"id": 1, "image": "val2014/a.jpg", "sentences": [{"raw": "one"}, {"raw": "two"}]},
            {
                "id": 2,
                "image": "val2014/b.jpg",
                "conversations": [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "three"}],
            },
        ],
    ],
)
def test_lists_and_objects_of_every_usual_form_are_read(tmp_path: Path, content: object) -> None:
    put_photos(tmp_path, "val2014/a.jpg", "val2014/b.jpg")
    put_json(tmp_path / "annotations.json", content)
    assert captions_of(open_corpus(tmp_path / "annotations.json")) == captions_of(open_corpus(tmp_path)) == EXPECTED


def test_entries_that_make_no_sense_are_listed(tmp_path: Path) -> None:
    put_photos(tmp_path, "a.jpg")
    good = {"image": "a.jpg", "caption": "one"}
    content = [good, 7, {"caption": "of what?"}, {"image": "a.jpg"}, {"image": "gone.jpg", "caption": "two"}]
    put_json(tmp_path / "captions.json", content)
    corpus = open_corpus(tmp_path)
    assert corpus.captions == ("one",)
    assert [one.where for one in corpus.skipped_rows] == [f"entry {number}" for number in (1, 2, 3, 4)]
    assert (corpus.understood.rows, corpus.understood.rows_read) == (5, 1)
    assert corpus.understood.columns == (("image", "image"), ("caption", "caption"))


def test_keys_can_be_told(tmp_path: Path) -> None:
    put_photos(tmp_path, "far/a.jpg")
    put_json(tmp_path / "x.json", [{"bild": "a.jpg", "image": "no", "wort": "one", "caption": "no"}])
    corpus = open_corpus(f"json:{tmp_path}/x.json?image=bild&caption=wort&images=far")
    assert captions_of(corpus) == {"a.jpg": ["one"]}
    lines = put_lines(tmp_path / "x.jsonl", json.dumps({"bild": "a.jpg", "wort": "one"}))
    assert open_corpus(f"jsonl:{lines}?image=bild&caption=wort&images=far").captions == ("one",)


@pytest.mark.parametrize("content", [{}, [], "text", {"a": 1}, {"images": []}])
def test_json_without_an_entry_is_an_error_that_says_what_is_expected(tmp_path: Path, content: object) -> None:
    put_json(tmp_path / "x.json", content)
    with pytest.raises(DataError, match=r"expected a list of|it names no pictures"):
        open_corpus(tmp_path / "x.json")


@pytest.mark.parametrize(
    "row",
    [
        {"image": "a.jpg", "caption": "one"},
        {"file_name": "a.jpg", "text": "one"},
        {"filename": "a.jpg", "captions": ["one"]},
        {"image": "a.jpg", "sentences": [{"raw": "one", "tokens": []}]},
    ],
)
def test_json_lines_of_any_usual_keys_are_read_and_the_keys_said(tmp_path: Path, row: dict[str, Any]) -> None:
    put_photos(tmp_path, "a.jpg")
    put_lines(tmp_path / "train.jsonl", json.dumps(row))
    corpus = open_corpus(tmp_path)
    assert corpus.captions == ("one",)
    assert corpus.understood.layout == "jsonl"
    assert dict(corpus.understood.columns) == dict(zip(("image", "caption"), row, strict=True))


def test_files_of_splits_are_read_together(tmp_path: Path) -> None:
    put_photos(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    for name, image in (("coco_karpathy_train", "a"), ("coco_karpathy_val", "b"), ("coco_karpathy_test", "c")):
        put_json(tmp_path / f"{name}.json", [{"image": f"{image}.jpg", "caption": image}])
    corpus = open_corpus(tmp_path)
    assert dict(zip(corpus.image_ids, corpus.image_splits, strict=True)) == {
        "a.jpg": "train",
        "b.jpg": "val",
        "c.jpg": "test",
    }
    assert corpus.understood.splits == "names of the files"
    assert corpus.unused == ()


def test_labels_in_a_text_are_parted_as_in_a_table(tmp_path: Path) -> None:
    put_photos(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    texts = ("dog, water", "water", "water, dog")
    rows = [{"image": f"{one}.jpg", "caption": one, "labels": text} for one, text in zip("abc", texts, strict=True)]
    put_lines(tmp_path / "captions.jsonl", *map(json.dumps, rows))
    corpus = open_corpus(tmp_path)
    assert [labels_of(corpus, row) for row in range(3)] == [["dog", "water"], ["water"], ["dog", "water"]]
    assert corpus.understood.notes[0].startswith("commas part labels: 'dog, water'")
