"""Open any corpus by one word or path: a folder, a caption file, a file of features, or one that is drawn on the spot.

A path's own content says how it is read; `name:PATH` says it outright, and `name:PATH?option=value&...` says more.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path

from crossgraph.data.corpus import Corpus
from crossgraph.data.drawn.matrices_demo import open_matrices_demo
from crossgraph.data.drawn.scenes import MANIFEST, open_named_scenes, open_scenes
from crossgraph.data.guides import GUIDES
from crossgraph.data.layouts.coco import CocoOptions, is_coco, open_coco
from crossgraph.data.layouts.csv_captions import open_csv
from crossgraph.data.layouts.flickr import open_flickr
from crossgraph.data.layouts.folder import CAPTION_FILES, open_folder
from crossgraph.data.layouts.jsonl import open_jsonl
from crossgraph.data.layouts.karpathy import open_karpathy
from crossgraph.data.layouts.matrices import is_matrices, open_matrices
from crossgraph.data.layouts.matrix_files import SUFFIXES
from crossgraph.data.layouts.matrix_layouts import MatrixOptions
from crossgraph.data.layouts.mirflickr import MirflickrOptions, is_mirflickr, open_mirflickr
from crossgraph.data.layouts.nuswide import NuswideOptions, is_nuswide, open_nuswide
from crossgraph.data.layouts.rsicd import open_rsicd
from crossgraph.data.options import NoOptions, SourceOptions, options_of
from crossgraph.data.splits import split_of
from crossgraph.errors import DataError, unknown_name
from crossgraph.progress import Progress, Silent

DATASETS: dict[str, Callable[..., Corpus]] = {
    "scenes": open_scenes,
    "folder": open_folder,
    "jsonl": open_jsonl,
    "csv": open_csv,
    "karpathy": open_karpathy,
    "flickr": open_flickr,
    "mirflickr": open_mirflickr,
    "nuswide": open_nuswide,
    "coco": open_coco,
    "rsicd": open_rsicd,
    "matrices": open_matrices,
}
"""Source -> opener; each takes a path and `name`, and those in `OPTIONS` take `options`."""

OPTIONS: Mapping[str, type[SourceOptions]] = {
    "mirflickr": MirflickrOptions,
    "nuswide": NuswideOptions,
    "coco": CocoOptions,
    "matrices": MatrixOptions,
}
"""Source -> what it can be told after the `?`."""

LAYOUTS: Mapping[str, Callable[[Path], bool]] = {
    "mirflickr": is_mirflickr,
    "nuswide": is_nuswide,
    "coco": is_coco,
    "matrices": is_matrices,
}
"""Source -> whether a folder without a caption file is one, by its characteristic files; the first that says yes."""

DRAWN = ("scenes", "matrices-demo")
"""Corpora that need no files."""

_BY_SUFFIX = {
    ".jsonl": "jsonl",
    ".csv": "csv",
    ".json": "karpathy",
    ".txt": "flickr",
    ".token": "flickr",
    **dict.fromkeys(SUFFIXES, "matrices"),
}


def open_corpus(
    spec: str | Path, *, name: str | None = None, split: str | None = None, progress: Progress = Silent()
) -> Corpus:
    """The corpus that `spec` means: a folder, a file, "name:PATH?option=value", or one that is drawn.

    The texts "scenes[:COUNT[:SEED]]" and "matrices-demo[:SEED]" are drawn; for a folder of that name, write "./scenes".
    `name` replaces the corpus's own; `split` keeps one split only (`data.splits`); `progress` hears of scenes being
    drawn. Raises `DataError` saying what to give instead.
    """
    corpus = _open(spec, name, progress)
    return corpus if split is None else split_of(corpus, split)


def given_corpus(data: Corpus | Path | str) -> Corpus:
    """The corpus that a verb was given: opened where it lies, or as it is."""
    return open_corpus(data) if isinstance(data, (Path, str)) else data


def source_of(spec: str | Path) -> str:
    """The name in `DATASETS` (or `DRAWN`) under which `spec` is read. Raises `DataError` as `open_corpus` does."""
    word, path, _ = _parsed(spec)
    return word or _source_of(path)


def _open(spec: str | Path, name: str | None, progress: Progress) -> Corpus:
    word, path, told = _parsed(spec)
    if word == "matrices-demo":
        return open_matrices_demo(str(spec), name=name)
    if word == "scenes":
        return open_named_scenes(str(spec), name=name, progress=progress)
    if not word and not path.exists() and path.name in GUIDES and path.parent == Path():
        raise DataError(f"{path} is a layout; give the folder that holds it: {path}:FOLDER.{_guide(path.name)}")
    if word and not path.exists():
        raise DataError(f"{_missing(path)}{_guide(word)}")
    source = word or _source_of(path)
    if source in OPTIONS:
        return DATASETS[source](path, name=name, options=options_of(OPTIONS[source], told, spec=str(spec)))
    options_of(NoOptions, told, spec=str(spec))
    return DATASETS[source](path, name=name)


def _parsed(spec: str | Path) -> tuple[str, Path, str]:
    """The named source ("" if the path is to say it), the path, and the options as text."""
    if isinstance(spec, str):
        word, sign, rest = spec.partition(":")
        if word in DRAWN:
            return word, Path(), ""
        if sign and word in DATASETS:
            place, _, told = rest.partition("?")
            return word, Path(place).expanduser(), told
    return "", Path(spec).expanduser(), ""


def _source_of(path: Path) -> str:
    if path.is_dir():
        if (path / MANIFEST).is_file():
            return "scenes"
        if any((path / file).is_file() for file in CAPTION_FILES):
            return "folder"
        return next((layout for layout, is_one in LAYOUTS.items() if is_one(path)), "folder")
    if not path.is_file():
        raise DataError(f"{_missing(path)} Give a folder of pictures, a caption file, or scenes.")
    if path.suffix.lower() not in _BY_SUFFIX:
        raise DataError(
            f"{path}: cannot tell what kind of caption file this is; known endings are {', '.join(_BY_SUFFIX)}. "
            f"To use a picture, give the folder it is in."
        )
    return "rsicd" if path.name == "dataset_rsicd.json" else _BY_SUFFIX[path.suffix.lower()]


def _guide(source: str) -> str:
    return f"\n{GUIDES[source].text()}" if source in GUIDES else ""


def _missing(path: Path) -> str:
    beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, beside, n=4, cutoff=0.5)
    return unknown_name("corpus", str(path), [*DRAWN, *(str(path.parent / other) for other in near)])
