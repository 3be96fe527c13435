"""Hugging Face's ImageFolder: `metadata.csv` or `metadata.jsonl` with `file_name` and a caption, beside the pictures.

    train/metadata.csv  train/0001.png ...  test/metadata.jsonl  ...      or one metadata file for all

Folders called train, validation, test and so on are the splits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from crossgraph.data.assembly import CorpusBuilder, split_name
from crossgraph.data.corpus import Corpus, Understood
from crossgraph.data.exclusions import Exclusions
from crossgraph.data.inventory import not_the_users, take_inventory
from crossgraph.data.layouts.class_folders import SPLIT_FOLDERS
from crossgraph.data.layouts.csv_captions import TableOptions, is_table, read_table
from crossgraph.data.layouts.json_entries import EntryOptions
from crossgraph.data.layouts.jsonl import is_lines, read_lines
from crossgraph.data.probes import is_file, is_folder, names_in
from crossgraph.data.unused import with_unused
from crossgraph.errors import DataError

METADATA = ("metadata.csv", "metadata.jsonl")


def is_imagefolder(folder: Path, *, exclude: Sequence[str] = ()) -> bool:
    """Whether a folder, or one below it, holds a metadata file with captions that `exclude` does not leave out."""
    files = metadata_files(folder, exclude=exclude)
    return any(is_table(file) if file.suffix == ".csv" else is_lines(file) for file in files)


def open_imagefolder(folder: Path, *, name: str | None = None, exclude: Sequence[str] = ()) -> Corpus:
    """The corpus in `folder`, in the order of its metadata, less what the patterns of `exclude` leave out.

    Raises `DataError` where no row could be used.
    """
    files = metadata_files(folder, exclude=exclude)
    builder = CorpusBuilder(folder if len(files) != 1 else files[0], [folder])
    found: list[Understood] = []
    for file in files:
        below = file.parent.relative_to(folder).as_posix()
        prefix = "" if below == "." else f"{below}/"
        split = split_name(below.split("/")[0]) if below.split("/")[0].lower() in SPLIT_FOLDERS else None
        try:
            if file.suffix == ".csv":
                table = read_table(builder, file, TableOptions(), prefix=prefix, split=split)
            else:
                table = read_lines(builder, file, EntryOptions(), prefix=prefix, split=split)
        except DataError as error:
            builder.reject("the file", str(error).removeprefix(f"{file}: "), file=file)
            continue
        found.append(table)
    notes = (*(f"read {file}" for file in files), *dict.fromkeys(note for one in found for note in one.notes))
    understood = replace(found[0] if found else Understood(), layout="imagefolder", notes=notes)
    corpus = builder.build(name or folder.absolute().name, understood=understood)
    return with_unused(_with_splits(corpus), take_inventory(folder, exclude=exclude), files, exclude=exclude)


def metadata_files(folder: Path, *, exclude: Sequence[str] = ()) -> list[Path]:
    """The metadata files of a folder or of the folders in it; of two in one folder the first counts.

    What is left out of an inventory, and by the patterns of `exclude`, is left out here.
    """
    exclusions = Exclusions(folder, exclude)

    def first(place: Path) -> list[Path]:
        files = [place / name for name in METADATA if is_file(place / name)]
        return [file for file in files if exclusions.source_above(file) is None][:1]

    names = [name for name in names_in(folder) if "." not in name and not_the_users(name) is None]
    below = [folder / name for name in names if is_folder(folder / name)]
    return first(folder) or [file for one in below for file in first(one)]


def _with_splits(corpus: Corpus) -> Corpus:
    """The corpus split by the folders its pictures are in, where nothing else says it."""
    first = [PurePosixPath(image).parts[0] for image in corpus.image_ids]
    known = all(part.lower() in SPLIT_FOLDERS for part in first)
    if not known or corpus.understood.splits != "none":
        return corpus
    splits = tuple(split_name(part) for part in first)
    return replace(corpus, image_splits=splits, understood=replace(corpus.understood, splits="names of folders"))
