"""Captions of drawn scenes in two invented languages: one in Latin letters, word by word, one in Chinese letters."""

from __future__ import annotations

import json
from pathlib import Path

from crossgraph.data.corpus import Corpus
from crossgraph.words import tokenize

GERMAN = {
    "a": "ein", "the": "das", "an": "ein", "of": "von", "above": "über", "below": "unter", "left": "links",
    "right": "rechts", "red": "rotes", "blue": "blaues", "green": "grünes", "yellow": "gelbes", "big": "großes",
    "small": "kleines", "solid": "volles", "striped": "gestreiftes", "and": "und", "is": "ist", "to": "zu",
}  # fmt: skip
"""What is not here gets a German-looking ending."""


def german(caption: str) -> str:
    """A caption word by word."""
    return " ".join(GERMAN.get(word, f"{word}chenß") for word in tokenize(caption)).capitalize() + "."


def chinese(caption: str) -> str:
    """A caption with one Chinese letter for each word, by its letters, and no blanks."""
    return "".join(chr(0x4E00 + sum(map(ord, word)) % 400) for word in tokenize(caption)) + "。"


def write_captions(corpus: Corpus, file: Path) -> Path:
    """The captions of all pictures of a corpus in both languages, as JSON Lines."""
    lines = []
    for image, own in zip(corpus.image_ids, corpus.captions_of_images(), strict=True):
        said = [corpus.captions[caption] for caption in own]
        row = {"image": image, "split": "nobody reads this", "de": [*map(german, said)], "zh": [*map(chinese, said)]}
        lines.append(json.dumps(row, ensure_ascii=False))
    file.write_text("\n".join(lines), encoding="utf-8")
    return file
