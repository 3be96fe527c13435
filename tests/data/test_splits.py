"""Splits that are drawn: how many, in whatever order, equal pictures together, and never what was trained on."""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from crossgraph.data.corpus import Corpus
from crossgraph.data.given_features import GivenFeatures
from crossgraph.data.sources import open_corpus
from crossgraph.data.splits import content_keys, drawn_splits, held_out, rule_for, split_of
from crossgraph.errors import DataError


def corpus(names: list[str], **changes: Any) -> Corpus:
    """Pictures without files, each with a caption that is its name."""
    made = Corpus(
        name="tiny",
        image_paths=tuple(map(Path, names)),
        image_ids=tuple(names),
        image_splits=("all",) * len(names),
        captions=tuple(names),
        caption_image=np.arange(len(names)),
    )
    return replace(made, **changes)


def numbered(count: int) -> list[str]:
    return [f"im{number}.jpg" for number in range(count)]


def sides(of: Corpus) -> dict[str, str]:
    """The split of every picture."""
    return dict(zip(of.image_ids, of.image_splits, strict=True))


@pytest.mark.parametrize(("images", "held"), [(4, 2), (6, 2), (30, 3), (200, 20), (12_000, 1000)])
def test_a_tenth_is_held_out_but_never_fewer_than_two_nor_more_than_a_thousand(images: int, held: int) -> None:
    whole = corpus(numbered(images))
    rule = rule_for(whole)
    assert rule is not None
    assert (rule.of, rule.held, rule.images) == ("all", held, images)
    assert Counter(drawn_splits(whole).image_splits) == {"val": held, "train": images - held}
    assert f"{held:,} of {images:,} pictures with captions are val" in rule.text()


NAMES = st.text("ab/é", min_size=1, max_size=6)


@given(
    st.lists(NAMES, min_size=4, max_size=20, unique_by=lambda name: PurePosixPath("x", *name.split("/"))), st.randoms()
)
def test_the_order_of_files_and_the_spelling_of_accents_change_nothing(names: list[str], random: Any) -> None:
    shuffled = random.sample(names, len(names))
    assert sides(drawn_splits(corpus(shuffled))) == sides(drawn_splits(corpus(names)))
    apart = {unicodedata.normalize("NFD", name): side for name, side in sides(drawn_splits(corpus(names))).items()}
    assert sides(drawn_splits(corpus(list(apart)))) == apart


@given(st.integers(4, 40), st.integers(0, 40))
def test_what_was_trained_on_is_never_held_out_when_pictures_join(before: int, more: int) -> None:
    few, many = corpus(numbered(before)), corpus(numbered(before + more))
    rule = rule_for(few)
    then, now = sides(drawn_splits(few, rule)), sides(drawn_splits(many, rule))
    assert {name: now[name] for name in then} == then


def test_hardly_any_picture_changes_sides_when_the_rule_is_drawn_anew() -> None:
    few, many = sides(drawn_splits(corpus(numbered(200)))), sides(drawn_splits(corpus(numbered(220))))
    assert sum(many[name] != side for name, side in few.items()) <= 6


