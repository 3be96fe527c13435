"""A folder, whatever it holds: a caption file of any known kind, or pictures with or without sidecar captions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from crossgraph.data.corpus import Corpus
from crossgraph.data.layouts.csv_captions import open_csv
from crossgraph.data.layouts.flickr import open_flickr
from crossgraph.data.layouts.jsonl import open_jsonl
from crossgraph.data.layouts.karpathy import open_karpathy
from crossgraph.data.layouts.rsicd import open_rsicd
from crossgraph.data.layouts.sidecar import open_sidecar

CAPTION_FILES: dict[str, Callable[..., Corpus]] = {
    "captions.jsonl": open_jsonl,
    "captions.csv": open_csv,
    "dataset_flickr8k.json": open_karpathy,
    "dataset_flickr30k.json": open_karpathy,
    "dataset_coco.json": open_karpathy,
    "dataset_rsicd.json": open_rsicd,
    "Flickr8k.token.txt": open_flickr,
    "results_20130124.token": open_flickr,
}
"""Caption files that are known by their name; the first of them that a folder holds decides how it is read."""


def open_folder(folder: Path, *, name: str | None = None, exclude: Sequence[str] = ()) -> Corpus:
    """The corpus in `folder`, less what the patterns of `exclude` leave out.

    Raises `DataError` when there are no pictures or the caption file is malformed."""
    for file_name, opener in CAPTION_FILES.items():
        if (folder / file_name).is_file():
            return opener(folder / file_name, name=name)
    return open_sidecar(folder, name=name, exclude=exclude)
