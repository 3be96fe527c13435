"""Pictures with texts beside them, in folders of classes, with Hugging Face's metadata; and what is not used."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from crossgraph.data.corpus import Corpus
from crossgraph.data.sources import open_corpus, source_of
from tests.data.drawn_sets import labels_of, put_json, put_lines, put_photos


def captions_of(corpus: Corpus) -> dict[str, list[str]]:
    by_image = corpus.captions_of_images()
    return {image: [corpus.captions[j] for j in by_image[i]] for i, image in enumerate(corpus.image_ids)}


def unused_of(corpus: Corpus) -> dict[str, str]:
    return {one.path.name: one.reason for one in corpus.unused}


@pytest.mark.parametrize("beside", ["a.txt", "a.caption", "a.jpg.txt", "a.jpg.caption"])
def test_texts_beside_pictures_have_any_usual_name(tmp_path: Path, beside: str) -> None:
    put_photos(tmp_path, "a.jpg", "b.jpg")
    put_lines(tmp_path / beside, "one", "", "two")
    corpus = open_corpus(tmp_path)
    assert captions_of(corpus) == {"a.jpg": ["one", "two"], "b.jpg": []}
    assert corpus.unused == ()


def test_a_sidecar_in_another_encoding_is_read_and_bad_bytes_cost_their_line(tmp_path: Path) -> None:
    put_photos(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    (tmp_path / "a.txt").write_bytes("a “dog” runs".encode("cp1252"))
    (tmp_path / "b.txt").write_bytes("Köln\nZürich\n".encode() + b"K\xf6ln\n")
    put_lines(tmp_path / "c.txt", "plain")
    corpus = open_corpus(tmp_path)
    assert captions_of(corpus) == {"a.jpg": ["a “dog” runs"], "b.jpg": ["Köln", "Zürich"], "c.jpg": ["plain"]}
    assert [(one.path.name, one.where, one.reason) for one in corpus.skipped_rows] == [
        ("b.txt", "line 3", "bytes that are no utf-8 text")
    ]
    assert corpus.understood.encoding == "utf-8, windows-1252 (a guess)"
    assert (corpus.understood.rows, corpus.understood.rows_read) == (5, 4)


def test_texts_that_belong_to_no_picture_are_named(tmp_path: Path) -> None:
    put_photos(tmp_path, "a.jpg")
    put_lines(tmp_path / "a.txt", "one")
    put_lines(tmp_path / "a.caption", "another")
    put_lines(tmp_path / "sub/orphan.txt", "of what?")
    put_lines(tmp_path / "README.txt", "read me")
    put_lines(tmp_path / "prices.csv", "article,price", "ball,3")
    assert set(unused_of(open_corpus(tmp_path))) == {"a.caption", "orphan.txt", "prices.csv"}


def test_a_caption_file_that_fails_is_named_with_its_reason(tmp_path: Path) -> None:
    put_photos(tmp_path, "a.jpg", "b.jpg")
    put_lines(tmp_path / "annotations.csv", "image,caption", "nowhere.png,one")
    put_lines(tmp_path / "results.csv", "image|caption", "a.jpg|two")
    corpus = open_corpus(tmp_path)
    assert captions_of(corpus) == {"a.jpg": ["two"]}
    unused = unused_of(corpus)
    assert set(unused) == {"annotations.csv"}
    assert [(one.path.name, one.reason) for one in corpus.skipped] == [("b.jpg", "no row of the caption file names it")]
    assert unused["annotations.csv"].startswith("none of the 1 pictures it names could be used")


def test_a_list_of_notes_on_a_few_pictures_does_not_hide_the_others(tmp_path: Path) -> None:
    put_photos(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    notes = put_lines(tmp_path / "notes.csv", "path,comment", "a.jpg,dull")
    corpus = open_corpus(tmp_path)
    assert captions_of(corpus) == {"a.jpg": [], "b.jpg": [], "c.jpg": []}
    assert unused_of(corpus) == {"notes.csv": "it names 1 of the 3 pictures here; to use it, give the file"}
    assert captions_of(open_corpus(notes)) == {"a.jpg": ["dull"]}


def test_names_of_folders_are_labels_where_nothing_else_is_said(tmp_path: Path) -> None:
    put_photos(tmp_path, "dog/1.jpg", "cat/1.jpg", "cat/2.jpg")
    corpus = open_corpus(tmp_path)
    assert corpus.label_names == ("cat", "dog")
    assert [labels_of(corpus, row) for row in range(3)] == [["cat"], ["cat"], ["dog"]]
    assert (corpus.understood.layout, corpus.understood.columns) == ("class-folders", (("labels", "names of folders"),))
    put_lines(tmp_path / "dog/1.txt", "a dog")
    assert open_corpus(tmp_path).labels is None


@pytest.mark.parametrize(
    "images",
    [
        ("only/1.jpg", "only/2.jpg"),
        ("cat/1.jpg", "dog/1.jpg", "3.jpg"),
        ("2023/1.jpg", "2024/1.jpg"),
        ("cat/1.jpg", "images/2.jpg"),
        ("a/b/1.jpg", "c/d/2.jpg"),
    ],
)
def test_other_folders_are_no_labels(tmp_path: Path, images: tuple[str, ...]) -> None:
    put_photos(tmp_path, *images)
    assert open_corpus(tmp_path).labels is None


def test_folders_of_splits_hold_folders_of_classes(tmp_path: Path) -> None:
    put_photos(tmp_path, "train/cat/1.jpg", "train/dog/1.jpg", "validation/cat/1.jpg")
    corpus = open_corpus(tmp_path)
    assert corpus.image_splits == ("train", "train", "val")
    assert corpus.label_names == ("cat", "dog")


def test_imagefolder_reads_metadata_of_both_kinds_and_splits_by_folder(tmp_path: Path) -> None:
    put_photos(tmp_path, "train/0.png", "train/1.png", "validation/0.png", "test/spare.png", "test/0.png")
    put_lines(tmp_path / "train/metadata.csv", "file_name,text", "0.png,zero", "1.png,one, and more", "9.png,gone")
    put_lines(tmp_path / "validation/metadata.jsonl", json.dumps({"file_name": "0.png", "caption": "two"}))
    put_lines(tmp_path / "test/metadata.csv", "file_name,caption", "0.png,three")
    corpus = open_corpus(tmp_path)
    assert captions_of(corpus) == {
        "test/0.png": ["three"],
        "train/0.png": ["zero"],
        "train/1.png": ["one, and more"],
        "validation/0.png": ["two"],
    }
    assert corpus.image_splits == ("test", "train", "train", "val")
    assert source_of(tmp_path) == corpus.understood.layout == "imagefolder"
    assert [(one.path.parent.name, one.where) for one in corpus.skipped_rows] == [("train", "line 4")]


def test_imagefolder_has_one_metadata_file_for_all_or_a_bad_one_among_others(tmp_path: Path) -> None:
    put_photos(tmp_path, "one/train/0.png", "one/test/1.png", "two/train/0.png", "two/test/1.png")
    put_lines(tmp_path / "one/metadata.csv", "file_name,text", "train/0.png,zero", "test/1.png,one")
    corpus = open_corpus(tmp_path / "one")
    assert dict(zip(corpus.captions, corpus.image_splits, strict=True)) == {"zero": "train", "one": "test"}
    put_lines(tmp_path / "two/train/metadata.csv", "file_name,text", "0.png,zero")
    put_lines(tmp_path / "two/test/metadata.csv", "this is", "no table")
    corpus = open_corpus(tmp_path / "two")
    assert corpus.captions == ("zero",)
    assert [(one.path.parent.name, one.where) for one in corpus.skipped_rows] == [("test", "the file")]


def test_matrices_and_statistics_of_other_tools_do_not_hide_pictures(tmp_path: Path) -> None:
    put_photos(tmp_path, "a.jpg")
    np.save(tmp_path / "vectors.npy", np.zeros((2, 2)))
    put_json(tmp_path / "settings.json", {"width": 3})
    corpus = open_corpus(tmp_path)
    assert corpus.image_ids == ("a.jpg",)
    assert set(unused_of(corpus)) == {"vectors.npy", "settings.json"}


@pytest.mark.usefixtures("heeding_permissions")
@pytest.mark.parametrize("name", ["lost+found", "c", "annotations", "meta", "ImageList", "mirflickr", "data", "images"])
def test_a_folder_within_that_may_not_be_opened_costs_only_itself(tmp_path: Path, name: str) -> None:
    put_photos(tmp_path, "a.jpg", f"{name}/b.jpg")
    (tmp_path / name).chmod(0)
    try:
        corpus = open_corpus(tmp_path)
    finally:
        (tmp_path / name).chmod(0o700)
    assert corpus.image_ids == ("a.jpg",)
    listed = {} if name == "lost+found" else {name: "permission denied"}
    assert {one.path.name: one.reason for one in corpus.skipped} == listed


def test_metadata_that_are_left_out_are_not_read(tmp_path: Path) -> None:
    put_photos(tmp_path, "a.jpg", "c/b.jpg", "@eaDir/c.jpg")
    put_lines(tmp_path / "c/metadata.csv", "file_name,text", "b.jpg,bee")
    put_lines(tmp_path / "@eaDir/metadata.csv", "file_name,text", "c.jpg,sea")
    assert captions_of(open_corpus(tmp_path)) == {"c/b.jpg": ["bee"]}
    assert captions_of(open_corpus(tmp_path, exclude=["c/"])) == {"a.jpg": []}
    (tmp_path / ".crossgraphignore").write_text("c/\n")
    assert captions_of(open_corpus(tmp_path)) == {"a.jpg": []}
