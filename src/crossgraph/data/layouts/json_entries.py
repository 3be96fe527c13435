"""One JSON object, one picture with its captions: the keys that are understood, whichever file it stands in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from crossgraph.data.assembly import NO_SPLIT, CorpusBuilder, shortened, split_name
from crossgraph.data.columns import LABEL_WORDS, SPLIT_WORDS, caption_key, image_key, texts_of
from crossgraph.data.label_cells import Cell
from crossgraph.data.options import SourceOptions

EXPECTED = '{"image": "a.jpg", "captions": ["..."]} or "caption", and optionally "split" and "labels"'


class EntryOptions(SourceOptions):
    """What is told of JSON entries; the rest is found out."""

    image: str | None = Field(None, description="the key that names the picture")
    caption: str | None = Field(None, description="the key of the caption or captions")
    images: str | None = Field(None, description="the folder that the pictures are in")
    val: int | None = Field(
        None, ge=2, description="where no val is named, one in so many pictures is val, by a hash of its file's name"
    )


def add_entry(
    builder: CorpusBuilder,
    entry: Any,
    *,
    where: str,
    file: Path,
    options: EntryOptions = EntryOptions(),
    prefix: str = "",
    split: str | None = None,
) -> tuple[tuple[str, str], ...]:
    """Give one entry to `builder`, or list it; which key was taken for what, empty for an entry that was listed."""
    fault, row = _understood(entry, options)
    if row is None:
        builder.reject(where, f"{fault}: {shortened(entry)}; expected {EXPECTED}", file=file)
        return ()
    image, captions, keys = row
    own = next((entry[key] for key in SPLIT_WORDS if isinstance(entry.get(key), str)), None)
    builder.add(
        prefix + image,
        captions,
        where=where,
        split=split_name(own) if own is not None else split or NO_SPLIT,
        label_cell=_labels(entry) or "",
        scene=scene.replace("_", " ").strip() if isinstance(scene := entry.get("scene"), str) else "",
        source=source.strip() if isinstance(source := entry.get("source"), str) else "",
        file=file,
    )
    return keys


def _understood(
    entry: Any, options: EntryOptions
) -> tuple[str, tuple[str, list[str], tuple[tuple[str, str], ...]] | None]:
    """Why an entry cannot be used; or the picture it names, its captions and their keys."""
    if not isinstance(entry, Mapping):
        return "no JSON object", None
    image = image_key(list(entry), options.image)
    if image is None or not isinstance(entry[image], str | int) or not str(entry[image]).strip():
        return "it names no picture", None
    if "conversations" in entry and options.caption is None:
        key, captions = "conversations", _answers(entry["conversations"])
    else:
        found = caption_key([one for one in entry if one != image], options.caption)
        key, captions = found or "", None if found is None else texts_of(entry[found])
    if captions is None and not key and (_labels(entry) or isinstance(entry.get("scene"), str)):
        captions = []
    if captions is None:
        return f"{key} is no text or list of texts" if key else "it has no captions", None
    if not isinstance(entry.get("split", ""), str):
        return "split is no text", None
    if _labels(entry) is None:
        return "labels are no list of texts", None
    told = (("image", image), ("caption", key)) if key else (("image", image),)
    return "", (str(entry[image]).strip(), captions, told)


def _answers(conversation: Any) -> list[str] | None:
    """What the model is to say in LLaVA's conversations."""
    if not isinstance(conversation, list) or not all(isinstance(one, dict) for one in conversation):
        return None
    said = [one.get("value") for one in conversation if one.get("from") in ("gpt", "assistant")]
    return [one for one in said if isinstance(one, str)]


def _labels(entry: Mapping[str, Any]) -> Cell | None:
    """What an entry says of its labels; None where they are no texts."""
    value: Any = next((entry[key] for key in LABEL_WORDS if key in entry), [])
    if isinstance(value, str | int):
        return str(value)
    if not isinstance(value, list) or not all(isinstance(one, str | int) for one in value):
        return None
    return [str(one) for one in value]
