"""Captions in other languages, tied to the pictures of a corpus."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from crossgraph.data.corpus import Corpus
from crossgraph.data.other_captions import captions_in_languages
from crossgraph.errors import DataError

CORPUS = Corpus(
    name="photos",
    image_paths=tuple(Path(name) for name in ("a.jpg", "b.jpg", "c.jpg")),
    image_ids=("images/a.jpg", "images/b.jpg", "images/c.jpg"),
    image_splits=("train", "train", "val"),
    captions=("a dog", "a cat", "a cow"),
    caption_image=np.array([0, 1, 2]),
)


def lines(file: Path, *rows: object) -> Path:
    file.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return file


def test_each_language_has_the_pictures_with_its_own_captions(tmp_path: Path) -> None:
    file = lines(
        tmp_path / "c.jsonl",
        {"image": "c.jpg", "split": "train", "de": ["eine Kuh"], "zh": ["牛", "  ", "一头牛"], "id": "7", "en": ["x"]},
        {"image": "b.jpg", "de": [], "pt-br": ["um gato"], "labels": ["cat"]},
        {"image": "a.jpg", "de": ["ein Hund", "noch ein Hund"]},
        {"image": "unknown.jpg", "de": ["ein Pferd"]},
    )
    found = captions_in_languages(CORPUS, file)
    assert {language: corpus.captions for language, corpus in found.items()} == {
        "de": ("ein Hund", "noch ein Hund", "eine Kuh"),
        "zh": ("牛", "一头牛"),
        "pt-br": ("um gato",),
    }
    assert found["de"].caption_image.tolist() == [0, 0, 2]
    assert found["zh"].caption_image.tolist() == [2, 2]
    assert found["de"].image_ids == CORPUS.image_ids
    assert found["de"].image_splits == CORPUS.image_splits


@pytest.mark.parametrize("row", ["{", '["a.jpg"]', '{"de": ["ein Hund"]}', '{"image": 3}'])
def test_a_line_that_is_something_else_is_named(tmp_path: Path, row: str) -> None:
    file = lines(tmp_path / "c.jsonl", {"image": "a.jpg", "de": ["ein Hund"]}, "", row)
    with pytest.raises(DataError, match=r"line 3: .* is no object with an image"):
        captions_in_languages(CORPUS, file)


@pytest.mark.parametrize("row", [{"image": "z.jpg", "de": ["x"]}, {"image": "a.jpg", "de": "x", "en": ["a dog"]}])
def test_a_file_without_a_caption_for_any_picture_is_refused(tmp_path: Path, row: object) -> None:
    with pytest.raises(DataError, match=r"no caption in another language .* \(1 lines read, 3 pictures\)"):
        captions_in_languages(CORPUS, lines(tmp_path / "c.jsonl", row))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.jsonl: cannot be read"):
        captions_in_languages(CORPUS, tmp_path / "nowhere.jsonl")
