"""NUS-WIDE's layout on five drawn pictures."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from crossgraph.data.layouts.nuswide import NuswideOptions, open_nuswide
from crossgraph.data.sources import open_corpus, source_of
from crossgraph.errors import DataError
from tests.data.drawn_sets import NUSWIDE_LABELS, put_lines, put_nuswide, told

WITHOUT_VAL = NuswideOptions(val_share=0.0)


def test_nuswide_reads_lists_tags_concepts_and_splits(tmp_path: Path) -> None:
    corpus = open_nuswide(put_nuswide(tmp_path), options=WITHOUT_VAL)
    assert told(corpus) == {
        "actor/0001_11.jpg": (["blue sky"], ["sky", "bear"]),
        "actor/0002_22.jpg": (["cold bear"], ["sky"]),
        "zoo/0001_33.jpg": (["zoo"], ["sky", "bear"]),
        "zoo/0002_44.jpg": ([], ["airport"]),
        "zoo/0003_55.jpg": (["nothing"], []),
    }
    assert corpus.label_names == ("sky", "airport", "bear")
    assert corpus.image_splits == ("train", "test", "train", "test", "train")
    assert corpus.name == "nuswide"
    assert source_of(tmp_path) == "nuswide"


def test_a_share_of_train_is_held_out_and_test_is_left_alone(tmp_path: Path) -> None:
    corpus = open_corpus(f"nuswide:{put_nuswide(tmp_path)}?val_share=0.34")
    assert sorted(corpus.image_splits) == ["test", "test", "train", "train", "val"]
    assert [corpus.image_splits[row] for row in (1, 3)] == ["test", "test"]


def test_the_most_frequent_concepts_keep_the_pictures_that_have_any(tmp_path: Path) -> None:
    corpus = open_corpus(f"nuswide:{put_nuswide(tmp_path)}?concepts=2")
    assert corpus.label_names == ("sky", "bear")
    assert corpus.image_ids == ("actor/0001_11.jpg", "actor/0002_22.jpg", "zoo/0001_33.jpg")
    assert corpus.labels is not None
    assert corpus.labels.any(axis=1).all()
    assert corpus.name == "nuswide-2"


def test_labels_by_halves_are_the_same_labels(tmp_path: Path) -> None:
    whole = told(open_nuswide(put_nuswide(tmp_path / "a"), options=WITHOUT_VAL))
    halves = open_nuswide(put_nuswide(tmp_path / "b", whole_labels=False), options=WITHOUT_VAL)
    assert told(halves) == whole
    assert sorted(halves.image_splits) == ["test", "test", "train", "train", "train"]


def test_pictures_may_lie_flat_and_lists_of_splits_may_be_absent(tmp_path: Path) -> None:
    put_nuswide(tmp_path, split_lists=False)
    (tmp_path / "images").mkdir()
    for name in ("0001_11.jpg", "0002_22.jpg"):
        shutil.move(tmp_path / "Flickr/actor" / name, tmp_path / f"images/{name}")
    corpus = open_nuswide(tmp_path, options=NuswideOptions(val_share=0.2, test_share=0.2))
    assert corpus.image_paths[0] == tmp_path / "images/0001_11.jpg"
    assert sorted(corpus.image_splits) == ["test", "train", "train", "train", "val"]


def test_columns_of_another_length_and_broken_rows_are_named(tmp_path: Path) -> None:
    put_nuswide(tmp_path)
    column = tmp_path / "Groundtruth/AllLabels/Labels_bear.txt"
    put_lines(column, *NUSWIDE_LABELS["bear"][:-1])
    with pytest.raises(DataError, match=r"Labels_bear\.txt: 4 lines, but the image list has 5"):
        open_nuswide(tmp_path)
    put_lines(column, 1, 0, 2, 0, 0)
    with pytest.raises(DataError, match=r"Labels_bear\.txt, line 3: got 2; expected 0 or 1"):
        open_nuswide(tmp_path)
    put_lines(column, *NUSWIDE_LABELS["bear"])
    put_lines(tmp_path / "NUS_WID_Tags/All_Tags.txt", "11 sky", "sky 22")
    with pytest.raises(DataError, match=r"All_Tags\.txt, line 2: got sky 22"):
        open_nuswide(tmp_path)


@pytest.mark.parametrize(
    ("gone", "complaint"),
    [
        ("NUS_WID_Tags/All_Tags.txt", "NUS_WID_Tags/All_Tags.txt is missing"),
        ("ImageList/Imagelist.txt", "ImageList/Imagelist.txt is missing"),
        ("Groundtruth/AllLabels/Labels_sky.txt", r"the labels of sky \(Labels_sky.txt\) is missing"),
    ],
)
def test_what_is_missing_of_nuswide_is_said_with_the_source(tmp_path: Path, gone: str, complaint: str) -> None:
    (put_nuswide(tmp_path) / gone).unlink()
    with pytest.raises(DataError, match=rf"{complaint}(?s:.*)lms\.comp\.nus\.edu\.sg"):
        open_nuswide(tmp_path)
