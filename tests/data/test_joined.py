"""Corpora that are joined keep every caption, split and label with its picture, and know where each is from."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossgraph.data.corpus import Corpus, Skipped
from crossgraph.data.given_features import GivenFeatures
from crossgraph.data.joined import join_corpora
from crossgraph.data.splits import split_of
from crossgraph.errors import DataError


def corpus(name: str, size: int = 4, **changes: Any) -> Corpus:
    """Pictures in train and val by turns, each with as many captions as its place says."""
    links = [image for image in range(size) for _ in range(image)]
    made = Corpus(
        name=name,
        image_paths=tuple(Path(name) / f"{i}.png" for i in range(size)),
        image_ids=tuple(f"{name}{i}.png" for i in range(size)),
        image_splits=tuple(("train", "val")[i % 2] for i in range(size)),
        captions=tuple(f"{name}'s caption of {image}" for image in links),
        caption_image=np.array(links, dtype=np.int64),
    )
    return replace(made, **changes)


def labelled(name: str, names: tuple[str, ...], rows: list[list[bool]], **changes: Any) -> Corpus:
    return corpus(name, len(rows), labels=np.array(rows, dtype=np.bool_), label_names=names, **changes)


def test_every_caption_stays_with_its_picture() -> None:
    joined = join_corpora([corpus("a", 3), corpus("b", 5), corpus("c", 2)])
    assert joined.name == "a+b+c"
    assert joined.source_names == ("a", "b", "c")
    assert joined.sources is not None
    assert len(joined.captions) == 3 + 10 + 1
    for caption, image in zip(joined.captions, joined.caption_image.tolist(), strict=True):
        path = joined.image_paths[image]
        assert caption == f"{path.parent}'s caption of {path.stem}"
        assert joined.source_names[joined.sources[image]] == str(path.parent)
    assert joined.image_splits == ("train", "val", "train") + ("train", "val") * 2 + ("train",) + ("train", "val")


def test_one_corpus_stays_itself_and_none_is_refused() -> None:
    alone = corpus("a")
    assert join_corpora([alone]) is alone
    with pytest.raises(DataError, match="give at least one corpus"):
        join_corpora([])


@pytest.mark.parametrize("reduce", [lambda joined: joined.split("val"), lambda joined: joined.take([6, 1, 3])])
def test_what_is_taken_out_says_where_it_is_from(reduce: Callable[[Corpus], Corpus]) -> None:
    taken = reduce(join_corpora([corpus("a"), corpus("b")]))
    assert taken.sources is not None
    assert [taken.source_names[one] for one in taken.sources] == [path.parent.name for path in taken.image_paths]
    less = taken.without([Skipped(taken.image_paths[0], "torn")])
    assert less.sources is not None
    assert [less.source_names[one] for one in less.sources] == [path.parent.name for path in less.image_paths]


def test_the_pictures_of_one_source_are_found_by_its_name() -> None:
    joined = join_corpora([corpus("a"), corpus("b")])
    assert joined.of_source("b").image_ids == corpus("b").image_ids
    assert joined.of_source("b").captions == corpus("b").captions
    with pytest.raises(DataError, match="no pictures from source 'c'; its sources are a, b"):
        joined.of_source("c")
    with pytest.raises(DataError, match="not told apart"):
        corpus("a").of_source("a")


def test_pictures_of_several_sources_are_marked() -> None:
    joined = join_corpora([corpus("a"), corpus("b")])
    assert joined.of_sources(["b", "c"]).tolist() == [path.parent.name == "b" for path in joined.image_paths]
    assert joined.of_sources(["a", "b"]).all()
    assert corpus("a").of_sources(["a"]).all()
    assert not corpus("a").of_sources(["b"]).any()


def test_equal_ids_get_the_name_of_their_corpus_and_equal_names_a_number() -> None:
    joined = join_corpora([corpus("a"), corpus("a"), corpus("a-2")])
    assert joined.source_names == ("a", "a-2", "a-2-2")
    assert joined.image_ids[0::4] == ("a/a0.png", "a-2/a0.png", "a-2-2/a-20.png")
    assert join_corpora([corpus("a"), corpus("b")]).image_ids[0::4] == ("a0.png", "b0.png")


def test_sources_of_a_corpus_are_kept_apart() -> None:
    two = corpus("photos", sources=np.array([1, 0, 1, 0]), source_names=("x", "y"))
    joined = join_corpora([corpus("x"), two])
    assert joined.source_names == ("x", "x-2", "y")
    assert joined.sources is not None
    assert joined.sources.tolist() == [0, 0, 0, 0, 2, 1, 2, 1]


def test_equal_labels_are_one_and_known_is_what_occurs_in_a_pictures_source() -> None:
    one = labelled("a", ("dog", "cat", "never"), [[True, False, False], [False, True, False]])
    other = labelled("b", ("tree", "cat"), [[False, True], [True, False], [False, False]])
    joined = join_corpora([one, other, corpus("c", 2)])
    assert joined.label_names == ("dog", "cat", "never", "tree")
    assert joined.labels is not None
    assert joined.labels.tolist() == [
        [True, False, False, False],
        [False, True, False, False],
        [False, True, False, False],
        [False, False, False, True],
        [False] * 4,
        [False] * 4,
        [False] * 4,
    ]
    known = joined.known_labels()
    assert known is not None
    assert joined.sources is not None
    for image in range(len(joined)):
        for label in range(len(joined.label_names)):
            occurs = any(
                joined.labels[i, label] for i in range(len(joined)) if joined.sources[i] == joined.sources[image]
            )
            assert known[image, label] == occurs
    assert known[0].tolist() == [True, True, False, False]
    assert known[4].tolist() == [False, True, False, True]
    assert not known[5:].any()
    assert one.known_labels() is None
    assert join_corpora([corpus("a"), corpus("b")]).labels is None


def test_twins_stay_in_groups_of_their_own() -> None:
    twins: dict[str, Any] = {"twin_group": np.array([0, 0, -1, 1]), "telling": np.array([True, False] * 3)}
    joined = join_corpora([corpus("a", **twins), corpus("b"), corpus("c", **twins)])
    assert joined.twin_group is not None
    assert joined.twin_group.tolist() == [0, 0, -1, 1, -1, -1, -1, -1, 2, 2, -1, 3]
    assert joined.telling is not None
    assert joined.telling.tolist() == [True, False] * 3 + [False] * 6 + [True, False] * 3


def test_order_and_content_change_the_fingerprint() -> None:
    a, b, c = corpus("a"), corpus("b"), corpus("c")
    regrouped = replace(join_corpora([a, b]), sources=np.zeros(8, np.int64))
    renamed = join_corpora([a, replace(b, name="d")])
    changed = join_corpora([a, replace(b, captions=("other", *b.captions[1:]))])
    found = [join_corpora(given) for given in ([a, b], [b, a], [a, c], [a, b, c])]
    prints = [one.fingerprint() for one in (*found, regrouped, renamed, changed)]
    assert len(set(prints)) == len(prints)
    assert join_corpora([a, b]).fingerprint() == prints[0]


def test_what_was_skipped_and_understood_is_carried() -> None:
    torn = Skipped(Path("torn.png"), "torn")
    joined = join_corpora([corpus("a", skipped=(torn,)), corpus("b", unused=(torn,))])
    assert (joined.skipped, joined.unused) == ((torn,), (torn,))
    assert joined.understood.layout == "joined"
    assert joined.understood.splits == "a: none; b: none"


def test_a_corpus_without_val_has_the_same_held_out_as_alone() -> None:
    whole = corpus("b", 40, image_splits=("all",) * 40)
    joined = join_corpora([corpus("a"), whole]).of_source("b")
    assert set(joined.splits) == {"train", "val"}
    assert joined.split("val").image_ids == split_of(whole, "val").image_ids
    few = join_corpora([corpus("a"), corpus("b", 2, image_splits=("all",) * 2)])
    assert few.of_source("b").image_splits == ("train", "train")


def test_given_features_are_refused() -> None:
    features = GivenFeatures(np.zeros((4, 3), np.float32), np.zeros((6, 3), np.float32), "given")
    with pytest.raises(DataError, match="'b' has given features"):
        join_corpora([corpus("a"), corpus("b", features=features)])
