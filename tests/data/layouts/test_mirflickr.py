"""MIRFlickr's layout on five drawn pictures."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from crossgraph.data.layouts.mirflickr import MirflickrOptions, open_mirflickr
from crossgraph.data.sources import open_corpus, source_of
from crossgraph.errors import DataError
from tests.data.drawn_sets import put_lines, put_mirflickr, told


def test_mirflickr_reads_tags_as_captions_and_lists_as_labels(tmp_path: Path) -> None:
    corpus = open_mirflickr(put_mirflickr(tmp_path))
    assert told(corpus) == {
        "im1.jpg": (["sky cat"], ["animals", "baby"]),
        "im2.jpg": (["sky"], ["baby"]),
        "im3.jpg": ([], []),
        "im5.jpg": (["sky rare"], []),
        "im10.jpg": (["only"], ["animals"]),
    }
    assert corpus.label_names == ("animals", "baby", "sky")
    assert [(one.path.name, one.reason) for one in corpus.skipped] == [("im4.jpg", "no such file")]


def test_mirflickr_is_known_by_its_files_and_by_name(tmp_path: Path) -> None:
    put_mirflickr(tmp_path)
    assert source_of(tmp_path) == source_of(f"mirflickr:{tmp_path}") == "mirflickr"
    assert open_corpus(tmp_path).fingerprint() == open_corpus(f"mirflickr:{tmp_path}").fingerprint()


def test_relevant_labels_are_told_apart_from_potential_ones(tmp_path: Path) -> None:
    put_mirflickr(tmp_path)
    assert open_corpus(f"mirflickr:{tmp_path}?labels=relevant").label_names == ("baby (relevant)",)
    both = open_corpus(f"mirflickr:{tmp_path}?labels=all")
    assert both.label_names == ("animals", "baby", "baby (relevant)", "sky")
    assert told(both)["im2.jpg"][1] == ["baby", "baby (relevant)"]


def test_rare_tags_are_dropped_with_the_pictures_that_had_no_others(tmp_path: Path) -> None:
    corpus = open_mirflickr(put_mirflickr(tmp_path), options=MirflickrOptions(least_tag=2))
    assert {image: captions for image, (captions, _) in told(corpus).items()} == {
        "im1.jpg": ["sky"],
        "im2.jpg": ["sky"],
        "im5.jpg": ["sky"],
    }


def test_raw_tags_and_splits_can_be_asked_for(tmp_path: Path) -> None:
    put_mirflickr(tmp_path)
    corpus = open_corpus(f"mirflickr:{tmp_path}?raw_tags=true&test_share=0.34&val_share=0.17")
    assert told(corpus)["im1.jpg"][0] == ["SKY CAT"]
    assert Counter(corpus.image_splits).total() == 5
    assert set(corpus.image_splits) <= {"train", "val", "test"}


def test_what_is_missing_of_mirflickr_is_said_with_the_source(tmp_path: Path) -> None:
    put_mirflickr(tmp_path)
    put_lines(tmp_path / "annotations/baby.txt", 2, "x7")
    with pytest.raises(DataError, match=r"baby\.txt, line 2: got x7; expected the number of a picture"):
        open_mirflickr(tmp_path)
    shutil.rmtree(tmp_path / "mirflickr/meta/tags")
    with pytest.raises(DataError, match=r"meta/tags with tags1\.txt is missing(?s:.*)press\.liacs\.nl"):
        open_mirflickr(tmp_path)
    shutil.rmtree(tmp_path / "annotations")
    with pytest.raises(DataError, match=r"annotations .*is missing(?s:.*)terms:"):
        open_mirflickr(tmp_path)
