"""Karpathy-split JSON, the form in which Flickr8K, Flickr30K and COCO are usually exchanged *(Karpathy 2015)*.

`{"dataset": "coco", "images": [{"filename", "filepath"?, "split", "sentences": [{"raw"}]}]}`
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from crossgraph.data.assembly import CorpusBuilder, json_object, malformed
from crossgraph.data.corpus import Corpus

_EXPECTED = '{"filename": "a.jpg", "split": "train", "sentences": [{"raw": "..."}]} and optionally "filepath"'


def open_karpathy(
    file: Path, *, images: Path | None = None, name: str | None = None, restval_is_train: bool = True
) -> Corpus:
    """The corpus in `file`; pictures lie in `images`, or else beside the file or in the `images` folder beside it.

    COCO's `restval` pictures, left over from validation, count as `train` unless told otherwise. Raises `DataError`
    naming the first malformed entry.
    """
    content = _content(file)
    folders = [images] if images is not None else [file.parent, file.parent / "images"]
    builder = CorpusBuilder(file, folders)
    for index, entry in enumerate(content["images"]):
        where = f"images[{index}]"
        if not _is_entry(entry):
            raise malformed(file, where, json.dumps(entry), expected=_EXPECTED)
        filename, filepath, split = entry["filename"], entry.get("filepath", ""), entry["split"]
        builder.add(
            f"{filepath}/{filename}" if filepath else filename,
            [sentence["raw"] for sentence in entry["sentences"]],
            where=where,
            split="train" if restval_is_train and split == "restval" else split,
            aliases=(filename,),
        )
    return builder.build(name or str(content.get("dataset") or file.stem))


def _content(file: Path) -> dict[str, Any]:
    expected = 'a JSON object with a list "images"'
    content = json_object(file, expected=expected)
    if not isinstance(content.get("images"), list):
        raise malformed(file, "top level", type(content).__name__, expected=expected)
    return content


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and all(isinstance(entry.get(key), str) and entry[key] for key in ("filename", "split"))
        and isinstance(entry.get("filepath", ""), str)
        and isinstance(entry.get("sentences"), list)
        and all(isinstance(one, dict) and isinstance(one.get("raw"), str) for one in entry["sentences"])
    )
