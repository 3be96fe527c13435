"""Small WebP copies of a gallery's pictures, made once and kept in its folder by the content of the picture.

    GALLERY/thumbnails/3f/3f09...-320.webp

They are upright, in sRGB, without anything that cameras write beside the pixels, and never larger than the picture. A
file is complete or absent, so any number of processes and threads may make the same one.
"""

from __future__ import annotations

import io
import os
import re
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageCms

from crossgraph.data.exclusions import IGNORE_FILE
from crossgraph.data.images import image_bytes_digest, read_image
from crossgraph.errors import ConfigError, ImageError
from crossgraph.files import TEMPORARY, write_atomically
from crossgraph.gallery.changes.indexing import FileState
from crossgraph.gallery.tables.items import Item

FOLDER = "thumbnails"
SIZES = (320, 1280)
"""The longer side, in pixels: of a picture in a grid, and of one by itself."""

MOST_BYTES = 2 * 1024**3
QUALITY = 82
FRESH = 3600.0  # seconds for which it need not be noted again that a thumbnail was used
RECOUNTED = 500  # new thumbnails after which all are counted: other processes make some, too
REMEMBERED = 10_000  # digests of files that changed since their picture was stored
ATTEMPTS = 3
LEFT = 0.9  # of the most bytes stay when the oldest go
_NAME = re.compile(rf"([0-9a-f]{{32}})-({'|'.join(map(str, SIZES))})\.webp", re.ASCII)


@dataclass(frozen=True)
class Thumbnail:
    """A WebP file: its `content`, and the `name` that no other content has."""

    name: str
    content: bytes


class Thumbnails:
    """The thumbnails of the gallery in `gallery`, of at most `most_bytes` together: those not used for longest go.

    May be used by many threads. A gallery that cannot be written to gives thumbnails as well, and keeps none.
    """

    def __init__(self, gallery: Path | str, *, most_bytes: int = MOST_BYTES) -> None:
        if most_bytes < 0:
            raise ConfigError(f"thumbnails take at least 0 bytes, got {most_bytes}.")
        self.folder = Path(gallery) / FOLDER
        self._most = most_bytes
        self._counting = threading.Lock()
        self._bytes = 0
        self._until_counted = 0
        self._digests: dict[tuple[str, FileState], str] = {}
        self._making = tuple(threading.Lock() for _ in range(16))

    def get(self, item: Item, size: int) -> Thumbnail:
        """The thumbnail of a picture whose longer side has `size` pixels, one of `SIZES`; made if it is not there.

        It shows what the file holds now, also if that changed since the picture was stored; of a file that is gone,
        what was kept. Raises `ImageError` for a picture that cannot be read, `ConfigError` for another size.
        """
        if size not in SIZES:
            raise ConfigError(f"thumbnails have {' or '.join(map(str, SIZES))} pixels, got {size}.")
        for _ in range(ATTEMPTS):
            state = FileState.of(item.path)
            name = f"{self._digest(item, state)}-{size}.webp"
            with self._making[hash(name) % len(self._making)]:
                found = self._kept(name)
                if found is not None:
                    return Thumbnail(name, found)
                found = thumbnail(item.path, size)
                if FileState.of(item.path) == state:  # else it may be of another content than its name says
                    self._keep(name, found)
                    return Thumbnail(name, found)
        raise ImageError(item.path, "it is being written; look again later")

    def _digest(self, item: Item, state: FileState | None) -> str:
        """The digest of what the file holds now, or, if it is gone, held; read again only where it seems to differ."""
        if state is None or (state.bytes, state.modified) == (item.bytes, item.modified):
            return item.digest
        key = (str(item.path), state)
        known = self._digests.get(key)
        if known is None:
            known = image_bytes_digest(item.path)
            if len(self._digests) >= REMEMBERED:
                self._digests.clear()
            self._digests[key] = known
        return known

    def size(self) -> tuple[int, int]:
        """How many thumbnails there are, and their bytes."""
        sizes = [size for _, _, size in self._all()]
        return len(sizes), sum(sizes)

    def drop_others(self, digests: Collection[str]) -> int:
        """Remove all but those of pictures with these digests, and what kills left; returns how many bytes that was."""
        kept, freed = frozenset(digests), 0
        for path, _, size in list(self._all(unfinished=True)):
            match = _NAME.fullmatch(path.name)
            abandoned = path.name.endswith(TEMPORARY)
            if (match is not None and match[1] not in kept) or abandoned:
                freed += self._remove(path, size)
        return freed

    def _kept(self, name: str) -> bytes | None:
        path = self._place(name)
        try:
            with path.open("rb") as file:
                content = file.read()
                old = time.time() - os.fstat(file.fileno()).st_mtime > FRESH
        except OSError:
            return None
        if old:
            with suppress(OSError):  # a gallery that cannot be written to is used all the same
                os.utime(path)
        return content

    def _keep(self, name: str, content: bytes) -> None:
        if len(content) > self._most:
            return
        try:
            place = self._place(name)
            self._make_folder(place.parent)
            write_atomically(place, content, durable=False)
        except OSError:
            return  # a full or read-only disk: it is made again next time
        self._count(len(content))

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        folder.mkdir(parents=True, exist_ok=True)
        ignore = self.folder / IGNORE_FILE
        if not ignore.exists():  # where the gallery lies among pictures, these are none of them
            write_atomically(ignore, b"*\n", durable=False)

    def _count(self, more: int) -> None:
        with self._counting:
            self._bytes += more
            self._until_counted -= 1
            if self._until_counted > 0 and self._bytes <= self._most:
                return
            found = sorted(self._all(), key=lambda one: (one[1], one[0].name))
            self._bytes, self._until_counted = sum(size for _, _, size in found), RECOUNTED
            if self._bytes <= self._most:
                return
            for path, _, size in found:
                if self._bytes <= LEFT * self._most:
                    break
                self._remove(path, size)
                self._bytes -= size

    def _all(self, *, unfinished: bool = False) -> Iterator[tuple[Path, float, int]]:
        """Every thumbnail, when it was last used, and its bytes."""
        for path in self.folder.glob("??/*"):
            if _NAME.fullmatch(path.name) or (unfinished and path.name.endswith(TEMPORARY)):
                with suppress(OSError):  # another process removed it
                    status = path.stat()
                    yield path, status.st_mtime, status.st_size

    def _remove(self, path: Path, size: int) -> int:
        try:
            path.unlink()
        except OSError:
            return 0
        with suppress(OSError):  # it holds others
            path.parent.rmdir()
        return size

    def _place(self, name: str) -> Path:
        return self.folder / name[:2] / name


def thumbnail(path: Path, size: int) -> bytes:
    """The picture in `path` as WebP, of at most `size` pixels on its longer side. Raises `ImageError`."""
    image = read_image(path, longer_side=2 * size)
    image.thumbnail((size, size), Image.Resampling.LANCZOS, reducing_gap=2.0)
    image = in_srgb(image)
    image.info = {}  # no profile, no place where it was taken
    found = io.BytesIO()
    try:
        image.save(found, "WEBP", quality=QUALITY, method=4)
    except (OSError, ValueError) as error:
        raise ImageError(path, f"no thumbnail could be made of it ({error})") from error
    return found.getvalue()


def in_srgb(image: Image.Image) -> Image.Image:
    """An RGB picture with the colours that its embedded profile means; as it is, if that is missing or damaged."""
    profile = image.info.get("icc_profile")
    if not profile:
        return image
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if given.profile.xcolor_space.strip() != "RGB":
            return image  # of CMYK or grey, which is RGB by now
        found = ImageCms.profileToProfile(image, given, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
    return image if found is None else found
