"""What img2dataset writes: `00000/000000000.jpg` with `.txt` and `.json` of that name, or the same inside `00000.tar`.

A `.txt` is one caption, however many lines it has. Where no picture has one, the captions are those of the `.json`.
Tar files are read where they lie; any WebDataset of pictures does. Compressed ones are streamed once, and their
pictures unpacked into the user's cache.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from crossgraph.data import tars
from crossgraph.data.archives import is_picture
from crossgraph.data.assembly import CorpusBuilder, names_below
from crossgraph.data.corpus import Corpus, FileCounts, Skipped, Understood
from crossgraph.data.encodings import decode_text, is_undecoded
from crossgraph.data.file_kinds import IMAGE_ENDINGS
from crossgraph.data.images import file_reason
from crossgraph.data.inventory import holds_images, take_inventory
from crossgraph.data.places import read_bytes
from crossgraph.data.unpacked import safe_path, unpacked
from crossgraph.data.unused import unused_texts
from crossgraph.errors import DataError

_SHARD = re.compile(r"\d{5,}")
_CUT = ".cut"  # says of an unpacked file why it was not read to its end
_TEXTS = frozenset({".txt", ".json", ".caption"})


@dataclass
class _Found:
    """Pictures with their texts beside them, by the name each has in the corpus; `inside`: texts in tar files."""

    images: dict[str, Path] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    inside: set[Path] = field(default_factory=set)
    in_place: int = 0
    unpacked: list[Path] = field(default_factory=list)
    texts: tuple[Path, ...] = ()
    files: FileCounts | None = None


def is_img2dataset(folder: Path) -> bool:
    """Whether a folder holds shards as img2dataset writes them, or nothing but tar files."""
    names = os.listdir(folder)
    tars = [name for name in names if name.endswith(".tar")]
    if any(_SHARD.fullmatch(name.removesuffix(".tar")) for name in tars):
        return True
    if tars:
        return not holds_images(folder)
    stats = any(name.endswith("_stats.json") for name in names)
    shards = [folder / name for name in names if _SHARD.fullmatch(name) and (folder / name).is_dir()]
    return any(stats or (any(shard.glob("*.json")) and holds_images(shard)) for shard in shards)


def open_img2dataset(place: Path, *, name: str | None = None, exclude: Sequence[str] = ()) -> Corpus:
    """The corpus in a folder of shards, less what the patterns of `exclude` leave out of it, or in tar files.

    Several are written as one place, as in shards/{00000..00009}.tar.

    A tar file that is cut short gives what is before the cut, and is listed; one that was read counts as a text. Raises
    `DataError` if there are no pictures.
    """
    found = _found(place, exclude)
    if not found.images:
        reasons = "".join(f" {one.path}: {one.reason}." for one in found.skipped[:3])
        raise DataError(f"{place}: no pictures in it, nor in its tar files.{reasons} Give a folder that holds some.")
    by_text = any(_is_there(path.with_suffix(".txt"), found.inside) for path in found.images.values())
    ending = ".txt" if by_text else ".json"
    builder = CorpusBuilder(place, [place if place.is_dir() else place.parent])
    more = 0
    for image, path in found.images.items():
        file = path.with_suffix(ending)
        there = _is_there(file, found.inside)
        more += by_text and not there and _is_there(path.with_suffix(".json"), found.inside)
        caption, fault = _caption(file) if there else ("", None)
        if fault is None:
            builder.add(image, [caption], where=file.name, file=file, path=path)
        else:
            builder.add(image, [], where=file.name, file=file, path=path)
            builder.reject("the file", fault, file=file)
    notes = []
    if found.in_place:
        notes.append(f"pictures of {found.in_place} tar files are read where they lie")
    if found.unpacked:
        notes.append(f"pictures of {len(found.unpacked)} tar files were unpacked into {found.unpacked[0].parent}")
    if more:
        notes.append(f"pictures with a .json and no .txt, and so without a caption: {more}")
    understood = Understood("img2dataset", (("caption", f"the whole {ending}"),), notes=tuple(notes))
    corpus = builder.build(name or place.absolute().stem, understood=understood)
    stems = {os.path.splitext(path)[0] for path in corpus.image_paths}
    orphans = [file for file in found.texts if file.suffix != ".parquet" and os.path.splitext(file)[0] not in stems]
    skipped = (*corpus.skipped, *found.skipped)
    return replace(corpus, skipped=skipped, unused=unused_texts(orphans, ()), files=found.files)


def _found(place: Path, exclude: Sequence[str]) -> _Found:
    found = _Found()
    archives = tars.shards(place)
    if place.is_dir():
        there = take_inventory(place, exclude=exclude)
        found.images.update(zip(names_below(place, there.images), there.images, strict=True))
        archives = [one.path for one in there.skipped if one.path.suffix.lower() == ".tar"]
        found.skipped += [one for one in there.listed if one.path not in archives]
        found.texts, found.files = there.texts, there.counts
    for tar in archives:
        fault = _take_in_place(tar, found) if tars.is_plain(tar) else _take_unpacked(tar, found)
        if fault:
            found.skipped.append(Skipped(tar, fault))
        elif found.files is not None:
            found.files = replace(found.files, texts=found.files.texts + 1)
    return found


def _take_in_place(tar: Path, found: _Found) -> str:
    """Note the pictures and texts in a tar file; what ended the reading early."""
    inside = tars.members(tar)
    found.in_place += 1
    for member in sorted(inside.places):
        if is_picture(member):
            found.images[f"{tar.stem}/{member}"] = tar / member
        elif Path(member).suffix.lower() in _TEXTS:
            found.inside.add(tar / member)
    return f"cannot be read to its end ({inside.fault}); the pictures before that are used" if inside.fault else ""


def _take_unpacked(tar: Path, found: _Found) -> str:
    """Unpack a tar file and note the pictures in it; what ended the reading early."""
    folder = unpacked(tar, partial(_unpack, tar))
    found.unpacked.append(folder)
    images = take_inventory(folder).images
    names = (f"{tar.stem}/{name}" for name in names_below(folder, images))
    found.images.update(zip(names, images, strict=True))
    cut = folder / _CUT
    return cut.read_text(encoding="utf-8") if cut.is_file() else ""


def _is_there(file: Path, inside: Set[Path]) -> bool:
    return file in inside or file.is_file()


def _unpack(tar: Path, folder: Path) -> None:
    """Write the pictures and texts of a tar file into `folder`, one after the other; a fault ends it, and is noted."""
    target: Path | None = None
    try:
        with tarfile.open(tar, "r|*") as stream:
            for member in _wanted(stream):
                target = safe_path(folder, member.name)
                target.parent.mkdir(parents=True, exist_ok=True)
                content = stream.extractfile(member)
                if content is not None:
                    with target.open("wb") as file:
                        shutil.copyfileobj(content, file)
    except (tarfile.TarError, EOFError, ValueError, zlib.error) as error:
        if target is not None:
            target.unlink(missing_ok=True)  # half a picture is none
        (folder / _CUT).write_text(f"cannot be read to its end ({error}); the pictures before that are used")


def _wanted(stream: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for member in stream:
        if member.isfile() and Path(member.name).suffix.lower() in IMAGE_ENDINGS | _TEXTS:
            yield member


def _caption(file: Path) -> tuple[str, str | None]:
    """The caption in a text or in the metadata of a picture, and what is wrong with it."""
    try:
        decoded = decode_text(read_bytes(file))
    except OSError as error:
        return "", file_reason(error)
    if is_undecoded(decoded.text) or "\0" in decoded.text:
        return "", f"bytes that are no {decoded.encoding} text"
    if file.suffix == ".txt":
        return decoded.text, None
    try:
        caption = json.loads(decoded.text).get("caption")
    except (ValueError, RecursionError, AttributeError):
        return "", "no JSON object"
    return caption if isinstance(caption, str) else "", None
