"""Who reads picture files for an encoder: somebody may know their digests, or want a look at what was read."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

from PIL import Image

from crossgraph.data.images import image_bytes_digest, read_image
from crossgraph.encoders.image import ImageEncoder


@runtime_checkable
class ImageReader(Protocol):
    """Reads pictures, in many threads at once."""

    def digest(self, path: Path) -> str:
        """The digest of the file's bytes. Raises `ImageError`."""

    def read(self, path: Path, encoder: ImageEncoder) -> Image.Image:
        """The picture as `encoder` prepares it. Raises `ImageError`."""


class PlainReader:
    """Reads files as they are and notes nothing."""

    def digest(self, path: Path) -> str:
        """The digest of the file's bytes. Raises `ImageError`."""
        return image_bytes_digest(path)

    def read(self, path: Path, encoder: ImageEncoder) -> Image.Image:
        """The picture as `encoder` prepares it. Raises `ImageError`."""
        return encoder.prepare(read_image(path, shorter_side=encoder.shorter_side))


PLAIN = PlainReader()
