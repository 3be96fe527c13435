"""A folder, whatever it holds: a caption file of any known kind, or pictures with or without sidecar captions.

Files of well-known names come first, then any other whose content is that of a caption file, if it names half of the
pictures or more: a list of notes on a few must not hide the others. What looks like captions and is not used is listed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from crossgraph.data.assembly import CorpusBuilder, json_content, split_name
from crossgraph.data.corpus import Corpus, Skipped, Understood
from crossgraph.data.exclusions import Exclusions
from crossgraph.data.file_kinds import IMAGE_ENDINGS
from crossgraph.data.inventory import take_inventory
from crossgraph.data.layouts.csv_captions import TableOptions, is_table, open_csv, picture_folders, read_table
from crossgraph.data.layouts.flickr import SPLIT_FILES, is_flickr, open_flickr
from crossgraph.data.layouts.json_captions import is_json, open_json, read_entries
from crossgraph.data.layouts.json_entries import EntryOptions
from crossgraph.data.layouts.jsonl import is_lines, open_jsonl, read_lines
from crossgraph.data.layouts.karpathy import open_karpathy
from crossgraph.data.layouts.rsicd import CLASSES, open_rsicd
from crossgraph.data.layouts.sidecar import open_sidecar
from crossgraph.data.probes import is_file, names_in
from crossgraph.data.unused import with_unused
from crossgraph.errors import DataError

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

KINDS: tuple[tuple[frozenset[str], Callable[[Path], bool], Callable[..., Corpus]], ...] = (
    (frozenset({".txt", ".token"}), is_flickr, open_flickr),
    (frozenset({".csv", ".tsv", ".txt"}), is_table, open_csv),
    (frozenset({".jsonl", ".json", ".ndjson"}), is_lines, open_jsonl),
    (frozenset({".json"}), is_json, open_json),
)
"""Endings, whether a file of such an ending is of the kind by its content, and how it is opened."""

_FOLDERS = ("annotations", "captions", "annotation", "text", "texts", "labels", "data")
_LIKELY = re.compile(r"caption|annot|result|token|metadata|dataset", re.IGNORECASE)
_SPLIT_WORD = re.compile(r"(?<![a-z])(training|train|validation|valid|val|dev|testing|test)(?![a-z])", re.IGNORECASE)
_MOST = 40  # files of unknown names whose content is looked at


def open_folder(folder: Path, *, name: str | None = None, exclude: Sequence[str] = ()) -> Corpus:
    """The corpus in `folder`, less what the patterns of `exclude` leave out, pictures and caption files.

    Raises `DataError` if it has no pictures, or a well-known caption file no good row.
    """
    found, exclusions, others = (
        take_inventory(folder, exclude=exclude),
        Exclusions(folder, exclude),
        _companions(folder),
    )
    for file_name, opener in CAPTION_FILES.items():
        file = folder / file_name
        if file.is_file() and exclusions.source_above(file) is None:
            return with_unused(opener(file, name=name), found, [file, *others], exclude=exclude)
    failed: dict[Path, str] = {}
    for files in caption_files(folder, exclusions):
        try:
            corpus = _open(files, folder, name)
        except DataError as error:
            failed |= {file: str(error).removeprefix(f"{file}: ") for file in files}
            continue
        corpus = with_unused(corpus, found, [*files, *others], failed=failed, exclude=exclude)
        if 2 * len(corpus) >= len(found.images):
            return corpus
        reason = f"it names {len(corpus):,} of the {len(found.images):,} pictures here; to use it, give the file"
        failed |= dict.fromkeys(files, reason)
    corpus = open_sidecar(found, name=name)
    reasons = tuple(Skipped(one.path, failed.get(one.path, one.reason)) for one in corpus.unused)
    return replace(corpus, unused=reasons)


def caption_files(folder: Path, exclusions: Exclusions) -> list[list[Path]]:
    """The files of a folder whose content is that of a caption file, likely names first; files of splits together."""
    names = os.listdir(folder)
    endings = tuple(frozenset().union(*(kinds for kinds, _, _ in KINDS)))
    texts = [name for name in names if name.lower().endswith(endings)]
    if texts:
        stems = {os.path.splitext(name)[0] for name in names if name.lower().endswith(tuple(IMAGE_ENDINGS))}
        texts = [name for name in texts if os.path.splitext(name)[0] not in stems]
    places = [folder / name for name in sorted(texts, key=lambda one: (_LIKELY.search(one) is None, one))]
    below = [folder / name for name in _FOLDERS if (folder / name).is_dir()]
    places += [one / name for one in below for name in names_in(one) if name.lower().endswith(endings)]
    known = [file for file in places if not _is_other(file)][:_MOST]
    groups: dict[tuple[Path, str], list[Path]] = {}
    for file in known:
        if is_file(file) and exclusions.source_above(file) is None and opener_of(file) is not None:
            template = _SPLIT_WORD.sub("*", file.name)
            groups.setdefault((file.parent, template), []).append(file)
    return list(groups.values())


def opener_of(file: Path) -> Callable[..., Corpus] | None:
    """How a caption file is opened, by its content; None for what is none."""
    ending = file.suffix.lower()
    return next((opener for endings, is_one, opener in KINDS if ending in endings and is_one(file)), None)


def _open(files: list[Path], folder: Path, name: str | None) -> Corpus:
    """The corpus in one caption file, or in several that are a split each."""
    opener = opener_of(files[0])
    assert opener is not None
    if len(files) == 1 or opener is open_flickr:
        return opener(files[0], name=name or folder.absolute().name)
    builder = CorpusBuilder(folder, list(dict.fromkeys([*picture_folders(folder), *picture_folders(files[0].parent)])))
    found: list[Understood] = []
    for file in files:
        word = _SPLIT_WORD.search(file.name)
        split = None if word is None else split_name(word[1].lower())
        try:
            if opener is open_csv:
                found.append(replace(read_table(builder, file, TableOptions(), split=split), layout="csv"))
            elif opener is open_jsonl:
                found.append(replace(read_lines(builder, file, EntryOptions(), split=split), layout="jsonl"))
            else:
                found.append(read_entries(builder, file, json_content(file), EntryOptions(), split=split))
        except DataError as error:
            builder.reject("the file", str(error).removeprefix(f"{file}: "), file=file)
    if not found:
        return builder.build(folder.name)
    splits = found[0].splits if found[0].splits.startswith(("column", "key")) else "names of the files"
    notes = (*(f"read {file}" for file in files), *dict.fromkeys(note for one in found for note in one.notes))
    return builder.build(name or folder.absolute().name, understood=replace(found[0], splits=splits, notes=notes))


def _companions(folder: Path) -> list[Path]:
    """Files that are read along with a caption file: lists of splits and of classes."""
    return [file for pattern in (*SPLIT_FILES.values(), f"{CLASSES}/**/*.txt") for file in folder.glob(pattern)]


def _is_other(file: Path) -> bool:
    """Whether a file is there for another purpose by its name: lists of splits, instances, statistics, a read-me."""
    lists = ("trainImages.txt", "devImages.txt", "testImages.txt")
    return file.name.endswith((*lists, "_stats.json")) or file.name.lower().startswith(
        ("readme", "license", "instances_")
    )
