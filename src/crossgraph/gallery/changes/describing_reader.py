"""Pictures read for a model, and by the way looked at for the gallery: one decoding serves both."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from PIL import Image

from crossgraph.data.images import Picture, read_picture
from crossgraph.encoders.image import ImageEncoder
from crossgraph.errors import ImageError
from crossgraph.gallery.tables.likeness import SIDE, perceptual_hash

CHANGED = "it changed while it was read; the next run takes it"

ENOUGH = 8 * SIDE
"""The shorter side in pixels at which a picture is read where only its hash is wanted."""


@dataclass(frozen=True)
class Look:
    """What a gallery notes of a picture: the size it has upright, when it was taken, and how it looks."""

    width: int
    height: int
    taken: datetime | None
    perceptual_hash: bytes

    @classmethod
    def at(cls, picture: Picture) -> Look:
        """What is noted of `picture`."""
        return cls(picture.width, picture.height, picture.taken, perceptual_hash(picture.image))


class DescribingReader:
    """Reads pictures whose digests are known, and refuses those that have another content now.

    So nothing of a file that changes meanwhile is taken for what was there before. May be used by many threads.
    `read` is called, by one thread at a time, for each content that was read for the first time.
    """

    def __init__(self, digests: Mapping[Path, str], read: Callable[[], None] | None = None) -> None:
        self._digests, self._told = digests, read
        self._telling = threading.Lock()
        self._looks: dict[str, Look] = {}
        self._prepared: dict[tuple[str, Hashable], Image.Image] = {}

    def digest(self, path: Path) -> str:
        """The digest that is known."""
        return self._digests[path]

    def read(self, path: Path, encoder: ImageEncoder) -> Image.Image:
        """The picture as `encoder` prepares it, kept for other encoders that prepare alike. Raises `ImageError`."""
        place = self._digests[path], encoder.prepares
        if place not in self._prepared or encoder.prepares is None:
            prepared = encoder.prepare(self._read(path, encoder.shorter_side))
            if encoder.prepares is None:
                return prepared
            self._prepared[place] = prepared
        return self._prepared[place]

    def look(self, path: Path) -> Look:
        """What is noted of the picture at `path`, which is read now if it was not yet. Raises `ImageError`."""
        digest = self._digests[path]
        if digest not in self._looks:
            self._read(path, ENOUGH)
        return self._looks[digest]

    def _read(self, path: Path, shorter_side: int | None) -> Image.Image:
        """The picture, of which is noted what `look` tells."""
        digest = self._digests[path]
        picture = read_picture(path, shorter_side=shorter_side)
        if picture.digest != digest:
            raise ImageError(path, CHANGED)
        if digest not in self._looks:
            look = Look.at(picture)
            with self._telling:
                if digest not in self._looks and self._told is not None:
                    self._told()
                self._looks[digest] = look
        return picture.image
