"""Which column of a table names pictures, which hold captions, splits and labels: by the words that head them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

IMAGE_WORDS = (
    "image",
    "image_path",
    "image_name",
    "image_file",
    "image_filename",
    "file_name",
    "filename",
    "file",
    "filepath",
    "file_path",
    "path",
    "img",
    "img_path",
    "img_name",
    "img_file",
    "picture",
    "picture_path",
    "photo",
    "photo_path",
    "image_id",
    "img_id",
    "id",
    "key",
    "name",
    "url",
    "image_url",
)
CAPTION_WORDS = (
    "caption",
    "captions",
    "text",
    "texts",
    "raw",
    "title",
    "sentence",
    "sentences",
    "comment",
    "comments",
    "description",
    "descriptions",
    "prompt",
    "prompts",
    "raw_caption",
    "caption_text",
    "image_caption",
    "image_text",
    "sentences_raw",
    "alt",
    "alt_text",
    "txt",
    "tags",
)
SPLIT_WORDS = ("split", "subset", "partition", "set")
LABEL_WORDS = ("label", "labels", "class", "classes", "class_name", "category", "categories")
LIST_WORDS = frozenset(
    {"captions", "texts", "raw", "sentences", "sentences_raw", "comments", "descriptions", "prompts"}
)
"""Columns in which a JSON list of texts is so many captions."""

_NUMBERED = re.compile(r"^(.*?)_?\d+$")


@dataclass(frozen=True)
class Columns:
    """Places of columns by what they hold; `captions` may be several. Without a `header` all `names` are empty."""

    names: tuple[str, ...]
    image: int
    captions: tuple[int, ...]
    split: int | None = None
    labels: int | None = None
    header: bool = True

    @property
    def unread(self) -> tuple[int, ...]:
        """The places of columns with names that are taken for nothing."""
        taken = {self.image, *self.captions, self.split, self.labels}
        return tuple(place for place, name in enumerate(self.names) if name.strip() and place not in taken)

    def told(self) -> tuple[tuple[str, str], ...]:
        """What each column was taken for, by name, or by number where the table has no header."""
        shown = [name.strip() or f"column {place}" for place, name in enumerate(self.names, start=1)]
        rows = [("image", shown[self.image]), ("caption", ", ".join(shown[place] for place in self.captions))]
        rows += [(what, shown[at]) for what, at in (("split", self.split), ("labels", self.labels)) if at is not None]
        return tuple(rows)


def columns_of(header: Sequence[str], told: Mapping[str, str | None]) -> Columns | None:
    """The columns by a header; what is `told` (image, caption, split, labels) goes before its words. None if unclear.

    A column is told by its name, or by its number from 1.
    """
    words = [_word(name) for name in header]
    chosen = {what: _place(name, words) for what, name in told.items() if name is not None}
    if None in chosen.values():
        return None
    image = chosen.get("image", _first(words, IMAGE_WORDS))
    taken = {image}
    if chosen.get("caption") is not None:
        captions = [chosen["caption"]]
    else:
        captions = [place for place in _captions(words) if place not in taken]
    if image is None or not captions:
        return None
    split = chosen.get("split", _first(words, SPLIT_WORDS))
    labels = chosen.get("labels", _first(words, LABEL_WORDS))
    return Columns(tuple(header), image, tuple(one for one in captions if one is not None), split, labels)


def captions_in(value: str, column: str) -> list[str]:
    """The captions that a field holds: one, or those of a JSON list in a column whose name allows it."""
    if value.lstrip().startswith("[") and _word(column) in LIST_WORDS:
        try:
            texts = json.loads(value)
        except (ValueError, RecursionError):
            return [value]
        if isinstance(texts, list) and all(isinstance(text, str) for text in texts):
            return texts
    return [value]


def texts_of(value: Any) -> list[str] | None:
    """The texts in a JSON value: a text, or a list of texts or of objects that hold one; None for anything else."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return next((texts_of(value[key]) for key in ("raw", "caption", "text", "sentence") if key in value), None)
    if isinstance(value, list):
        found = [None if isinstance(one, list) else texts_of(one) for one in value]
        return None if None in found else [text for texts in found if texts is not None for text in texts]
    return None


def image_key(keys: Sequence[str], told: str | None = None) -> str | None:
    """The key of an object that names its picture."""
    return _first_key(keys, IMAGE_WORDS) if told is None else told if told in keys else None


def caption_key(keys: Sequence[str], told: str | None = None) -> str | None:
    """The key of an object that holds its captions."""
    return _first_key(keys, CAPTION_WORDS) if told is None else told if told in keys else None


def _first_key(keys: Sequence[str], known: Sequence[str]) -> str | None:
    place = _first([_word(key) for key in keys], known)
    return None if place is None else keys[place]


def _word(name: str) -> str:
    return re.sub(r"[\s\-]+", "_", name.strip().strip("\"'").strip().casefold())


def _first(words: Sequence[str], known: Sequence[str]) -> int | None:
    return next((words.index(word) for word in known if word in words), None)


def _captions(words: Sequence[str]) -> list[int]:
    """The caption column, or several that are numbered (caption_1, caption_2)."""
    for word in CAPTION_WORDS:
        if word in words:
            return [words.index(word)]
        numbered = [
            place for place, one in enumerate(words) if (m := _NUMBERED.match(one)) and m[1].rstrip("_") == word
        ]
        if numbered:
            return numbered
    return []


def _place(told: str, words: Sequence[str]) -> int | None:
    if told.isdecimal() and 1 <= int(told) <= max(len(words), 1) and told not in words:
        return int(told) - 1
    return words.index(_word(told)) if _word(told) in words else None
