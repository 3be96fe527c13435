"""Captions in one JSON file: a list of objects (BLIP, ALBEF, LLaVA), names with texts, or a known release's form.

    [{"image": "val2014/a.jpg", "caption": "..." or ["...", "..."]}]      {"a.jpg": "..." or ["...", "..."]}

What `karpathy` and `coco` are is known by the content too, whatever the file is called.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from crossgraph.data.assembly import CorpusBuilder, json_content, malformed
from crossgraph.data.columns import caption_key, image_key, texts_of
from crossgraph.data.corpus import Corpus, Understood
from crossgraph.data.encodings import decode_text
from crossgraph.data.file_kinds import IMAGE_ENDINGS
from crossgraph.data.layouts.coco import coco_captions, is_coco_captions
from crossgraph.data.layouts.csv_captions import picture_folders
from crossgraph.data.layouts.json_entries import EntryOptions, add_entry
from crossgraph.data.layouts.karpathy import is_karpathy, karpathy_corpus
from crossgraph.data.splits import one_in

_KEY = re.compile(r'"([^"\\\n]{1,200})"\s*:')
_EXPECTED = 'a list of {"image": "a.jpg", "caption": "..."}, {"a.jpg": "..."}, or the form of COCO or Karpathy'


def open_json(file: Path, *, name: str | None = None, options: EntryOptions = EntryOptions()) -> Corpus:
    """The corpus in `file`, pictures in its order; entries that make no sense are listed.

    Raises `DataError` for JSON of no known form, or without one good entry.
    """
    content = json_content(file, expected=_EXPECTED)
    if is_karpathy(content):
        return one_in(options.val, karpathy_corpus(file, content, images=_images(file, options), name=name))
    if is_coco_captions(content):
        return one_in(options.val, coco_captions(file, content, name=name))
    builder = CorpusBuilder(file, picture_folders(file.parent, options.images))
    understood = read_entries(builder, file, content, options)
    tried = f"To say it by hand: json:{file}?image=KEY&caption=KEY&images=FOLDER."
    return one_in(options.val, builder.build(name or file.stem, understood=understood, tried=tried))


def is_json(file: Path) -> bool:
    """Whether the head of a file looks like that of captions in JSON."""
    try:
        with file.open("rb") as stream:
            head = decode_text(stream.read(65_536)).text
    except OSError:
        return False
    keys = [one.casefold() for one in _KEY.findall(head)]
    if '"images"' in head and ("sentences" in keys or "file_name" in keys):
        return True
    named = image_key(keys) is not None and ("conversations" in keys or caption_key(keys) is not None)
    return named or any(key.endswith(tuple(IMAGE_ENDINGS)) for key in keys)


def read_entries(
    builder: CorpusBuilder, file: Path, content: Any, options: EntryOptions, *, split: str | None = None
) -> Understood:
    """Give the entries of a JSON file to `builder`. Raises `DataError` where it has none."""
    keys: tuple[tuple[str, str], ...] = ()
    splits = "none" if split is None else "name of the file"
    for where, entry in _entries(file, content):
        own = add_entry(builder, entry, where=where, file=file, options=options, split=split)
        keys = keys or own
        splits = "key split" if own and "split" in entry else splits
    return Understood("json", keys, splits=splits)


def _entries(file: Path, content: Any) -> Iterator[tuple[str, Any]]:
    """The entries with their places: those of a list, of the one list in an object, or names with texts."""
    if isinstance(content, Mapping):
        lists = {key: value for key, value in content.items() if _is_list_of_objects(value)}
        if len(lists) == 1:
            key, value = next(iter(lists.items()))
            yield from ((f"{key}[{index}]", entry) for index, entry in enumerate(value))
            return
        if any(content.values()) and all(texts_of(value) is not None for value in content.values()):
            yield from ((f"key {key!r}", {"image": key, "captions": value}) for key, value in content.items())
            return
    if not isinstance(content, list):
        raise malformed(file, "top level", f"{type(content).__name__} {content!r}", expected=_EXPECTED)
    yield from ((f"entry {index}", entry) for index, entry in enumerate(content))


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)


def _images(file: Path, options: EntryOptions) -> Path | None:
    return None if options.images is None else file.parent / Path(options.images).expanduser()
