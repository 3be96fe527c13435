"""Pictures of a gallery as a ZIP archive that is made while it is sent: nothing of it is kept on disk or in memory.

Names in it say nothing of where the pictures lie, are good on every system, and occur once. Pictures are not compressed
again. A file that is gone, or no picture any more, is left out and listed in a text at the end.
"""

from __future__ import annotations

import os
import re
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from crossgraph.data.file_kinds import HEAD, image_format
from crossgraph.data.images import file_reason, require_file
from crossgraph.data.places import copied, is_inside
from crossgraph.errors import ImageError
from crossgraph.gallery.tables.items import Item

PIECE = 1 << 20
LONGEST = 150  # bytes of a name: systems take 255, and numbers are added
LEFT_OUT = "left out.txt"
_UNSAFE = re.compile(r'[\\/:*?"<>|\x00-\x1f\x7f]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_FIRST, _LAST = datetime(1980, 1, 1, tzinfo=UTC), datetime(2107, 12, 31, tzinfo=UTC)  # a ZIP knows no other times


def zip_pieces(items: Iterable[Item]) -> Iterator[bytes]:
    """The archive of these pictures, piece by piece."""
    sink, names, left_out = _Sink(), UniqueNames(), list[str]()
    names.add(LEFT_OUT)
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:  # type: ignore[call-overload]
        for item in items:
            name = names.add(item.path.name)
            try:
                with _opened(item.path) as file:
                    large = os.fstat(file.fileno()).st_size >= 1 << 31
                    with archive.open(_entry(name, item), "w", force_zip64=large) as into:
                        while piece := file.read(PIECE):
                            into.write(piece)
                            yield from sink.pieces()
            except OSError as error:
                left_out.append(f"{name}: only a part could be read ({file_reason(error)})")
            except ImageError as error:
                left_out.append(f"{name}: {error.reason}")
            yield from sink.pieces()
        if left_out:
            archive.writestr(LEFT_OUT, "\n".join(left_out) + "\n")
    yield from sink.pieces()


class UniqueNames:
    """Names of files that are safe to unpack on every system, each given once, also where case does not count."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def add(self, name: str) -> str:
        """`name`, or one like it that is safe and not taken."""
        safe = safe_name(name)
        stem, dot, ending = safe.rpartition(".") if "." in safe else (safe, "", "")
        found, number = safe, 2
        while found.casefold() in self._taken:
            found, number = f"{stem} ({number}){dot}{ending}", number + 1
        self._taken.add(found.casefold())
        return found


def safe_name(name: str) -> str:
    """A name without folders, signs that systems refuse, and what they read as a device or a hidden file."""
    plain = "".join("_" if unicodedata.category(sign) in ("Cs", "Cf", "Cc") else sign for sign in name)
    plain = _UNSAFE.sub("_", plain).strip(" .")
    stem, dot, ending = plain.rpartition(".") if "." in plain else (plain, "", "")
    ending = ending[:16]
    stem = stem.encode()[: LONGEST - len(ending.encode()) - 1].decode("utf-8", "ignore").rstrip(" .")
    plain = f"{stem}{dot}{ending}".strip(" .") or "picture"
    return f"_{plain}" if _RESERVED.fullmatch(plain) else plain


class _Sink:
    """What the archive is written to: it cannot be sought in, and what was written is taken away."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: bytes, /) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """Nothing waits."""

    def pieces(self) -> Iterator[bytes]:
        """What was written since."""
        written, self._pieces = self._pieces, []
        whole = b"".join(written)
        if whole:
            yield whole


def _opened(path: Path) -> BinaryIO:
    """The file of a picture. Raises `ImageError` if it is none."""
    require_file(path)
    file = copied(path) if is_inside(path) else path.open("rb")
    if image_format(file.read(HEAD)) is None:
        file.close()
        raise ImageError(path, "no picture any more")
    file.seek(0)
    return file


def _entry(name: str, item: Item) -> zipfile.ZipInfo:
    moment = item.taken or item.modified or _FIRST
    moment = min(max(moment.astimezone(UTC), _FIRST), _LAST)
    info = zipfile.ZipInfo(name, moment.timetuple()[:6])
    info.external_attr = 0o644 << 16
    return info
