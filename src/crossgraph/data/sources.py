"""Open any corpus by one word or path: a folder, a caption file, or `scenes`, which is drawn on the spot."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

from crossgraph.data.corpus import Corpus
from crossgraph.data.csv_captions import open_csv
from crossgraph.data.flickr import open_flickr
from crossgraph.data.folder import open_folder
from crossgraph.data.jsonl import open_jsonl
from crossgraph.data.karpathy import open_karpathy
from crossgraph.data.matrices_demo import open_matrices_demo
from crossgraph.data.scenes import MANIFEST, open_named_scenes, open_scenes
from crossgraph.errors import DataError, unknown_name
from crossgraph.progress import Progress, Silent

DATASETS: dict[str, Callable[..., Corpus]] = {
    "scenes": open_scenes,
    "folder": open_folder,
    "jsonl": open_jsonl,
    "csv": open_csv,
    "karpathy": open_karpathy,
    "flickr": open_flickr,
}
"""Source -> opener; each takes a path and `name`."""

_BY_SUFFIX = {".jsonl": "jsonl", ".csv": "csv", ".json": "karpathy", ".txt": "flickr", ".token": "flickr"}


def open_corpus(
    spec: str | Path, *, name: str | None = None, split: str | None = None, progress: Progress = Silent()
) -> Corpus:
    """The corpus that `spec` means: a folder, a caption file, or the text "scenes[:COUNT[:SEED]]".

    `name` replaces the corpus's own; `split` keeps one split only; `progress` hears of scenes being drawn. The text
    "scenes" never means a folder of that name; write "./scenes" for it. Raises `DataError` saying what to give instead.
    """
    if isinstance(spec, str) and spec.split(":")[0] == "matrices-demo":
        corpus = open_matrices_demo(spec, name=name)
    elif isinstance(spec, str) and spec.split(":")[0] == "scenes":
        corpus = open_named_scenes(spec, name=name, progress=progress)
    else:
        path = Path(spec).expanduser()
        corpus = DATASETS[_source_of(path)](path, name=name)
    return corpus if split is None else corpus.split(split)


def _source_of(path: Path) -> str:
    if path.is_dir():
        return "scenes" if (path / MANIFEST).is_file() else "folder"
    if not path.is_file():
        raise DataError(f"{_missing(path)} Give a folder of pictures, a caption file, or scenes.")
    if path.suffix.lower() not in _BY_SUFFIX:
        raise DataError(
            f"{path}: cannot tell what kind of caption file this is; known endings are {', '.join(_BY_SUFFIX)}. "
            f"To use a picture, give the folder it is in."
        )
    return _BY_SUFFIX[path.suffix.lower()]


def _missing(path: Path) -> str:
    beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, beside, n=4, cutoff=0.5)
    return unknown_name("corpus", str(path), ["scenes", *(str(path.parent / other) for other in near)])
