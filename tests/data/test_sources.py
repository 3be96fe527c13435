"""Every source on a small fixture drawn here: what it reads, what it lists as missing, what it refuses."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from crossgraph.data.check import check_corpus
from crossgraph.data.corpus import Corpus
from crossgraph.data.guides import GUIDES
from crossgraph.data.layouts.csv_captions import open_csv
from crossgraph.data.layouts.flickr import open_flickr
from crossgraph.data.layouts.folder import open_folder
from crossgraph.data.layouts.jsonl import open_jsonl
from crossgraph.data.layouts.karpathy import open_karpathy
from crossgraph.data.sources import DATASETS, open_corpus
from crossgraph.errors import DataError
from crossgraph.words import is_blank


def put_photos(folder: Path, *names: str) -> None:
    for shade, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (10 * shade, 0, 0)).save(folder / name, "JPEG")


def put_jsonl(folder: Path, *rows: dict[str, Any] | str) -> Path:
    file = folder / "captions.jsonl"
    file.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return file


def told(corpus: Corpus) -> dict[str, tuple[str, list[str]]]:
    """Image id -> split and captions, through the links."""
    by_image = corpus.captions_of_images()
    return {
        image: (corpus.image_splits[i], [corpus.captions[j] for j in by_image[i]])
        for i, image in enumerate(corpus.image_ids)
    }


def test_jsonl_reads_splits_captions_and_labels(tmp_path: Path) -> None:
    put_photos(tmp_path, "a.jpg", "images/b.jpg")
    file = put_jsonl(
        tmp_path,
        {"image": "b.jpg", "split": "val", "captions": ["two", " three ", ""], "labels": ["Park"], "more": 1},
        "",
        {"image": "a.jpg", "captions": ["one"]},
        {"image": "gone.jpg", "captions": ["lost"]},
        {"image": "b.jpg", "split": "val", "captions": ["four"], "labels": ["Airport"]},
    )
    corpus = open_jsonl(file)
    assert told(corpus) == {"b.jpg": ("val", ["two", "three", "four"]), "a.jpg": ("all", ["one"])}
    assert corpus.name == tmp_path.name
    assert corpus.image_paths == (tmp_path / "images/b.jpg", tmp_path / "a.jpg")
    assert corpus.label_names == ("Airport", "Park")
    assert corpus.labels is not None
    assert corpus.labels.tolist() == [[True, True], [False, False]]
    assert [(one.path.name, one.reason) for one in corpus.skipped] == [("gone.jpg", "no such file")]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{not json}", "no JSON"),
        ("[]", "no JSON object"),
        ('{"captions": ["no image"]}', "it names no picture"),
        ('{"image": "a.jpg"}', "it has no captions"),
        ('{"image": "a.jpg", "captions": [1]}', "captions is no text or list of texts"),
        ('{"image": "a.jpg", "captions": [], "split": 3}', "split is no text"),
        ('{"image": "a.jpg", "captions": [], "labels": {"a": 1}}', "labels are no list of texts"),
        ('{"image": "", "captions": []}', "it names no picture"),
    ],
)
def test_a_malformed_jsonl_row_is_listed_by_file_and_line_and_the_rest_is_used(
    tmp_path: Path, row: str, reason: str
) -> None:
    put_photos(tmp_path, "a.jpg")
    file = put_jsonl(tmp_path, {"image": "a.jpg", "captions": ["kept"]}, row)
    corpus = open_jsonl(file)
    assert told(corpus) == {"a.jpg": ("all", ["kept"])}
    (listed,) = corpus.skipped_rows
    assert (listed.path, listed.where) == (file, "line 2")
    assert listed.reason.startswith(reason)
    assert (corpus.understood.rows, corpus.understood.rows_read) == (2, 1)
    with pytest.raises(DataError, match=rf"none of its 1 rows could be read; the first, line 1: {reason}.*by hand"):
        open_jsonl(put_jsonl(tmp_path, row))


def test_jsonl_reads_sources_and_scenes_and_keeps_labelled_pictures_without_captions(tmp_path: Path) -> None:
    put_photos(tmp_path, "a.jpg", "b.jpg", "c.jpg", "d.jpg")
    file = put_jsonl(
        tmp_path,
        {"image": "a.jpg", "source": "coco", "labels": ["dog", "hot dog"], "captions": ["one"]},
        {"image": "b.jpg", "source": "ade", "scene": "living_room", "labels": ["sofa"], "captions": []},
        {"image": "c.jpg", "labels": ["dog"]},
        {"image": "d.jpg", "source": "ade", "scene": "street"},
    )
    corpus = open_jsonl(file)
    assert not corpus.skipped_rows
    assert corpus.captions == ("one",)
    assert corpus.label_names == ("dog", "hot dog", "living room", "sofa", "street")
    assert corpus.scene_names == ("living room", "street")
    assert corpus.labels is not None
    assert [np.flatnonzero(row).tolist() for row in corpus.labels] == [[0, 1], [2, 3], [0], [4]]
    assert corpus.source_names == ("coco", "ade", tmp_path.name)
    assert corpus.sources is not None
    assert corpus.sources.tolist() == [0, 1, 2, 1]


def test_a_source_that_nearly_every_row_has_for_itself_tells_no_collections_apart(tmp_path: Path) -> None:
    names = [f"{number}.jpg" for number in range(21)]
    put_photos(tmp_path, *names)
    rows = [{"image": name, "source": f"https://example.org/{name}", "captions": ["x"]} for name in names]
    assert open_jsonl(put_jsonl(tmp_path, *rows)).sources is None
    assert open_jsonl(put_jsonl(tmp_path, *rows[:20])).source_names
    assert open_jsonl(put_jsonl(tmp_path, *[{**row, "source": "one"} for row in rows])).sources is None


@pytest.mark.parametrize("split", [None, "train"])
def test_one_in_five_is_val_by_the_hash_of_its_files_name(tmp_path: Path, split: str | None) -> None:
    names = [f"{number}.jpg" for number in range(60)]
    (tmp_path / "images").mkdir()
    put_photos(tmp_path / "images", *names)
    rows = [
        {"image": f"images/{name}", "captions": ["x"], **({} if split is None else {"split": split})} for name in names
    ]
    file = put_jsonl(tmp_path, *rows)
    corpus = open_corpus(f"jsonl:{file}?val=5")
    held = [name for name in names if int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % 5 == 0]
    assert 3 < len(held) < 30
    assert [f"images/{name}" for name in held] == list(corpus.split("val").image_ids)
    assert len(corpus.split("train")) == 60 - len(held)
    put_jsonl(tmp_path, *[{**row, "split": "val"} for row in rows[:3]], *rows[3:])
    assert len(open_corpus(f"jsonl:{file}?val=5").split("val")) == 3
    with pytest.raises(DataError, match="val"):
        open_corpus(f"jsonl:{file}?val=1")


def test_a_row_that_puts_a_picture_into_a_second_split_is_listed(tmp_path: Path) -> None:
    put_photos(tmp_path, "a.jpg")
    row = {"image": "a.jpg", "captions": ["x"], "split": "train"}
    corpus = open_jsonl(put_jsonl(tmp_path, row, {**row, "split": "val"}))
    assert told(corpus) == {"a.jpg": ("train", ["x"])}
    assert [one.reason for one in corpus.skipped_rows] == ["'a.jpg' is in split 'val' here and in 'train' before"]


def test_bytes_that_are_not_utf_8_cost_their_own_line(tmp_path: Path) -> None:
    put_photos(tmp_path, "a.jpg")
    file = tmp_path / "captions.jsonl"
    good = '{"image": "a.jpg", "captions": ["Köln"]}\n'.encode()
    file.write_bytes(good + b'{"image": "a.jpg", "captions": ["K\xf6ln"]}\n' + good)
    corpus = open_jsonl(file)
    assert corpus.captions == ("Köln", "Köln")
    assert [(one.where, one.reason) for one in corpus.skipped_rows] == [("line 2", "bytes that are no utf-8")]


def test_a_caption_file_without_any_picture_on_disk_says_where_they_should_be(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"none of the 1 pictures.*gone\.jpg.*no such file.*or any folder in it.*images=FOLDER"
    ):
        open_jsonl(put_jsonl(tmp_path, {"image": "gone.jpg", "captions": []}))
    with pytest.raises(DataError, match="names no pictures"):
        open_jsonl(put_jsonl(tmp_path))


def test_csv_joins_the_rows_of_a_picture(tmp_path: Path) -> None:
    put_photos(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / "captions.csv").write_text(
        '\ufeffimage,caption,split,by\r\na.jpg,"one, quoted ""word""\nand a second line",train,me\r\n'
        "b.jpg,,val,me\r\na.jpg,two,train,you\r\n",
        encoding="utf-8",
        newline="",
    )
    corpus = open_csv(tmp_path / "captions.csv")
    assert told(corpus) == {
        "a.jpg": ("train", ['one, quoted "word"\nand a second line', "two"]),
        "b.jpg": ("val", []),
    }


def test_sidecar_files_give_one_caption_a_line(tmp_path: Path) -> None:
    put_photos(tmp_path, "b.jpg", "sub/a.jpg", "without.jpg")
    (tmp_path / "b.txt").write_text("one\n\n  two \n")
    (tmp_path / "sub/a.txt").write_text("three")
    corpus = open_folder(tmp_path)
    assert told(corpus) == {
        "b.jpg": ("all", ["one", "two"]),
        "sub/a.jpg": ("all", ["three"]),
        "without.jpg": ("all", []),
    }


def test_a_folder_without_captions_is_a_corpus_without_captions(tmp_path: Path) -> None:
    put_photos(tmp_path, "b.jpg", "a.jpg", os.fsdecode(b"odd \xff.jpg"))
    corpus = open_folder(tmp_path)
    assert list(corpus.image_ids) == ["a.jpg", "b.jpg", os.fsdecode(b"odd \xff.jpg")]
    assert corpus.captions == ()
    assert len(corpus.fingerprint()) == 16


def test_a_folder_prefers_jsonl_to_csv_to_sidecar(tmp_path: Path) -> None:
    put_photos(tmp_path, "a.jpg")
    (tmp_path / "a.txt").write_text("sidecar")
    assert open_folder(tmp_path).captions == ("sidecar",)
    (tmp_path / "captions.csv").write_text("image,caption\na.jpg,csv\n")
    assert open_folder(tmp_path).captions == ("csv",)
    put_jsonl(tmp_path, {"image": "a.jpg", "captions": ["jsonl"]})
    assert open_folder(tmp_path).captions == ("jsonl",)


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no pictures in it"):
        open_folder(tmp_path)


def put_karpathy(folder: Path, *entries: dict[str, Any]) -> Path:
    file = folder / "dataset_coco.json"
    file.write_text(json.dumps({"dataset": "coco", "images": list(entries)}))
    return file


def entry(filename: str, split: str, *raw: str, **more: Any) -> dict[str, Any]:
    return {"filename": filename, "split": split, "sentences": [{"raw": text} for text in raw], **more}


def test_karpathy_reads_restval_as_train_and_finds_pictures(tmp_path: Path) -> None:
    put_photos(tmp_path, "images/val2014/a.jpg", "b.jpg")
    file = put_karpathy(
        tmp_path,
        entry("a.jpg", "restval", "one\n", "two", filepath="val2014"),
        entry("b.jpg", "test", "three", filepath="val2014"),
        entry("c.jpg", "val", "four"),
    )
    corpus = open_karpathy(file)
    assert told(corpus) == {"val2014/a.jpg": ("train", ["one", "two"]), "val2014/b.jpg": ("test", ["three"])}
    assert corpus.name == "coco"
    assert [one.path.name for one in corpus.skipped] == ["c.jpg"]
    assert open_karpathy(file, restval_is_train=False).image_splits == ("restval", "test")
    assert open_folder(tmp_path).fingerprint() == corpus.fingerprint()


def test_karpathy_takes_the_picture_folder_as_an_argument(tmp_path: Path) -> None:
    put_photos(tmp_path / "far", "a.jpg")
    file = put_karpathy(tmp_path, entry("a.jpg", "train", "one"))
    assert open_karpathy(file, images=tmp_path / "far").image_paths == (tmp_path / "far/a.jpg",)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "not JSON"),
        ("[]", 'top level: got list; expected a JSON object with a list "images"'),
        ('{"images": [{"filename": "a.jpg"}]}', r"none of its 1 rows could be read; the first, images\[0\]: got .*"),
        ('{"images": [{"filename": "a.jpg", "split": "train", "sentences": [{}]}]}', r"images\[0\]"),
    ],
)
def test_malformed_karpathy_files_are_refused(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(DataError, match=complaint):
        open_karpathy(tmp_path / "dataset.json")


def put_flickr(folder: Path) -> Path:
    put_photos(folder, "Flicker8k_Dataset/a.jpg", "Flicker8k_Dataset/b.jpg", "Flicker8k_Dataset/spare.jpg")
    file = folder / "Flickr8k.token.txt"
    rows = ("a.jpg#0\tone", "a.jpg#1\ttwo", "b.jpg#0\tthree #1 dog", "spare.jpg#0\tfour", "spare.jpg#1\tfive")
    file.write_text("\n".join(rows) + "\n")
    return file


def test_flickr_reads_tokens_and_calls_dev_val(tmp_path: Path) -> None:
    file = put_flickr(tmp_path)
    assert told(open_flickr(file))["a.jpg"] == ("all", ["one", "two"])
    (tmp_path / "Flickr_8k.trainImages.txt").write_text("a.jpg\n")
    (tmp_path / "Flickr_8k.devImages.txt").write_text("b.jpg\n")
    corpus = open_flickr(file)
    assert told(corpus) == {"a.jpg": ("train", ["one", "two"]), "b.jpg": ("val", ["three #1 dog"])}
    assert [(one.path.name, one.reason) for one in corpus.skipped] == [("spare.jpg", "in none of the split files")]
    assert open_folder(tmp_path).fingerprint() == corpus.fingerprint()


def test_flickr_lists_a_malformed_line_and_a_picture_in_two_splits(tmp_path: Path) -> None:
    file = put_flickr(tmp_path)
    (tmp_path / "Flickr_8k.trainImages.txt").write_text("a.jpg\n")
    (tmp_path / "Flickr_8k.testImages.txt").write_text("b.jpg\na.jpg\n")
    (listed, *_) = open_flickr(file).skipped_rows
    assert (listed.path.name, listed.where) == ("Flickr_8k.testImages.txt", "line 2")
    assert listed.reason == "'a.jpg' is in split 'test' here and in 'train' before"
    (tmp_path / "Flickr_8k.testImages.txt").unlink()
    file.write_text("a.jpg#0 caption after a space\na.jpg#1\tgood\n")
    corpus = open_flickr(file)
    assert corpus.captions == ("good",)
    assert corpus.skipped_rows[0].reason.startswith("got a.jpg#0 caption after a space; expected name.jpg#0, a tab")


def test_open_corpus_takes_folders_and_files_of_every_kind(tmp_path: Path) -> None:
    put_photos(tmp_path, "a.jpg")
    file = put_jsonl(tmp_path, {"image": "a.jpg", "captions": ["x"], "split": "val"})
    (tmp_path / "captions.csv").write_text("image,caption\na.jpg,csv\n")
    (tmp_path / "my.token").write_text("a.jpg#0\ttoken\n")
    put_karpathy(tmp_path, entry("a.jpg", "val", "karpathy"))
    assert open_corpus(tmp_path).captions == open_corpus(str(file)).captions == ("x",)
    assert open_corpus(tmp_path / "captions.csv").captions == ("csv",)
    assert open_corpus(tmp_path / "my.token").captions == ("token",)
    assert open_corpus(tmp_path / "dataset_coco.json", name="mine").name == "mine"
    assert len(open_corpus(tmp_path, split="val")) == 1
    with pytest.raises(DataError, match="no split 'train'"):
        open_corpus(tmp_path, split="train")
    made_of_rows = {"folder", "jsonl", "csv", "json", "karpathy", "flickr", "imagefolder", "img2dataset", "parquet"}
    published = {"mirflickr", "nuswide", "coco", "rsicd", "precomp", "dchmt", "matrices"}
    assert set(DATASETS) == {"scenes", *made_of_rows, *published}


def test_open_corpus_suggests_what_was_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_photos(tmp_path, "holiday/a.jpg")
    with pytest.raises(DataError, match=r"no such folder or file.*Did you mean .*/holiday\?.*Give a folder"):
        open_corpus(tmp_path / "holidays")
    with pytest.raises(DataError, match="Did you mean 'scenes'"):
        open_corpus("scene")
    monkeypatch.chdir(tmp_path)
    put_photos(tmp_path, "notes.csv.jpg")
    with pytest.raises(DataError, match=r"^holidays: no such folder or file\. Did you mean holiday\? Give a folder"):
        open_corpus("holidays")
    with pytest.raises(DataError, match=r"^nosuch: no such folder or file\. Give a folder"):
        open_corpus("nosuch")
    with pytest.raises(DataError, match="is this folder"):
        open_corpus("")
    with pytest.raises(DataError, match="give the folder it is in"):
        open_corpus(tmp_path / "holiday/a.jpg")


sentences = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=30)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.lists(sentences, max_size=4), min_size=1, max_size=4))
def test_jsonl_and_csv_of_the_same_captions_are_the_same_corpus(tmp_path: Path, texts: list[list[str]]) -> None:
    put_photos(tmp_path, *(f"{index}.jpg" for index in range(len(texts))))
    file = put_jsonl(tmp_path, *({"image": f"{i}.jpg", "captions": captions} for i, captions in enumerate(texts)))
    table = io.StringIO()
    rows = [(f"{i}.jpg", caption) for i, captions in enumerate(texts) for caption in (captions or [""])]
    csv.writer(table).writerows([("image", "caption"), *rows])
    (tmp_path / "captions.csv").write_text(table.getvalue(), encoding="utf-8", newline="")
    expected = {
        f"{i}.jpg": ("all", [c.strip() for c in captions if not is_blank(c)]) for i, captions in enumerate(texts)
    }
    assert told(open_jsonl(file)) == told(open_csv(tmp_path / "captions.csv")) == expected


def test_captions_of_which_nothing_is_seen_are_left_out_and_counted(tmp_path: Path) -> None:
    unseen = ["", " ", "\N{ZERO WIDTH SPACE}", "\N{WORD JOINER}\N{ZERO WIDTH NO-BREAK SPACE}", "\N{HANGUL FILLER}"]
    put_photos(tmp_path, "a.jpg", "b.jpg")
    rows = [
        {"image": "a.jpg", "captions": [*unseen, "a\N{ZERO WIDTH SPACE}dog"]},
        {"image": "b.jpg", "captions": ["two"]},
    ]
    report = check_corpus(put_jsonl(tmp_path, *rows))
    assert (report.captions, report.understood.blank_captions) == (2, len(unseen))
    beside = tmp_path / "beside"
    put_photos(beside, "a.jpg", "b.jpg")
    (beside / "a.txt").write_text("\n".join([*unseen, "one"]), encoding="utf-8")
    corpus = open_corpus(beside)
    assert (corpus.captions, corpus.understood.blank_captions) == (("one",), 3)  # lines of white space part captions


def test_check_corpus_counts_everything_and_names_what_cannot_be_read(tmp_path: Path) -> None:
    put_photos(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / "copy.jpg").write_bytes((tmp_path / "b.jpg").read_bytes())
    (tmp_path / "empty.jpg").write_bytes(b"")
    file = put_jsonl(
        tmp_path,
        {"image": "a.jpg", "captions": ["x", "y", "x"], "split": "train", "labels": ["Park"]},
        {"image": "b.jpg", "captions": [], "split": "train", "labels": ["Park", "Lake"]},
        {"image": "copy.jpg", "captions": ["y"], "split": "val"},
        {"image": "empty.jpg", "captions": ["z"], "split": "val"},
        {"image": "gone.jpg", "captions": ["z"], "split": "val"},
    )
    report = check_corpus(file).to_json()
    assert json.loads(json.dumps(report)) == {
        "name": tmp_path.name,
        "source": "jsonl",
        "images": 3,
        "captions": 4,
        "captions_per_image": {"min": 0, "mean": pytest.approx(4 / 3), "max": 3},
        "splits": {"train": 2, "val": 1},
        "labels": {"Lake": 1, "Park": 2},
        "label_kind": "labels",
        "features": None,
        "duplicate_captions": 2,
        "duplicate_images": [["b.jpg", "copy.jpg"]],
        "duplicate_splits": [["train", "val"]],
        "images_without_captions": 1,
        "unreadable": [
            {"path": str(tmp_path / "gone.jpg"), "reason": "no such file"},
            {"path": str(tmp_path / "empty.jpg"), "reason": "the file is empty"},
        ],
        "understood": {
            "layout": "jsonl",
            "columns": {"image": "image", "caption": "captions"},
            "separator": None,
            "encoding": "utf-8",
            "splits": "key split",
            "rows": 5,
            "rows_read": 4,
            "guesses": [],
            "notes": [],
            "blank_captions": 0,
        },
        "skipped_rows": [{"path": str(file), "where": "line 5", "reason": "'gone.jpg': no such file"}],
        "unused": [],
        "files": None,
    }


def test_check_corpus_of_a_folder_of_broken_pictures_still_reports(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("not a picture")
    report = check_corpus(tmp_path)
    assert (report.images, report.captions_per_image) == (0, (0, 0.0, 0))
    assert [one.path.name for one in report.unreadable] == ["text.jpg"]
    assert np.isfinite(report.captions_per_image[1])


def test_check_corpus_tells_features_from_pictures_and_equal_rows(tmp_path: Path) -> None:
    rows = np.asarray([[1, 2], [3, 4], [1, 2]], dtype=np.float32)
    np.savez(tmp_path / "a.npz", images=rows, texts=rows, labels=np.array([1, 2, 1]))
    report = check_corpus(tmp_path / "a.npz")
    assert (report.source, report.images, report.unreadable) == ("matrices", 3, ())
    assert report.features == {"kind": "images, texts", "image_width": 2, "text_width": 2}
    assert report.labels == {"class 1": 2, "class 2": 1}
    assert report.duplicate_images == (("all 1", "all 3"),)
    assert report.duplicate_captions == 1


def test_the_name_of_a_layout_alone_explains_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, guide in GUIDES.items():
        with pytest.raises(DataError, match=rf"{name} is a layout; give the folder(?s:.*)source: .*https?://"):
            open_corpus(name)
        assert guide.terms in guide.text()


def test_a_source_that_takes_no_options_refuses_them(tmp_path: Path) -> None:
    put_photos(tmp_path, "a.jpg")
    with pytest.raises(DataError, match="unknown option 'seed'; this source takes none"):
        open_corpus(f"folder:{tmp_path}?seed=1")


@pytest.mark.usefixtures("heeding_permissions")
@pytest.mark.parametrize("rights", [0o000, 0o400, 0o100])
def test_a_folder_that_may_not_be_opened_itself_is_refused(tmp_path: Path, rights: int) -> None:
    put_photos(tmp_path / "photos", "a.jpg")
    for spec in (tmp_path / "photos", f"folder:{tmp_path / 'photos'}"):
        (tmp_path / "photos").chmod(rights)
        try:
            with pytest.raises(DataError, match=r"photos cannot be opened: permission denied\. .*chmod u\+rx"):
                open_corpus(spec)
        finally:
            (tmp_path / "photos").chmod(0o700)


@pytest.mark.parametrize("spec", ["gs://bucket/photos", "S3://bucket/photos"])
def test_an_address_of_another_kind_is_told_how_one_is_written(spec: str) -> None:
    with pytest.raises(DataError, match=r"no such folder or file\. Pictures in an object store are named s3://BUCKET"):
        open_corpus(spec)
