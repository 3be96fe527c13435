"""A protocol says who asks and what is searched, and prints it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from crossgraph.data.corpus import Corpus
from crossgraph.data.given_features import GivenFeatures
from crossgraph.errors import ConfigError, DataError
from crossgraph.evaluation.protocols import PROTOCOLS, LabelProtocol, protocol_named

SMALL = ["query_count=4", "training_count=8"]


def make_corpus(counts: list[int]) -> Corpus:
    """So many captions for each picture, all in split val."""
    links = [image for image, count in enumerate(counts) for _ in range(count)]
    names = tuple(f"{i}.png" for i in range(len(counts)))
    return Corpus(
        name="small",
        image_paths=tuple(map(Path, names)),
        image_ids=names,
        image_splits=("val",) * len(counts),
        captions=tuple(f"caption {j}" for j in range(len(links))),
        caption_image=np.array(links, dtype=np.int64),
    )


def labelled(n: int = 20, *, without: tuple[int, ...] = ()) -> Corpus:
    """Pictures of one or two labels with two captions each: half to train on, a quarter each in val and test."""
    labels = np.arange(n)[:, None] % 3 == np.arange(3)
    labels[list(without)] = False
    corpus = make_corpus([2] * n)
    splits = tuple(["train", "train", "val", "test"][i % 4] for i in range(n))
    return replace(corpus, labels=labels, label_names=("a", "b", "c"), image_splits=splits)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_says_everything_in_one_line(name: str) -> None:
    protocol = PROTOCOLS[name]
    assert protocol.name == name
    text = protocol.text()
    assert "\n" not in text
    for part in (name, "queries: ", "database: ", "own pair", "text: ", protocol.measure, "ties ", "count as 0"):
        assert part in text


def test_published_numbers_are_in_the_text() -> None:
    text = PROTOCOLS["hash-mir"].text()
    assert "2,000 pictures drawn with seed 0, then 10,000 to train on" in text
    assert "mAP@all; ties by expectation" in text
    assert "mAP@50 over the relevant items among the first k (hits)" in PROTOCOLS["djsrh-50"].text()
    assert "wherever they are" in PROTOCOLS["scahn-released"].text()
    assert "own pair included" in PROTOCOLS["paired-test"].text()
    assert "own pair left out" in PROTOCOLS["unseen-database"].text()


def test_drawn_splits_have_the_sizes_asked_for_and_never_overlap() -> None:
    corpus, protocol = labelled(without=(0, 5)), protocol_named("hash-mir", changes=SMALL)
    drawn = protocol.drawn(corpus)
    assert len(drawn) == 18
    assert [drawn.image_splits.count(split) for split in ("query", "train", "rest")] == [4, 8, 6]
    needed = protocol.needed(drawn)
    assert (protocol.asks(needed).sum(), protocol.searched(needed).sum()) == (4, 14)
    assert not (protocol.asks(needed) & protocol.searched(needed)).any()
    assert protocol.drawn(corpus).fingerprint() == drawn.fingerprint()
    assert protocol.varied(["seed=1"]).drawn(corpus).fingerprint() != drawn.fingerprint()


def test_unlabelled_pictures_are_searched_only_when_asked_for() -> None:
    corpus = labelled(without=(0, 5))
    protocol = protocol_named("hash-mir", changes=[*SMALL, "labelled_only=false"])
    needed = protocol.needed(protocol.drawn(corpus))
    assert len(needed) == 20
    assert needed.labels is not None
    assert needed.labels[protocol.asks(needed)].any(1).all(), "queries have labels all the same"


def test_the_train_database_holds_no_query_and_the_unseen_one_all() -> None:
    corpus = labelled()
    for name, size in (("train-database", 10), ("unseen-database", 5)):
        needed = PROTOCOLS[name].needed(corpus)
        assert PROTOCOLS[name].asks(needed).sum() == 5
        assert PROTOCOLS[name].searched(needed).sum() == size
        assert len(needed) == {"train-database": 15, "unseen-database": 5}[name]


@pytest.mark.parametrize(
    ("captions", "texts", "images"),
    [
        ("first", ("a b", "e"), [0, 2]),
        ("each", ("a b", "c d", "e"), [0, 0, 2]),
        ("joined", ("a b c d", "e"), [0, 2]),
    ],
)
def test_captions_are_items_as_the_protocol_says(captions: str, texts: tuple[str, ...], images: list[int]) -> None:
    corpus = replace(make_corpus([2, 0, 1]), captions=("a b", "c d", "e"))
    found = protocol_named("unseen-database", changes=[f"captions={captions}"]).text_items(corpus)
    assert found.captions == texts
    assert found.caption_image.tolist() == images
    assert found.image_ids == corpus.image_ids


def test_given_features_follow_their_captions_and_are_never_joined() -> None:
    features = GivenFeatures(np.eye(2, dtype=np.float32), np.eye(3, 2, dtype=np.float32), "rows")
    corpus = replace(make_corpus([1, 2]), features=features)
    first = PROTOCOLS["unseen-database"].text_items(corpus)
    assert first.features is not None
    assert np.array_equal(first.features.texts, features.texts[:2])
    with pytest.raises(DataError, match="no sentences to join"):
        protocol_named("unseen-database", changes=["captions=joined"]).text_items(corpus)


def test_a_varied_protocol_says_so_and_is_frozen() -> None:
    protocol = protocol_named("train-database", changes=["k=50", "normaliser=hits"])
    assert (protocol.k, protocol.normaliser, protocol.measure) == (50, "hits", "mAP@50")
    assert "protocol train-database with k=50, normaliser=hits:" in protocol.text()
    with pytest.raises(ValidationError, match="frozen"):
        protocol.k = 3  # type: ignore[misc]


def test_unknown_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'hash-mir'"):
        protocol_named("hash-mirr")
    with pytest.raises(ConfigError, match="Did you mean 'captions'"):
        protocol_named("hash-mir", changes=["caption=each"])
    with pytest.raises(ConfigError, match="normaliser"):
        protocol_named("hash-mir", changes=["normaliser=some"])


def test_what_a_corpus_lacks_is_refused() -> None:
    with pytest.raises(DataError, match="has no labels"):
        PROTOCOLS["train-database"].needed(make_corpus([1, 1]))
    with pytest.raises(DataError, match=r"draws 2,000 queries and 10,000 pictures .* has 20 with labels"):
        PROTOCOLS["hash-mir"].drawn(labelled())
    with pytest.raises(DataError, match="finds no labelled pictures for its queries"):
        protocol_named("train-database", changes=["queries=tset"]).needed(labelled())
    with pytest.raises(ConfigError, match="say how many"):
        LabelProtocol(name="own", queries="drawn").drawn(labelled())
