"""DCHMT's three files, in both formats of MATLAB."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from crossgraph.data.sources import open_corpus, source_of
from crossgraph.errors import DataError
from tests.data.drawn_sets import put_photos, told

LABELS = np.asarray([[1, 0, 1], [0, 1, 0], [0, 0, 0]], np.uint8)
TEXTS = (("a ball", "one ball, red"), ("a box",), ("a tent",))


def cells(values: list[object]) -> np.ndarray:
    array = np.empty((len(values), 1), dtype=object)
    array[:, 0] = values
    return array


def put_dchmt(folder: Path) -> Path:
    put_photos(folder, *(f"images/{number}.jpg" for number in range(3)))
    savemat(folder / "index.mat", {"index": cells([f"images/{number}.jpg" for number in range(3)])})
    savemat(folder / "caption.mat", {"caption": cells([cells(list(own)) for own in TEXTS])})
    savemat(folder / "label.mat", {"category": LABELS})
    return folder


def test_paths_captions_and_labels_are_read_and_splits_drawn(tmp_path: Path) -> None:
    corpus = open_corpus(f"dchmt:{put_dchmt(tmp_path)}?test_share=0.34&val_share=0")
    assert told(corpus) == {
        "images/0.jpg": (["a ball", "one ball, red"], ["label 1", "label 3"]),
        "images/1.jpg": (["a box"], ["label 2"]),
        "images/2.jpg": (["a tent"], []),
    }
    assert sorted(corpus.image_splits) == ["test", "train", "train"]
    assert source_of(tmp_path) == "dchmt"
    assert corpus.unused == ()


def test_captions_as_rows_of_letters_are_one_each(tmp_path: Path) -> None:
    put_dchmt(tmp_path)
    savemat(tmp_path / "caption.mat", {"caption": np.array([own[0] for own in TEXTS])})
    assert open_corpus(tmp_path).captions == ("a ball", "a box", "a tent")


def test_cells_of_the_new_format_are_read(tmp_path: Path) -> None:
    put_dchmt(tmp_path)
    with h5py.File(tmp_path / "index.mat", "w") as file:
        references = file.create_dataset("index", (1, 3), dtype=h5py.ref_dtype)
        references.attrs["MATLAB_class"] = np.bytes_("cell")
        for number in range(3):
            text = np.asarray([ord(letter) for letter in f"images/{number}.jpg"], np.uint16)[:, None]
            one = file.create_dataset(f"#refs#/{number}", data=text)
            one.attrs["MATLAB_class"] = np.bytes_("char")
            references[0, number] = one.ref
    assert open_corpus(tmp_path).image_ids == ("images/0.jpg", "images/1.jpg", "images/2.jpg")


def test_files_of_other_lengths_are_named(tmp_path: Path) -> None:
    put_dchmt(tmp_path)
    savemat(tmp_path / "label.mat", {"category": LABELS[:2]})
    with pytest.raises(DataError, match=r"index\.mat 3, caption\.mat 3, label\.mat 2"):
        open_corpus(tmp_path)