def test_equal_files_are_on_one_side(tmp_path: Path) -> None:
    for number in range(60):
        name = f"{number}.png"
        (tmp_path / name).write_bytes(b"same size" + bytes([number // 3]) * 9000)  # every three are equal
    paths = [tmp_path / f"{number}.png" for number in range(60)]
    whole = corpus([path.name for path in paths], image_paths=tuple(paths))
    splits = drawn_splits(whole).image_splits
    assert all(len(set(splits[start : start + 3])) == 1 for start in range(0, 60, 3))
    assert splits.count("val") == 6
    alone = sides(drawn_splits(whole.take(list(range(0, 60, 3)))))
    assert list(alone.values()).count("val") == 2


def test_contents_are_told_apart_by_size_end_and_middle(tmp_path: Path) -> None:
    contents = [b"a" * 9000, b"a" * 9000, b"b" + b"a" * 8999, b"a" * 8999 + b"b", b"a", b"a"]
    paths = [tmp_path / str(number) for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    keys = content_keys([*paths, tmp_path / "gone", tmp_path / "gone too"])
    wanted = [*contents, b"gone", b"gone too"]
    for one, key in enumerate(keys):
        assert [key == other for other in keys] == [wanted[one] == other for other in wanted]


def test_equal_rows_of_features_are_on_one_side() -> None:
    rows = np.repeat(np.arange(20, dtype=np.float32), 2)[:, None]
    whole = corpus(numbered(40), features=GivenFeatures(rows, rows, "numbers"))
    splits = drawn_splits(whole).image_splits
    assert all(splits[place] == splits[place + 1] for place in range(0, 40, 2))
    assert splits.count("val") == 4


def test_pictures_without_captions_are_neither_counted_nor_held_out() -> None:
    whole = corpus(numbered(100), captions=tuple("abcdef"), caption_image=np.arange(6))
    divided = drawn_splits(whole)
    assert divided.image_splits.count("val") == 2
    assert set(divided.split("val").captions) <= set("abcdef")
    assert len(divided.split("val").captions) == 2


def test_too_few_pictures_are_refused_with_the_way_out() -> None:
    with pytest.raises(DataError, match=r"3 pictures with captions .* at least 2 are selected by and 2 trained on"):
        drawn_splits(corpus(numbered(3)))
    one = GivenFeatures(np.zeros((9, 1), np.float32), np.zeros((9, 1), np.float32), "zeros")
    with pytest.raises(DataError, match="too few"):
        drawn_splits(corpus(numbered(9), features=one))


def test_splits_of_the_source_are_left_as_they_are() -> None:
    own = corpus(numbered(6), image_splits=("train", "val", "test") * 2)
    assert rule_for(own) is None
    assert drawn_splits(own) is own
    rule = rule_for(corpus(numbered(6)))
    assert rule is not None
    assert held_out(own, rule) is own


def test_val_is_held_out_of_train_where_there_is_no_val_and_a_test_split_stays() -> None:
    own = corpus(numbered(60), image_splits=("train",) * 40 + ("test",) * 20)
    divided = drawn_splits(own)
    assert Counter(divided.image_splits) == {"train": 36, "val": 4, "test": 20}
    assert divided.image_splits[40:] == ("test",) * 20
    assert len(split_of(own, "train")) == 40
    assert len(split_of(own, "val")) == 4


def test_a_source_without_splits_answers_for_train_val_and_all(tmp_path: Path) -> None:
    whole = corpus(numbered(30))
    assert [len(split_of(whole, name)) for name in ("train", "val", "all")] == [27, 3, 30]
    assert set(split_of(whole, "val").image_splits) == {"val"}
    with pytest.raises(DataError, match="no split 'test': its source names none; train and val are drawn"):
        split_of(whole, "test")
    file = tmp_path / "captions.csv"
    file.write_text("image,caption\n" + "".join(f"{number}.png,picture {number}\n" for number in range(5)))
    for number in range(5):
        (tmp_path / f"{number}.png").write_bytes(bytes([number]))
    assert len(open_corpus(file, split="val")) == 2
    assert len(open_corpus(file, split="all")) == 5


@pytest.mark.parametrize("name", ["train", "val"])
def test_a_split_of_pictures_without_captions_is_refused_for_what_it_is(tmp_path: Path, name: str) -> None:
    for number in range(3):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / f"{number}.png")
    with pytest.raises(DataError, match=f"no split '{name}': its source names none, and 0 pictures with captions"):
        open_corpus(tmp_path, split=name)


def test_a_rule_that_holds_nothing_out_of_another_corpus_says_so() -> None:
    rule = rule_for(corpus(numbered(12_000)))
    assert rule is not None
    with pytest.raises(DataError, match="none of its pictures is held out by the rule of this run, and all is"):
        split_of(corpus(["other 1", "other 2", "other 3"]), "val", rule.model_copy(update={"line": "00"}))
