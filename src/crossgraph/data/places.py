"""Where pictures lie: in files, in files inside tar files, as objects in a store. A place is a path by its text.

/photos/a.jpg              a file
/shards/00000.tar/7.jpg    a file inside a tar file, which is read where it lies
s3://bucket/photos/a.jpg   an object
s3://bucket/00000.tar/7.jpg   a file inside a tar file that is an object
"""

from __future__ import annotations

import io
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from crossgraph.data import object_tars, tars
from crossgraph.data.kept import Kept
from crossgraph.data.objects import ObjectPath
from crossgraph.storage.address import SCHEME

_kept = Kept()


def is_far(place: Path | str) -> bool:
    """Whether a place is in an object store; a `Path` made of its address may have lost one of its slashes."""
    return isinstance(place, ObjectPath) or str(place).startswith(SCHEME.removesuffix("/"))


def placed(text: Path | str) -> Path:
    """The place that `text` says; one that is a place of an object stays, with what is known of it."""
    if isinstance(text, ObjectPath):
        return text
    return ObjectPath(text) if is_far(text) else Path(text)


def absolute(place: Path | str) -> str:
    """The text by which a place is known: of a file its absolute path, links not followed; of an object its address."""
    return str(ObjectPath(place)) if is_far(place) else os.path.abspath(place)


def exists(place: Path | str) -> bool:
    """Whether something is at a place on a disk, or in a tar file; of an object store only that it may be."""
    return is_far(place) or os.path.exists(tars.shards(Path(place))[0]) or not is_gone(str(place))


def is_gone(place: str) -> bool:
    """Whether no file is at a place any more, though a folder may be; one that cannot be looked into says nothing."""
    try:
        if is_far(place):
            object_tars.state(ObjectPath(place))
        elif tars.split(place) is not None:
            tars.state(Path(place))
        else:
            return stat.S_ISDIR(os.lstat(place).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def state_of(place: Path) -> tuple[int, datetime]:
    """Bytes of the file at a place, and when it was last written. Raises `OSError`, `ValueError`."""
    if isinstance(place, ObjectPath):
        size, written = object_tars.state(place)
        return size, written.astimezone(UTC)
    try:
        status = place.stat()
        size, nanoseconds = status.st_size, status.st_mtime_ns
    except NotADirectoryError:
        size, nanoseconds = tars.state(place)
    return size, datetime.fromtimestamp(nanoseconds // 1000 / 1e6, UTC)


def kind_of(place: Path) -> int:
    """What kind of file is at a place, as `stat` tells kinds. Raises `OSError`, `ValueError`."""
    if is_far(place):
        return stat.S_IFREG
    try:
        return place.stat().st_mode
    except NotADirectoryError:
        tars.state(place)
        return stat.S_IFREG


@contextmanager
def opened(place: Path, *, again: bool = False) -> Iterator[io.BufferedReader]:
    """The file at a place, to be read from its beginning; what lies inside another is in memory.

    An object that will be read `again` soon is kept. Raises `OSError`, or `MissingExtraError` for an object where
    nothing reads object stores.
    """
    if isinstance(place, ObjectPath):
        content = _fetched(place, again=again)
    else:
        try:
            file = place.open("rb")
        except NotADirectoryError:
            content = tars.read(place)
        else:
            with file:
                yield file
            return
    yield io.BufferedReader(io.BytesIO(content))


def _fetched(place: ObjectPath, *, again: bool) -> bytes:
    """The content of an object, from where it was kept if it was."""
    if place.tag is None:
        return object_tars.read(place)
    content = _kept.take(str(place), place.tag)
    content = object_tars.read(place) if content is None else content
    if again:
        _kept.keep(str(place), place.tag, content)
    return content


def is_inside(place: Path) -> bool:
    """Whether what is at a place is no file of its own."""
    return is_far(place) or (not place.exists() and tars.split(place) is not None)


def copied(place: Path) -> BinaryIO:
    """What is at a place as a file that goes when it is closed. Raises as `opened` does."""
    content = read_bytes(place)
    file = tempfile.TemporaryFile()  # noqa: SIM115 - it is handed on
    file.write(content)
    file.flush()
    file.seek(0)
    return file


def read_bytes(place: Path) -> bytes:
    """All of the file at a place. Raises as `opened` does."""
    with opened(place) as file:
        return file.read()
