"""Matrices in every kind of file, with the names of known releases and with names that are told."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import savemat
from scipy.sparse import csc_matrix

from crossgraph.data.corpus import Corpus
from crossgraph.data.drawn.matrices_demo import draw_matrices
from crossgraph.data.given_features import text_names
from crossgraph.data.layouts.matrix_files import variables_in
from crossgraph.data.sources import open_corpus, source_of
from crossgraph.errors import DataError
from tests.data.drawn_sets import labels_of, put_lines, put_photos

Matrix = NDArray[np.float64]
RNG = np.random.default_rng(0)
I_TR, I_TE = RNG.normal(size=(12, 4)), RNG.normal(size=(5, 4))
T_TR, T_TE = RNG.normal(size=(12, 3)), RNG.normal(size=(5, 3))
C_TR, C_TE = np.arange(12) % 3 + 1, np.arange(5) % 3 + 1


NAN_AT = (np.argwhere(T_TR > 1)[0] + 1).tolist()


def one_hot(classes: NDArray[np.int64]) -> NDArray[np.uint8]:
    return np.eye(3, dtype=np.uint8)[classes - 1]


def put_matlab73(file: Path, **matrices: Matrix) -> None:
    """As MATLAB writes -v7.3: HDF5, arrays by columns, with their class as an attribute."""
    with h5py.File(file, "w") as opened:
        for name, matrix in matrices.items():
            opened.create_dataset(name, data=matrix.T).attrs["MATLAB_class"] = np.bytes_("double")


def assert_is_the_split_set(corpus: Corpus) -> None:
    """The corpus of the matrices above, whoever wrote them."""
    features = corpus.features
    assert features is not None
    assert isinstance(features.images, np.ndarray)
    assert np.array_equal(features.images, np.concatenate([I_TR, I_TE]).astype(np.float32))
    assert np.array_equal(features.texts, np.concatenate([T_TR, T_TE]).astype(np.float32))
    assert Counter(corpus.image_splits) == {"train": 11, "val": 1, "test": 5}
    assert corpus.image_splits[12:] == ("test",) * 5
    assert corpus.image_ids[0] == "train 1"
    assert corpus.image_ids[-1] == "test 5"
    assert corpus.labels is not None
    assert np.array_equal(corpus.labels, one_hot(np.concatenate([C_TR, C_TE])) > 0)


def test_mat_files_of_both_formats_give_the_same_corpus(tmp_path: Path) -> None:
    split: dict[str, Any] = {
        "I_tr": I_TR,
        "T_tr": T_TR,
        "L_tr": one_hot(C_TR),
        "I_te": I_TE,
        "T_te": T_TE,
        "L_te": one_hot(C_TE),
    }
    savemat(tmp_path / "five.mat", split)
    put_matlab73(tmp_path / "seven.mat", **split)
    np.savez(tmp_path / "archive.npz", **split)
    with h5py.File(tmp_path / "plain.h5", "w") as opened:
        for name, matrix in split.items():
            opened[name] = matrix
    names = ("five.mat", "seven.mat", "archive.npz", "plain.h5")
    corpora = [open_corpus(tmp_path / name, name="same") for name in names]
    for corpus in corpora:
        assert_is_the_split_set(corpus)
        assert corpus.label_names == ("label 1", "label 2", "label 3")
    assert len({corpus.fingerprint() for corpus in corpora}) == 1


def test_wikipedia_takes_its_classes_from_the_lists_beside(tmp_path: Path) -> None:
    savemat(tmp_path / "raw_features.mat", {"I_tr": I_TR, "T_tr": T_TR, "I_te": I_TE, "T_te": T_TE})
    for half, classes in (("train", C_TR), ("test", C_TE)):
        rows = (f"text{row}\timage{row}\t{label}" for row, label in enumerate(classes))
        put_lines(tmp_path / f"{half}set_txt_img_cat.list", *rows)
    put_lines(tmp_path / "categories.list", "art", "biology", "sport")
    corpus = open_corpus(tmp_path)
    assert_is_the_split_set(corpus)
    assert corpus.label_names == ("art", "biology", "sport")
    assert source_of(tmp_path) == source_of(tmp_path / "raw_features.mat") == "matrices"
    assert_is_the_split_set(open_corpus(tmp_path / "raw_features.mat"))
    put_lines(tmp_path / "testset_txt_img_cat.list", "a\tb\t1", "a\tb\tone")
    with pytest.raises(DataError, match=r"testset_txt_img_cat\.list, line 2: got a.*the number of a category"):
        open_corpus(tmp_path)


def test_dscmr_is_read_from_its_six_files(tmp_path: Path) -> None:
    for half, images, texts, classes in (("train", I_TR, T_TR, C_TR), ("test", I_TE, T_TE, C_TE)):
        savemat(tmp_path / f"{half}_img.mat", {f"{half}_img": images})
        savemat(tmp_path / f"{half}_txt.mat", {f"{half}_txt": texts})
        savemat(tmp_path / f"{half}_img_lab.mat", {f"{half}_img_lab": classes[:, None]})
    corpus = open_corpus(tmp_path)
    assert_is_the_split_set(corpus)
    assert corpus.label_names == ("class 1", "class 2", "class 3")


def test_dcmh_is_read_from_folders_and_its_splits_are_drawn(tmp_path: Path) -> None:
    names = np.array([[f"im{row}.jpg"] for row in range(12)], dtype=object)
    for below, name, matrix in (
        ("XAll", "mirflickr25k-xall-vgg.mat", I_TR),
        ("YAll", "mirflickr25k-yall.mat", csc_matrix(T_TR)),
        ("LAll", "mirflickr25k-lall.mat", one_hot(C_TR)),
        ("FAll", "mirflickr25k-fall.mat", names),
    ):
        (tmp_path / below).mkdir()
        savemat(tmp_path / below / name, {below: matrix})
    corpus = open_corpus(f"matrices:{tmp_path}?val_share=0.25&test_share=0.25")
    assert Counter(corpus.image_splits) == {"train": 6, "val": 3, "test": 3}
    assert corpus.features is not None
    assert np.array_equal(corpus.features.texts, T_TR.astype(np.float32))
    assert corpus.features.kind == "XAll, YAll"


def test_other_names_are_told_beside_the_file_or_in_the_text(tmp_path: Path) -> None:
    file = tmp_path / "mine.npz"
    np.savez(file, a=I_TR, b=T_TR, c=C_TR - 1, d=I_TE, e=T_TE, f=C_TE - 1)
    with pytest.raises(DataError, match=r"holds a \(12 x 4\), b \(12 x 3\).*mine\.toml.*matrices:PATH\?images=A"):
        open_corpus(file)
    told = "train.images=a&train.texts=b&train.labels=c&test.images=d&test.texts=e&test.labels=f&label_names=x,y,z"
    spoken = open_corpus(f"matrices:{file}?{told}")
    sections = {"train": "abc", "test": "def"}
    lines = [f'[{split}]\nimages = "{v[0]}"\ntexts = "{v[1]}"\nlabels = "{v[2]}"' for split, v in sections.items()]
    put_lines(tmp_path / "mine.toml", 'label_names = ["x", "y", "z"]', *lines)
    written = open_corpus(file)
    for corpus in (spoken, written):
        assert_is_the_split_set(corpus)
        assert corpus.label_names == ("x", "y", "z")
    assert spoken.fingerprint() == written.fingerprint()
    reseeded = open_corpus(f"matrices:{file}?seed=5&val_share=0.5")
    assert Counter(reseeded.image_splits) == {"train": 6, "val": 6, "test": 5}


def test_columns_links_and_class_names_are_understood(tmp_path: Path) -> None:
    links = np.repeat(np.arange(5), 2)
    texts = np.repeat(T_TE, 2, axis=0)
    np.savez(tmp_path / "a.npz", images=I_TE.T, texts=texts.T, labels=np.array(list("abcab")), links=links)
    corpus = open_corpus(f"matrices:{tmp_path}/a.npz?images=images&texts=texts&labels=labels&links=links&transposed=1")
    assert corpus.caption_image.tolist() == links.tolist()
    assert corpus.label_names == ("a", "b", "c")
    assert [labels_of(corpus, row) for row in range(5)] == [["a"], ["b"], ["c"], ["a"], ["b"]]
    assert corpus.captions[0] == corpus.captions[1] == "text 1"
    assert corpus.captions[2] == "text 3"


@pytest.mark.parametrize(
    ("arrays", "complaint"),
    [
        ({"texts": T_TE}, r"images holds 12 items and texts 5 \(12 x 4 and 5 x 3.*Mend the file"),
        ({"labels": C_TE}, r"labels is 5, but images holds 12 images"),
        ({"labels": np.full((12, 3), 2)}, "must be 0 and 1"),
        ({"labels": C_TR + 0.5}, "class numbers must be whole; got 1.5"),
        (
            {"texts": np.where(T_TR > 1, np.nan, T_TR)},
            rf"texts holds \d+ numbers that are not finite, the first in row {NAN_AT[0]}, column {NAN_AT[1]};",
        ),
        ({"texts": np.where(T_TR > 1, 1e300, T_TR)}, r"texts holds \d+ numbers that are not finite"),
        ({"texts": np.array(["a b"] * 12)}, "texts must be a matrix of numbers"),
        ({"label_names": np.array(["x", "y"])}, "class numbers run from 1 to 3, but there are 2 names"),
    ],
)
def test_matrices_that_do_not_fit_are_refused(tmp_path: Path, arrays: dict[str, Any], complaint: str) -> None:
    assert np.isfinite(T_TR).all()
    np.savez(tmp_path / "a.npz", **({"images": I_TR, "texts": T_TR, "labels": C_TR} | arrays))
    with pytest.raises(DataError, match=complaint):
        open_corpus(tmp_path / "a.npz")


def test_items_as_columns_are_told_by_their_number_and_the_advice_works(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=I_TR.T, texts=T_TR.T, labels=one_hot(C_TR).T)
    with pytest.raises(
        DataError, match=r"Both have 12 columns.*matrices:(?P<spec>.*a\.npz\?transposed=true)"
    ) as refused:
        open_corpus(tmp_path / "a.npz")
    told = str(refused.value).rpartition("matrices:")[2].rstrip(".")
    assert len(open_corpus(f"matrices:{told}")) == 12


def test_items_without_a_label_are_said(tmp_path: Path) -> None:
    labels = one_hot(C_TR)
    labels[[2, 7]] = 0
    np.savez(tmp_path / "a.npz", images=I_TR, texts=T_TR, labels=labels)
    assert open_corpus(tmp_path / "a.npz").understood.notes == ("2 items have no label (row 3, 8)",)


def test_regions_and_texts_as_text_are_not_sent_to_a_file_that_cannot_help(tmp_path: Path) -> None:
    np.savez(tmp_path / "regions.npz", a=np.zeros((3, 36, 8)), b=np.zeros((3, 5)))
    np.savez(tmp_path / "texts.npz", a=np.zeros((3, 8)), b=np.array(["a dog", "a cat", "a"]))
    for name, way in (("regions.npz", "NAME_caps.txt"), ("texts.npz", "captions.csv")):
        with pytest.raises(DataError, match=way) as refused:
            open_corpus(tmp_path / name)
        assert "toml" not in str(refused.value)


def test_labels_of_minus_one_and_one_are_absent_and_present(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=I_TR, texts=T_TR, labels=2.0 * one_hot(C_TR) - 1)
    corpus = open_corpus(tmp_path / "a.npz")
    assert np.array_equal(corpus.labels, one_hot(C_TR) > 0)


def test_matrices_beside_pictures_are_named_and_the_pictures_read(tmp_path: Path) -> None:
    put_photos(tmp_path, "a.jpg")
    np.savez(tmp_path / "features.npz", images=I_TR, texts=T_TR)
    corpus = open_corpus(tmp_path)
    assert corpus.image_ids == ("a.jpg",)
    assert [one.path.name for one in corpus.unused] == ["features.npz"]


def test_pixels_in_the_place_of_features_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", IAll=np.zeros((12, 3, 2, 2), np.uint8), YAll=T_TR, LAll=one_hot(C_TR))
    with pytest.raises(DataError, match="IAll holds pixels; features are needed"):
        open_corpus(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["a.mat", "a.npz", "a.h5", "a.npy"])
def test_damaged_files_are_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no matrices in here, whatever the ending says" * 8)
    with pytest.raises(DataError, match=rf"{name}: "):
        open_corpus(tmp_path / name)


def test_a_name_that_two_files_have_must_be_said_with_its_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "one.npz", XAll=I_TR, YAll=T_TR)
    np.savez(tmp_path / "two.npz", XAll=I_TR + 1)
    assert set(variables_in(tmp_path)) == {"one.npz:XAll", "two.npz:XAll", "one.npz:YAll", "YAll"}
    corpus = open_corpus(f"matrices:{tmp_path}?images=two.npz:XAll&texts=YAll")
    assert corpus.features is not None
    assert isinstance(corpus.features.images, np.ndarray)
    assert np.array_equal(corpus.features.images, (I_TR + 1).astype(np.float32))
    assert corpus.labels is None
    with pytest.raises(DataError, match=r"unknown variable 'XAl'.*YAll"):
        open_corpus(f"matrices:{tmp_path}?images=XAl&texts=YAll")


def test_the_shapes_in_an_archive_are_known_without_reading_its_arrays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "plain.npz", images=I_TR, number=np.float64(3.0))
    np.savez_compressed(tmp_path / "packed.npz", texts=T_TR)
    with monkeypatch.context() as patch:
        patch.setattr(np, "load", None)
        found = variables_in(tmp_path)
    assert {name: one.shape for name, one in found.items() if ":" not in name} == {
        "images": (12, 4),
        "number": (),
        "texts": (12, 3),
    }
    assert np.array_equal(found["texts"].read(), T_TR)


def test_an_archive_of_python_objects_is_never_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.array([{}], dtype=object))
    with pytest.raises(DataError, match="Python objects, which are never loaded"):
        variables_in(tmp_path / "a.npz")


def test_sparse_matrices_of_the_new_format_are_filled(tmp_path: Path) -> None:
    sparse = csc_matrix(np.where(T_TR > 0, T_TR, 0))
    put_matlab73(tmp_path / "a.mat", XAll=I_TR, LAll=one_hot(C_TR).astype(np.float64))
    with h5py.File(tmp_path / "a.mat", "a") as opened:
        group = opened.create_group("YAll")
        group.attrs["MATLAB_class"], group.attrs["MATLAB_sparse"] = np.bytes_("double"), np.uint64(12)
        group["data"], group["ir"], group["jc"] = sparse.data, sparse.indices, sparse.indptr
    corpus = open_corpus(tmp_path / "a.mat")
    assert corpus.features is not None
    assert np.array_equal(corpus.features.texts, sparse.toarray().astype(np.float32))


def test_splits_of_a_corpus_take_their_rows_along() -> None:
    corpus = draw_matrices(3, train=30, test=10)
    test = corpus.split("test")
    assert corpus.features is not None
    assert test.features is not None
    assert isinstance(corpus.features.images, np.ndarray)
    assert isinstance(test.features.images, np.ndarray)
    assert np.array_equal(test.features.images, corpus.features.images[30:])
    assert np.array_equal(test.features.texts, corpus.features.texts[30:])
    assert test.captions == corpus.captions[30:]


def test_equal_rows_have_equal_names() -> None:
    rows = np.asarray([[1, 2], [0, 0], [1, 2]], dtype=np.float32)
    assert text_names(rows) == ("text 1", "text 2", "text 1")


def test_the_demo_has_the_shape_of_the_wikipedia_set_and_classes_that_can_be_told() -> None:
    corpus = open_corpus("matrices-demo")
    assert corpus.fingerprint() == open_corpus("matrices-demo:0").fingerprint()
    assert corpus.fingerprint() != open_corpus("matrices-demo:1").fingerprint()
    assert Counter(corpus.image_splits) == {"train": 1956, "val": 217, "test": 693}
    assert corpus.features is not None
    assert corpus.labels is not None
    assert (corpus.features.images.shape, corpus.features.texts.shape) == ((2866, 128), (2866, 10))
    assert corpus.labels.sum(axis=1).tolist() == [1] * 2866
    classes, texts = corpus.labels.argmax(axis=1), corpus.features.texts
    centres = np.stack([texts[classes == one].mean(axis=0) for one in range(10)])
    nearest = ((texts[:, None] - centres) ** 2).sum(axis=-1).argmin(axis=1)
    assert (nearest == classes).mean() > 0.5
    with pytest.raises(DataError, match="matrices-demo:SEED"):
        open_corpus("matrices-demo:x")
