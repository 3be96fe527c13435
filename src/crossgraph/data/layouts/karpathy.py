"""Karpathy-split JSON, the form in which Flickr8K, Flickr30K and COCO are usually exchanged *(Karpathy 2015)*.

`{"dataset": "coco", "images": [{"filename", "filepath"?, "split", "sentences": [{"raw"}]}]}`
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crossgraph.data.assembly import CorpusBuilder, json_object, malformed, shortened, split_name
from crossgraph.data.corpus import Corpus, Understood
from crossgraph.data.layouts.csv_captions import picture_folders

_EXPECTED = '{"filename": "a.jpg", "split": "train", "sentences": [{"raw": "..."}]} and optionally "filepath"'


def open_karpathy(
    file: Path, *, images: Path | None = None, name: str | None = None, restval_is_train: bool = True
) -> Corpus:
    """The corpus in `file`; pictures lie in `images`, or else beside the file or in the `images` folder beside it.

    COCO's `restval` pictures, left over from validation, count as `train` unless told otherwise. Entries that make no
    sense are listed. Raises `DataError` for a file of another form, or without one good entry.
    """
    content = json_object(file, expected='a JSON object with a list "images"')
    return karpathy_corpus(file, content, images=images, name=name, restval_is_train=restval_is_train)


def is_karpathy(content: Any) -> bool:
    """Whether JSON is in this form: pictures with their sentences."""
    images = content.get("images") if isinstance(content, Mapping) else None
    return isinstance(images, list) and any(isinstance(one, Mapping) and "sentences" in one for one in images[:20])


def karpathy_corpus(
    file: Path,
    content: Mapping[str, Any],
    *,
    images: Path | None = None,
    name: str | None = None,
    restval_is_train: bool = True,
) -> Corpus:
    """The corpus in what `file` holds."""
    entries = content.get("images")
    if not isinstance(entries, list):
        got = f"an object with {', '.join(content) or 'nothing'}"
        raise malformed(file, "top level", got, expected='a JSON object with a list "images"')
    builder = CorpusBuilder(file, [images] if images is not None else picture_folders(file.parent))
    for index, entry in enumerate(entries):
        where = f"images[{index}]"
        if not _is_entry(entry):
            builder.reject(where, f"got {shortened(entry)}; expected {_EXPECTED}")
            continue
        filename, filepath, split = entry["filename"], entry.get("filepath", ""), entry["split"]
        builder.add(
            f"{filepath}/{filename}" if filepath else filename,
            [sentence["raw"] for sentence in entry["sentences"]],
            where=where,
            split=split_name(split) if restval_is_train or split != "restval" else split,
            aliases=(filename,),
        )
    keys = (("image", "filename"), ("caption", "sentences.raw"), ("split", "split"))
    understood = Understood("karpathy", keys, splits="key split")
    return builder.build(name or str(content.get("dataset") or file.stem), understood=understood)


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and all(isinstance(entry.get(key), str) and entry[key] for key in ("filename", "split"))
        and isinstance(entry.get("filepath", ""), str)
        and isinstance(entry.get("sentences"), list)
        and all(isinstance(one, dict) and isinstance(one.get("raw"), str) for one in entry["sentences"])
    )
