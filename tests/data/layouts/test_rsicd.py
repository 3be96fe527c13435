"""RSICD's layout on three drawn pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossgraph.data.sources import open_corpus, source_of
from crossgraph.errors import DataError
from tests.data.drawn_sets import put_rsicd, told

CLASSES = {"airport": ["airport_1.jpg", "airport_999.jpg"], "park": ["park_2.jpg", "00001.jpg"], "pond": ["pond_1.jpg"]}


def test_rsicd_reads_class_lists_as_labels(tmp_path: Path) -> None:
    corpus = open_corpus(put_rsicd(tmp_path, classes=CLASSES))
    assert told(corpus) == {
        "airport_1.jpg": (["this is airport_1.jpg"], ["airport"]),
        "00001.jpg": (["this is 00001.jpg"], ["park"]),
        "park_2.jpg": (["this is park_2.jpg"], ["park"]),
    }
    assert corpus.label_names == ("airport", "park", "pond")
    assert corpus.image_splits == ("train", "val", "test")
    assert corpus.name == "rsicd"
    file = tmp_path / "dataset_rsicd.json"
    assert source_of(file) == "rsicd"
    assert open_corpus(file).fingerprint() == open_corpus(f"rsicd:{tmp_path}").fingerprint() == corpus.fingerprint()


def test_rsicd_without_class_lists_has_no_labels(tmp_path: Path) -> None:
    assert open_corpus(put_rsicd(tmp_path, classes={})).labels is None


def test_rsicd_without_its_caption_file_says_where_it_is_had(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"dataset_rsicd\.json is missing(?s:.*)RSICD_optimal"):
        open_corpus(f"rsicd:{tmp_path}")
    with pytest.raises(DataError, match=r"no such folder(?s:.*)RSICD_optimal"):
        open_corpus(f"rsicd:{tmp_path}/nowhere")
