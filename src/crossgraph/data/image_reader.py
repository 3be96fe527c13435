"""Who reads picture files for an encoder: somebody may know their digests, or want a look at what was read."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

from PIL import Image

from crossgraph.data.images import image_bytes_digest, read_image


@runtime_checkable
class ImageReader(Protocol):
    """Reads pictures, in many threads at once."""

    def digest(self, path: Path) -> str:
        """The digest of the file's bytes. Raises `ImageError`."""

    def read(self, path: Path, *, shorter_side: int | None) -> Image.Image:
        """The picture as `read_image` gives it, which may be reduced to a shorter side of so many pixels.

        Raises `ImageError`.
        """


class PlainReader:
    """Reads files as they are and notes nothing."""

    def digest(self, path: Path) -> str:
        """The digest of the file's bytes. Raises `ImageError`."""
        return image_bytes_digest(path)

    def read(self, path: Path, *, shorter_side: int | None) -> Image.Image:
        """The picture. Raises `ImageError`."""
        return read_image(path, shorter_side=shorter_side)


PLAIN = PlainReader()
