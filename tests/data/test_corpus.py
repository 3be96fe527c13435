"""A corpus keeps pictures, captions and links together, whatever is taken out of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossgraph.data.corpus import Corpus, Skipped
from crossgraph.errors import DataError


def corpus(links: list[int] | None = None, *, images: int = 4, **changes: Any) -> Corpus:
    """Pictures a, b, c, d in splits train, val, train, val; captions that name their picture."""
    links = [1, 0, 3, 0] if links is None else links
    made = Corpus(
        name="tiny",
        image_paths=tuple(Path(f"{i}.png") for i in range(images)),
        image_ids=tuple(f"{i}.png" for i in range(images)),
        image_splits=tuple(("train", "val")[i % 2] for i in range(images)),
        captions=tuple(f"caption {j} of {image}" for j, image in enumerate(links)),
        caption_image=np.array(links, dtype=np.int64),
    )
    return replace(made, **changes)


def test_captions_are_found_by_picture() -> None:
    assert corpus().captions_of_images() == [[1, 3], [0], [], [2]]
    assert len(corpus()) == 4
    assert corpus().splits == ("train", "val")


def test_a_split_keeps_its_pictures_and_their_captions() -> None:
    val = corpus().split("val")
    assert val.image_ids == ("1.png", "3.png")
    assert val.captions == ("caption 0 of 1", "caption 2 of 3")
    assert val.caption_image.tolist() == [0, 1]


def test_an_unknown_split_is_refused_with_those_there_are() -> None:
    with pytest.raises(DataError, match="no split 'test'; it has train, val"):
        corpus().split("test")
    with pytest.raises(DataError, match="no images"):
        corpus([], images=0).split("train")


@given(st.data(), st.integers(1, 6))
def test_taking_pictures_keeps_every_caption_with_its_own(data: st.DataObject, images: int) -> None:
    links = data.draw(st.lists(st.integers(0, images - 1), max_size=10))
    rows = data.draw(st.lists(st.integers(0, images - 1), unique=True))
    labels = np.eye(images, dtype=np.bool_)
    whole = corpus(
        links,
        images=images,
        labels=labels,
        label_names=tuple(map(str, range(images))),
        twin_group=np.arange(images),
        telling=np.array([image % 2 == 0 for image in links], dtype=np.bool_),
    )
    taken = whole.take(rows)
    assert taken.image_ids == tuple(whole.image_ids[row] for row in rows)
    assert sorted(taken.captions) == sorted(
        caption for caption, image in zip(whole.captions, links, strict=True) if image in rows
    )
    for caption, image in zip(taken.captions, taken.caption_image.tolist(), strict=True):
        assert caption.endswith(f"of {taken.image_ids[image].removesuffix('.png')}")
    assert taken.caption_image.tolist() == sorted(taken.caption_image.tolist())
    assert taken.labels[:, rows].all() if len(rows) == 1 else np.array_equal(taken.labels, labels[rows])
    assert taken.twin_group.tolist() == rows
    assert [bool(flag) for flag in taken.telling] == [rows[image] % 2 == 0 for image in taken.caption_image]


def test_unreadable_pictures_leave_with_their_captions_and_are_remembered() -> None:
    earlier, now = Skipped(Path("gone.png"), "missing"), Skipped(Path("0.png"), "torn")
    less = replace(corpus(), skipped=(earlier,)).without([now])
    assert less.image_ids == ("1.png", "2.png", "3.png")
    assert less.captions == ("caption 0 of 1", "caption 2 of 3")
    assert less.caption_image.tolist() == [0, 2]
    assert less.skipped == (earlier, now)


def test_a_corpus_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        corpus().caption_image[0] = 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_ids": ("a", "b", "c")}, "3 ids"),
        ({"image_splits": ("train",)}, "1 splits"),
        ({"image_ids": ("a", "b", "a", "d")}, "'a' occurs twice"),
        ({"caption_image": np.array([0, 1], dtype=np.int64)}, "4 captions but"),
        ({"caption_image": np.array([0, 1, 2, 4], dtype=np.int64)}, "outside 0..3"),
        ({"caption_image": np.array([0, 1, 2, -1], dtype=np.int64)}, "outside 0..3"),
        ({"labels": np.ones((4, 2), dtype=np.bool_), "label_names": ("cat",)}, "expected \\(4, 1\\)"),
        ({"telling": np.zeros(4, dtype=np.bool_)}, "twin_group"),
        ({"twin_group": np.zeros(3, dtype=np.int64)}, "twin_group"),
        ({"twin_group": np.zeros(4, dtype=np.int64), "telling": np.zeros(3, dtype=np.bool_)}, "telling"),
    ],
)
def test_an_impossible_corpus_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        corpus(**changes)


def test_equal_corpora_have_equal_fingerprints_wherever_they_lie() -> None:
    moved = corpus(image_paths=tuple(Path("elsewhere") / f"{i}" for i in range(4)), name="other")
    assert corpus().fingerprint() == corpus().fingerprint() == moved.fingerprint()


@pytest.mark.parametrize(
    "changes",
    [
        {"captions": ("caption 0 of 1", "caption 1 of 0", "caption 2 of 3", "Caption 3 of 0")},
        {"caption_image": np.array([1, 0, 3, 1], dtype=np.int64)},
        {"image_splits": ("train", "val", "train", "test")},
        {"image_ids": ("0.png", "1.png", "2.png", "4.png")},
        {"labels": np.zeros((4, 1), dtype=np.bool_), "label_names": ("cat",)},
    ],
)
def test_any_change_of_content_changes_the_fingerprint(changes: dict[str, Any]) -> None:
    assert corpus(**changes).fingerprint() != corpus().fingerprint()


def test_text_that_moves_between_captions_changes_the_fingerprint() -> None:
    one = corpus([0, 0], captions=("a b", "c"))
    assert one.fingerprint() != corpus([0, 0], captions=("a", "b c")).fingerprint()


def test_captions_with_lone_surrogates_have_a_fingerprint() -> None:
    assert len(corpus([0], captions=("caf\udce9",)).fingerprint()) == 16
