"""Files inside tar files that are objects: a part of the object is read, and never the whole of it.

Where they lie says the tar file itself, whose heads are read once, in windows: large ones where files are small, so
that few requests are made, and small ones where files are large, so that little is read in vain.
"""

from __future__ import annotations

import errno
import io
import os
import tarfile
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from crossgraph.data import objects, tars
from crossgraph.data.objects import Inside, ObjectPath
from crossgraph.data.tars import ENDING, KEPT, Members
from crossgraph.storage.address import SCHEME

SMALLEST, FIRST, LARGEST = 2**15, 2**16, 2**23
"""Bytes of a window."""

MOST_TEXT = 2**16
"""Larger texts are no captions."""


@dataclass(frozen=True)
class Shard:
    """What is in the tar file at `tar`: where its files lie, and the contents of its `texts`."""

    tar: ObjectPath
    members: Members
    texts: dict[str, bytes] = field(default_factory=dict)

    def place(self, name: str) -> ObjectPath:
        """The file of that name."""
        assert self.tar.listed is not None
        start, count = self.members.places[name]
        found = ObjectPath(f"{self.tar}/{name}")
        found.listed, found.tag = (count, self.tar.listed[1]), self.tar.tag
        found.inside = Inside(self.tar.key, start, count, self.tar.tag)
        return found


def shard(tar: ObjectPath, *, texts: frozenset[str] = frozenset()) -> Shard:
    """What is in the tar file at `tar`, with the contents of files of the endings `texts`. Raises `OSError`."""
    there = tar if tar.listed is not None and tar.tag is not None else objects.asked(tar)
    assert there.listed is not None
    size, kept = there.listed[0], dict[str, bytes]()
    window = Window(lambda start, count: objects.read_range(there, Inside(there.key, start, count, there.tag)), size)

    def note(name: str, member: tarfile.TarInfo) -> None:
        if Path(name).suffix.lower() in texts and member.size <= MOST_TEXT:
            kept[name] = window.part(member.offset_data, member.size)

    with window:
        members = tars.looked_through(window, size, note=note)
    _tables.put(there, members)
    return Shard(there, members, kept)


def read(path: ObjectPath) -> bytes:
    """The content of an object, or of a file in a tar file. Raises as `objects.read` does."""
    return objects.read(_found(path))


def state(path: ObjectPath) -> tuple[int, datetime]:
    """Bytes of it, and when it, or its tar file, was written. Raises as `objects.read` does."""
    return objects.state(_found(path))


def _found(path: ObjectPath) -> ObjectPath:
    """The same place, and where in a tar file it lies, if it lies in one."""
    if path.listed is not None or path.inside is not None:
        return path
    text, start = path.key, 0
    while (end := text.find(f"{ENDING}/", start)) >= 0:
        start = end + len(ENDING)
        try:
            tar = objects.asked(ObjectPath(f"{SCHEME}{path.bucket}/{text[:start]}"))
        except FileNotFoundError:
            continue
        members = _tables.get(tar)
        found = shard(tar) if members is None else Shard(tar, members)
        if text[start + 1 :] not in found.members.places:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        return found.place(text[start + 1 :])
    return path


class Window(io.RawIOBase):
    """A file of so many bytes of which parts are read by `read_part`, from where to how many, and one is kept."""

    def __init__(self, read_part: Callable[[int, int], bytes], size: int) -> None:
        self._read_part, self._size = read_part, size
        self._at, self._start, self._held, self._width = 0, 0, b"", FIRST

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Where it is read next."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go there."""
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def read(self, count: int = -1) -> bytes:
        """So many bytes, fewer at the end."""
        found = self.part(self._at, self._size - self._at if count < 0 else count)
        self._at += len(found)
        return found

    def part(self, start: int, count: int) -> bytes:
        """So many bytes from `start` on, fewer at the end."""
        count = max(0, min(count, self._size - start))
        if count and not self._start <= start <= start + count <= self._start + len(self._held):
            near = start < self._start + 2 * self._width
            self._width = min(2 * self._width, LARGEST) if near and self._held else max(self._width // 2, SMALLEST)
            self._start, self._held = start, self._read_part(start, min(max(count, self._width), self._size - start))
        return self._held[start - self._start : start - self._start + count]


class _Tables:
    """What was found in tar files, for as long as they stay as they are; the last `KEPT`. For many threads."""

    def __init__(self) -> None:
        self._known = OrderedDict[tuple[str, str | None], Members]()
        self._lock = threading.Lock()

    def get(self, tar: ObjectPath) -> Members | None:
        """What is in the tar file, if it is known."""
        with self._lock:
            return self._known.get((str(tar), tar.tag))

    def put(self, tar: ObjectPath, members: Members) -> None:
        """Note it."""
        with self._lock:
            self._known[str(tar), tar.tag] = members
            while len(self._known) > KEPT:
                self._known.popitem(last=False)


_tables = _Tables()
