"""Files inside tar files, read where they lie: a path that leads through a tar file as if it were a folder.

A tar file that is not compressed has its members whole and one after the other, so that each can be read by itself,
once it is known where it is. To know that, the heads of all are read once; the table is kept while the file stays as
it is.
"""

from __future__ import annotations

import errno
import io
import os
import re
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, cast

ENDING = ".tar"
_SERIES = re.compile(r"\{(?P<first>[0-9]+)\.\.(?P<last>[0-9]+)\}")

KEPT = 256
"""So many tables are kept, of 150 bytes or so a member."""


def _nothing(_name: str, _member: tarfile.TarInfo) -> None:
    """Note nothing."""


@dataclass(frozen=True)
class Members:
    """The files in a tar file: where each begins, and its bytes. `fault` says what ended the reading early."""

    places: Mapping[str, tuple[int, int]]
    fault: str = ""


def members(tar: Path) -> Members:
    """What is in the tar file at `tar`, in its order; of a name that recurs the last. Raises `OSError`."""
    status = tar.stat()
    return _members(str(tar), status.st_size, status.st_mtime_ns)


def is_plain(tar: Path) -> bool:
    """Whether a tar file is not compressed, so that what is in it can be read where it lies."""
    try:
        with tarfile.open(tar, "r:"):
            return True
    except (tarfile.TarError, OSError, EOFError):
        return False


def shards(place: Path) -> list[Path]:
    """The tar files that a place means: itself, or, as in shards/{00000..00009}.tar, all of these numbers."""
    found = _SERIES.search(place.name)
    if found is None or place.exists():
        return [place]
    first, last = found["first"], found["last"]
    numbers = (str(number).zfill(len(first)) for number in range(int(first), int(last) + 1))
    return [place.with_name(place.name[: found.start()] + number + place.name[found.end() :]) for number in numbers]


def split(path: Path | str) -> tuple[Path, str] | None:
    """The tar file that `path` leads through and the name in it; None where it leads through none."""
    text, start = str(path), 0
    while (end := text.find(f"{ENDING}{os.sep}", start)) >= 0:
        start = end + len(ENDING)
        if os.path.isfile(text[:start]):
            return Path(text[:start]), text[start + 1 :]
    return None


def read(path: Path) -> bytes:
    """The content of a file in a tar file. Raises `OSError`."""
    tar, (start, count) = _place(path)
    with tar.open("rb") as file:
        content = os.pread(file.fileno(), count, start)
    if len(content) < count:
        raise OSError(errno.EIO, f"the tar file {tar.name} is cut short", str(path))
    return content


def state(path: Path) -> tuple[int, int]:
    """Bytes of a file in a tar file, and when the tar file was last written, in nanoseconds. Raises `OSError`."""
    tar, (_, count) = _place(path)
    return count, tar.stat().st_mtime_ns


def _place(path: Path) -> tuple[Path, tuple[int, int]]:
    found = split(path)
    if found is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    tar, name = found
    places = members(tar).places
    if name not in places:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    return tar, places[name]


@lru_cache(maxsize=KEPT)
def _members(tar: str, size: int, _: int) -> Members:
    with open(tar, "rb") as raw:
        return looked_through(raw, size)


def looked_through(raw: io.IOBase, size: int, *, note: Callable[[str, tarfile.TarInfo], object] = _nothing) -> Members:
    """What is in a tar file of so many bytes; `note` is told of each file in turn, by its name. Raises `OSError`."""
    places: dict[str, tuple[int, int]] = {}
    fault = ""
    try:
        with tarfile.open(fileobj=cast(IO[bytes], raw), mode="r:") as archive:
            for member in archive:
                if not member.isreg() or member.issparse():
                    continue
                if member.offset_data + member.size > size:
                    fault = "unexpected end of data"
                    break
                name = _tidy(member.name)
                places[name] = member.offset_data, member.size
                note(name, member)
    except (tarfile.TarError, EOFError, ValueError) as error:
        fault = str(error)
    return Members(places, fault)


def _tidy(name: str) -> str:
    """A name without the dots and slashes that a path would lose."""
    return "/".join(part for part in name.split("/") if part not in ("", ".", ".."))
