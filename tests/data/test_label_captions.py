"""Labels as sentences say what is there and nothing else; what is left out is left out everywhere."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossgraph.data.corpus import Corpus
from crossgraph.data.label_captions import MOST, label_words, read_left_out, with_label_captions, without_labels
from crossgraph.errors import DataError

NAMES = ("zebra", "hot-dog", "BareLand", "living_room", "apple", "glasses")


def corpus(**changes: Any) -> Corpus:
    """Four pictures: several labels and a scene, one label, no label, and labels with a caption."""
    labels = np.zeros((4, len(NAMES)), dtype=np.bool_)
    labels[0, [0, 1, 3, 4, 5]] = labels[1, 2] = labels[3, :] = True
    made = Corpus(
        name="tiny",
        image_paths=tuple(Path(f"{i}.png") for i in range(4)),
        image_ids=tuple(f"{i}.png" for i in range(4)),
        image_splits=("train",) * 4,
        captions=("somebody wrote this",),
        caption_image=np.array([3], dtype=np.int64),
        labels=labels,
        label_names=NAMES,
        scene_names=("living_room",),
    )
    return replace(made, **changes)


def texts(made: Corpus, image: int) -> list[str]:
    return [made.captions[caption] for caption in made.captions_of_images()[image]]


def test_sentences_name_the_labels_of_their_picture_and_no_others() -> None:
    made = with_label_captions(corpus(), 40)
    words = {name: label_words(name) for name in NAMES}
    several = texts(made, 0)
    assert len(several) == len(set(several)) == 40
    for text in several:
        named = [name for name, word in words.items() if word in text]
        assert 1 <= len([name for name in named if name != "living_room"]) <= MOST or named == ["living_room"]
        assert "bare land" not in text
    assert {name for text in several for name, word in words.items() if word in text} == set(NAMES) - {"BareLand"}
    assert sum("living room" in text for text in several) > 10
    assert all(text.count("bare land") == 1 for text in texts(made, 1))
    assert "a photo of a bare land" in texts(made, 1)


def test_only_pictures_with_labels_and_without_captions_get_any() -> None:
    made = with_label_captions(corpus(), 3)
    assert [len(texts(made, image)) for image in range(4)] == [3, 3, 0, 1]
    assert texts(made, 3) == ["somebody wrote this"]
    assert with_label_captions(corpus(), 0).captions == corpus().captions
    unlabelled = replace(corpus(), labels=None, label_names=(), scene_names=())
    assert with_label_captions(unlabelled, 3) is unlabelled


def test_they_follow_from_the_pictures_id_alone() -> None:
    whole = with_label_captions(corpus(), 5)
    assert whole.captions == with_label_captions(corpus(), 5).captions
    assert texts(with_label_captions(corpus().take([2, 0]), 5), 1) == texts(whole, 0)
    others = corpus(image_ids=("x", "y", "z", "w"))
    assert texts(with_label_captions(others, 5), 0) != texts(whole, 0)


def test_what_is_told_of_twins_is_kept() -> None:
    twins = corpus(twin_group=np.array([-1, -1, 0, 0]), telling=np.array([True]))
    made = with_label_captions(twins, 3)
    assert made.telling is not None
    assert made.telling.tolist() == [True, *[False] * (len(made.captions) - 1)]


def test_articles() -> None:
    made = with_label_captions(corpus(), 60)
    said = " | ".join(texts(made, 0))
    for right in ("an apple", "a zebra", "a hot dog"):
        assert right in said
    for wrong in ("a apple", "an zebra", "a glasses"):
        assert wrong not in said


def test_left_out_labels_are_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "left_out.json"
    file.write_text(json.dumps({"labels": ["zebra", "Hot dog"], "scenes": ["living room", "unheard of"]}))
    names = read_left_out(file)
    assert names == ("Hot dog", "living room", "unheard of", "zebra")
    less = without_labels(corpus(), names)
    assert less.label_names == ("BareLand", "apple", "glasses")
    assert less.scene_names == ()
    assert less.labels is not None
    whole = corpus().labels
    assert whole is not None
    assert np.array_equal(less.labels, whole[:, [2, 4, 5]])
    made = " ".join(with_label_captions(less, 50).captions)
    assert not any(word in made for word in ("zebra", "hot dog", "living room"))
    assert less.fingerprint() != corpus().fingerprint()


@pytest.mark.parametrize("content", ["{}", "[]", '{"labels": "dog"}', '{"label": ["dog"]}', '{"scenes": [1]}', "no"])
def test_a_list_of_another_form_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "left_out.json"
    file.write_text(content)
    with pytest.raises(DataError, match=r"left_out\.json"):
        read_left_out(file)
