"""Open any corpus by one word or path: a folder, a caption file, a file of features, or one that is drawn on the spot.

A path's own content says how it is read; `name:PATH` says it outright, and `name:PATH?option=value&...` says more.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from crossgraph.data.corpus import Corpus, Understood
from crossgraph.data.drawn.matrices_demo import open_matrices_demo
from crossgraph.data.drawn.scenes import MANIFEST, open_named_scenes, open_scenes
from crossgraph.data.guides import GUIDES
from crossgraph.data.inventory import without_excluded
from crossgraph.data.layouts.bucket import open_bucket
from crossgraph.data.layouts.coco import CocoOptions, is_coco, open_coco
from crossgraph.data.layouts.csv_captions import TableOptions, open_csv
from crossgraph.data.layouts.dchmt import is_dchmt, open_dchmt
from crossgraph.data.layouts.flickr import open_flickr
from crossgraph.data.layouts.folder import CAPTION_FILES, open_folder, opener_of
from crossgraph.data.layouts.imagefolder import is_imagefolder, open_imagefolder
from crossgraph.data.layouts.img2dataset import is_img2dataset, open_img2dataset
from crossgraph.data.layouts.json_captions import open_json
from crossgraph.data.layouts.json_entries import EntryOptions
from crossgraph.data.layouts.jsonl import open_jsonl
from crossgraph.data.layouts.karpathy import open_karpathy
from crossgraph.data.layouts.matrices import is_matrices, open_matrices
from crossgraph.data.layouts.matrix_files import SUFFIXES
from crossgraph.data.layouts.matrix_layouts import MatrixOptions
from crossgraph.data.layouts.mirflickr import MirflickrOptions, is_mirflickr, open_mirflickr
from crossgraph.data.layouts.nuswide import NuswideOptions, is_nuswide, open_nuswide
from crossgraph.data.layouts.parquet import is_parquet, open_parquet
from crossgraph.data.layouts.precomp import is_precomp, open_precomp
from crossgraph.data.layouts.rsicd import open_rsicd
from crossgraph.data.objects import ObjectPath
from crossgraph.data.options import NoOptions, SourceOptions, options_of
from crossgraph.data.places import exists, is_far, placed
from crossgraph.data.probes import require_open
from crossgraph.data.shares import Shares
from crossgraph.data.splits import split_of
from crossgraph.errors import DataError
from crossgraph.progress import Progress, Silent
from crossgraph.storage.address import SCHEME

DATASETS: dict[str, Callable[..., Corpus]] = {
    "scenes": open_scenes,
    "folder": open_folder,
    "jsonl": open_jsonl,
    "csv": open_csv,
    "json": open_json,
    "imagefolder": open_imagefolder,
    "img2dataset": open_img2dataset,
    "parquet": open_parquet,
    "karpathy": open_karpathy,
    "flickr": open_flickr,
    "mirflickr": open_mirflickr,
    "nuswide": open_nuswide,
    "coco": open_coco,
    "rsicd": open_rsicd,
    "precomp": open_precomp,
    "dchmt": open_dchmt,
    "matrices": open_matrices,
}
"""Source -> opener; each takes a path and `name`, those in `OPTIONS` `options`, those in `EXCLUDING` `exclude`."""

OPTIONS: Mapping[str, type[SourceOptions]] = {
    "csv": TableOptions,
    "jsonl": EntryOptions,
    "json": EntryOptions,
    "parquet": EntryOptions,
    "dchmt": Shares,
    "mirflickr": MirflickrOptions,
    "nuswide": NuswideOptions,
    "coco": CocoOptions,
    "matrices": MatrixOptions,
}
"""Source -> what it can be told after the `?`."""

EXCLUDING = frozenset({"folder", "imagefolder", "img2dataset", "parquet", "dchmt"})
"""Sources whose openers look through a folder themselves: patterns say what they leave out."""

LAYOUTS: Mapping[str, Callable[[Path], bool]] = {
    "mirflickr": is_mirflickr,
    "nuswide": is_nuswide,
    "coco": is_coco,
    "precomp": is_precomp,
    "dchmt": is_dchmt,
    "imagefolder": is_imagefolder,
    "img2dataset": is_img2dataset,
    "parquet": is_parquet,
    "matrices": is_matrices,
}
"""Source -> whether a folder without a caption file of a known name is one, by its characteristic files; the first that
says yes."""

DRAWN = ("scenes", "matrices-demo")
"""Corpora that need no files."""

_BY_SUFFIX = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".txt": "csv",
    ".token": "flickr",
    ".tar": "img2dataset",
    ".parquet": "parquet",
    **dict.fromkeys(SUFFIXES, "matrices"),
}
"""How a file is read whose content says nothing: as that, to hear what is wrong with it."""


def open_corpus(
    spec: str | Path,
    *,
    name: str | None = None,
    split: str | None = None,
    exclude: Sequence[str] = (),
    progress: Progress = Silent(),
) -> Corpus:
    """The corpus that `spec` means: a folder, a file, "name:PATH?option=value", or one that is drawn.

    The texts "scenes[:COUNT[:SEED]]" and "matrices-demo[:SEED]" are drawn; for a folder of that name, write "./scenes".
    `name` replaces the corpus's own; `split` keeps one split only (`data.splits`); `exclude` are patterns (of
    gitignore) of pictures to leave out of a folder; `progress` hears of scenes being drawn. Raises `DataError` saying
    what to give instead.
    """
    corpus = _open(spec, name, exclude, progress)
    if corpus.skipped_rows:
        first = corpus.skipped_rows[0]
        progress.note(
            "rows skipped", count=len(corpus.skipped_rows), first=f"{first.path}, {first.where}: {first.reason}"
        )
    return corpus if split is None else split_of(corpus, split)


def given_corpus(data: Corpus | Path | str) -> Corpus:
    """The corpus that a verb was given: opened where it lies, or as it is."""
    return open_corpus(data) if isinstance(data, (Path, str)) else data


def source_of(spec: str | Path) -> str:
    """The name in `DATASETS` (or `DRAWN`) under which `spec` is read. Raises `DataError` as `open_corpus` does."""
    word, path, _ = _parsed(spec)
    return word or _source_of(path, ())


def folder_of(spec: str | Path) -> Path | None:
    """The folder that `spec` names, if it is one: what lies in it belongs to the corpus."""
    word, path, _ = _parsed(spec)
    return path if word not in DRAWN and path.is_dir() else None


def place_of(spec: str | Path) -> Path | None:
    """The folder or file that `spec` is the path of, and nothing else; None for what is drawn or told a layout."""
    word, path, _ = _parsed(spec)
    return path if not word and exists(path) else None


def _open(spec: str | Path, name: str | None, exclude: Sequence[str], progress: Progress) -> Corpus:
    word, path, told = _parsed(spec)
    if word in DRAWN:
        drawn = (
            open_named_scenes(str(spec), name=name, progress=progress)
            if word == "scenes"
            else open_matrices_demo(str(spec), name=name)
        )
        return replace(drawn, understood=Understood(word))
    if not word and not path.exists() and path.name in GUIDES and path.parent == Path():
        raise DataError(f"{path} is a layout; give the folder that holds it: {path}:FOLDER.{_guide(path.name)}")
    if word and not exists(path):
        raise DataError(f"{_missing(path)}{_guide(word)}")
    if isinstance(path, ObjectPath):
        return open_bucket(path, name=name, exclude=exclude)
    require_open(path)
    source = word or _source_of(path, exclude)
    opener, options = DATASETS[source], options_of(OPTIONS.get(source, NoOptions), told, spec=str(spec))
    opener = partial(opener, options=options) if source in OPTIONS else opener
    if source in EXCLUDING:
        corpus = opener(path, name=name, exclude=exclude)
    else:
        corpus = opener(path, name=name)
        corpus = without_excluded(corpus, path, exclude=exclude) if path.is_dir() else corpus
    if corpus.understood.layout:
        return corpus
    return replace(corpus, understood=replace(corpus.understood, layout=source))


def _parsed(spec: str | Path) -> tuple[str, Path, str]:
    """The named source ("" if the path is to say it), the path, and the options as text."""
    if isinstance(spec, str):
        if not spec.strip():
            raise DataError("the data are named by an empty text. Give a folder or a caption file; . is this folder.")
        word, sign, rest = spec.partition(":")
        if word in DRAWN:
            return word, Path(), ""
        if sign and word in DATASETS:
            place, _, told = rest.partition("?")
            return word, Path(place).expanduser(), told
    return "", placed(spec) if is_far(spec) else Path(spec).expanduser(), ""


def _source_of(path: Path, exclude: Sequence[str]) -> str:
    if path.is_dir():
        if (path / MANIFEST).is_file():
            return "scenes"
        if any((path / file).is_file() for file in CAPTION_FILES):
            return "folder"
        probes: dict[str, Callable[[Path], bool]] = {**LAYOUTS, "imagefolder": partial(is_imagefolder, exclude=exclude)}
        return next((layout for layout, is_one in probes.items() if is_one(path)), "folder")
    if not path.is_file() and not exists(path):
        raise DataError(f"{_missing(path)} Give a folder of pictures, a caption file, or scenes.")
    if path.suffix.lower() not in _BY_SUFFIX:
        raise DataError(
            f"{path}: cannot tell what kind of caption file this is; known endings are {', '.join(_BY_SUFFIX)}. "
            f"To use a picture, give the folder it is in."
        )
    if path.name == "dataset_rsicd.json":
        return "rsicd"
    opener = opener_of(path)
    by_content = next((source for source, one in DATASETS.items() if one is opener), None)
    return by_content or _BY_SUFFIX[path.suffix.lower()]


def _guide(source: str) -> str:
    return f"\n{GUIDES[source].text()}" if source in GUIDES else ""


def _missing(path: Path) -> str:
    beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    words = [] if path.is_absolute() or len(path.parts) > 1 else list(DRAWN)
    near = difflib.get_close_matches(path.name, [*words, *beside], n=1, cutoff=0.6)
    meant = [repr(one) if one in words else str(path.parent / one) for one in near]
    hint = f" Did you mean {meant[0]}?" if meant else ""
    if str(path).partition("/")[0].endswith(":"):
        hint += f" Pictures in an object store are named {SCHEME}BUCKET/FOLDER."
    return f"{path}: no such folder or file.{hint}"
