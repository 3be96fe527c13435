"""How many pictures an archive holds, by its table of contents: nothing is unpacked."""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib
from itertools import islice
from pathlib import Path

from crossgraph.data.file_kinds import IMAGE_ENDINGS, ending_of

LOOKED_AT = {".tar": 10_000}
"""Only so many members are looked at: a tar has no table. A compressed one is unpacked to be read: `FEW` of it."""

FEW = 200

_ZIP = (".zip", ".cbz")
_CLOSED = (".7z", ".rar", ".cbr")
_DAMAGED = (
    *(OSError, ValueError, EOFError, RuntimeError, OverflowError),
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError),
)


def pictures_inside(path: Path, ending: str) -> str | None:
    """What to say of an archive that holds pictures, or may; None if it holds none."""
    if ending in _CLOSED:
        return "an archive; if pictures are in it, unpack it"
    try:
        count, all_seen = _in_zip(path) if ending in _ZIP else _in_tar(path, LOOKED_AT.get(ending, FEW))
    except _DAMAGED as error:
        return f"an archive that cannot be read ({error})"
    if not count:
        return None
    return f"{count:,} {'' if all_seen else 'or more '}pictures inside an archive; unpack it"


def _in_zip(path: Path) -> tuple[int, bool]:
    with zipfile.ZipFile(path) as archive:
        return sum(map(is_picture, archive.namelist())), True


def _in_tar(path: Path, most: int) -> tuple[int, bool]:
    with tarfile.open(path) as archive:
        names = [member.name if member.isfile() else "" for member in islice(archive, most + 1)]
    return sum(map(is_picture, names[:most])), len(names) <= most


def is_picture(name: str) -> bool:
    """Whether a file in an archive is a picture by its ending, and not a hidden one."""
    last = name.rpartition("/")[2]
    return not last.startswith(".") and ending_of(last) in IMAGE_ENDINGS
