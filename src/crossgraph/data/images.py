"""Read pictures that cannot be trusted: a good file becomes RGB, anything else one `ImageError` with a plain reason.

The kind of file is decided by its content, never by its name, and its size is checked before a pixel is decoded. Only
decoders named here ever see a file: others of Pillow start programs (EPS) or read formats nobody photographs in.
"""

from __future__ import annotations

import errno
import hashlib
import importlib
import io
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from PIL import Image

from crossgraph.data.exif import date_taken, orientation, upright, warnings_ignored
from crossgraph.data.file_kinds import HEAD, image_format, in_words
from crossgraph.data.places import kind_of, opened, placed
from crossgraph.errors import ConfigError, ImageError

MAX_PIXELS = 89_478_485
"""Larger pictures are read reduced, or refused, unless a limit is set: RGB of this many pixels takes 256 MiB."""

LIMIT = "CROSSGRAPH_MAX_PIXELS"
"""The environment variable that sets another limit, also for the processes started from here."""

_MODULES = {
    "JPEG": ("PIL.JpegImagePlugin", "jpeg_factory"),  # also MPO: several JPEGs in one file, of which the first is read
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "WEBP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "TIFF": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "AVIF": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "JPEG2000": ("PIL.Jpeg2KImagePlugin", "Jpeg2KImageFile"),
    "HEIF": ("pillow_heif", "HeifImageFile"),
}
"""Format -> who opens it. They are called by name: Pillow's list of openers belongs to the whole process."""

_REASONS = {
    errno.ENOENT: "no such file",
    errno.ENOTDIR: "no such file",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ELOOP: "a symbolic link that leads back to itself",
    errno.ENAMETOOLONG: "the file name is too long",
}


def pixel_limit() -> int:
    """How many pixels a picture may have: `CROSSGRAPH_MAX_PIXELS`, or `MAX_PIXELS`. Raises `ConfigError`."""
    written = os.environ.get(LIMIT, "").replace(",", "").replace("_", "").strip()
    if not written:
        return MAX_PIXELS
    if not (written.isascii() and written.isdigit() and int(written)):
        raise ConfigError(f"{LIMIT} must be a number of pixels of at least 1, got {os.environ[LIMIT]!r}.")
    return int(written)


@dataclass(frozen=True)
class Picture:
    """One reading of a file: its picture as upright RGB, perhaps reduced, and what the file says of it.

    `width` and `height` are those of the upright picture before it was reduced; `digest` is that of the file's bytes.
    """

    image: Image.Image
    width: int
    height: int
    taken: datetime | None
    digest: str


def read_image(
    path: Path | str, *, max_pixels: int | None = None, longer_side: int | None = None, shorter_side: int | None = None
) -> Image.Image:
    """The picture in `path` as an upright RGB image: the first frame, transparency on white.

    16-bit grey is scaled to 8 bits by its full range; 32-bit integers and floats, which have no fixed range, by the
    darkest and brightest value. A JPEG of more than `max_pixels` (by default `pixel_limit()`) is read at a half, a
    quarter or an eighth of its size; so it may be, for speed, where a `longer_side` or a `shorter_side` of so many
    pixels is enough. Raises `ImageError` for everything that cannot be read, and nothing else.
    """
    with _opened(placed(path)) as file:
        image = _header(placed(path), file)
        return _decoded(placed(path), image, max_pixels, longer_side, shorter_side)


def read_picture(path: Path | str, *, shorter_side: int | None = None) -> Picture:
    """The picture in `path` as `read_image` gives it, with all that is asked of a file, opened once.

    Raises `ImageError` as `read_image` does.
    """
    with _opened(placed(path)) as file:
        digest = _digest(placed(path), file)
        file.seek(0)
        image = _header(placed(path), file)
        width, height = _upright_size(image)
        late = image.format == "PNG"  # it may say so behind its pixels
        taken = None if late else date_taken(image)
        found = _decoded(placed(path), image, None, None, shorter_side)
        return Picture(found, width, height, date_taken(image) if late else taken, digest)


def _decoded(
    path: Path, image: Image.Image, max_pixels: int | None, longer_side: int | None, shorter_side: int | None
) -> Image.Image:
    _reduce(path, image, max_pixels, longer_side=longer_side, shorter_side=shorter_side)
    try:
        image.load()
        return _rgb(upright(image))
    except Exception as error:
        raise ImageError(path, _decoding_reason(error)) from error


def load_decoders() -> None:
    """Import all decoders now, not at the first picture of each kind."""
    for module, _ in _MODULES.values():
        importlib.import_module(module)


def image_size(path: Path | str) -> tuple[int, int]:
    """Width and height of the upright picture, from its header alone. Raises `ImageError` for a file that is none."""
    with _opened(placed(path)) as file:
        return _upright_size(_header(placed(path), file))


def image_bytes_digest(path: Path | str) -> str:
    """The first 32 hex digits of the SHA-256 of the file's bytes: equal files, equal digest. Raises `ImageError`."""
    with _opened(placed(path), again=True) as file:
        return _digest(placed(path), file)


def _digest(path: Path, file: io.BufferedReader) -> str:
    try:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]
    except OSError as error:
        raise ImageError(path, file_reason(error)) from error


def require_file(path: Path) -> None:
    """Raise `ImageError` unless `path` leads to a regular file; the file itself is not opened."""
    try:
        mode = kind_of(path)
    except (OSError, ValueError) as error:
        raise ImageError(path, file_reason(error)) from error
    if stat.S_ISDIR(mode):
        raise ImageError(path, "a folder, not a file")
    if not stat.S_ISREG(mode):
        raise ImageError(path, "a pipe, socket or device, not a file")


@contextmanager
def _opened(path: Path, *, again: bool = False) -> Iterator[io.BufferedReader]:
    require_file(path)  # opening a pipe would wait for ever
    with ExitStack() as stack:
        try:
            file = stack.enter_context(opened(path, again=again))
            empty = not file.peek(1)
        except OSError as error:
            raise ImageError(path, file_reason(error)) from error
        if empty:
            raise ImageError(path, "the file is empty")
        yield file


def _header(path: Path, file: io.BufferedReader) -> Image.Image:
    """The picture in `file`, of which no pixel was decoded yet."""
    head = file.peek(HEAD)[:HEAD]
    found = image_format(head)
    if found is None:
        raise ImageError(path, in_words(head))
    module, name = _MODULES[found]
    try:
        with warnings_ignored():
            opened: Image.Image = getattr(importlib.import_module(module), name)(file)
            return opened
    except Image.DecompressionBombError as error:
        raise ImageError(path, f"more pixels than its decoder takes ({2 * MAX_PIXELS:,})") from error
    except Exception as error:
        raise ImageError(path, f"the header is damaged ({error})") from error


def _upright_size(image: Image.Image) -> tuple[int, int]:
    width, height = image.size
    lies = orientation(image) >= 5 and image.format != "TIFF"  # of which Pillow tells the upright size
    return (height, width) if lies else (width, height)


def _reduce(
    path: Path, image: Image.Image, max_pixels: int | None, *, longer_side: int | None, shorter_side: int | None
) -> None:
    """Have a picture decoded to at most so many pixels, and to a smaller share of them where sides so long are enough.

    Raises `ImageError` where its decoder cannot do that; its text says how to set the limit where that was left open.
    """
    (width, height), limit = image.size, pixel_limit() if max_pixels is None else max_pixels
    shares = [
        share
        for share in ((1, 2, 4, 8) if _reduces(image) else (1,))
        if 0 < -(-width // share) * -(-height // share) <= limit
    ]
    if not shares:
        advice = f"another limit: --max-pixels, or {LIMIT}" if max_pixels is None else "a smaller copy of it could be"
        raise ImageError(path, f"{width} x {height} pixels; between 1 and {limit:,} pixels can be read ({advice})")
    sides = ((max(width, height), longer_side), (min(width, height), shorter_side))
    wanted = [(length, side) for length, side in sides if side is not None]
    enough = [share for share in shares if wanted and all(length // share >= side for length, side in wanted)]
    share = max(enough, default=shares[0])
    if share > 1:
        image.draft(None, (width // share, height // share))


def _reduces(image: Image.Image) -> bool:
    return image.format in ("JPEG", "MPO")


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    elif image.mode in ("I", "F"):
        image = _stretched(image)
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image.convert("RGB")


def _stretched(image: Image.Image) -> Image.Image:
    values = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=0.0, neginf=0.0)
    low, high = values.min(), values.max()
    return Image.fromarray(((values - low) * (255.0 / max(high - low, 1e-12))).round().astype(np.uint8))


def file_reason(error: OSError | ValueError) -> str:
    """Why a file or folder cannot be opened, in plain words."""
    if isinstance(error, OSError):
        return _REASONS.get(error.errno or 0, error.strerror or str(error))
    return str(error)


def _decoding_reason(error: Exception) -> str:
    text = str(error) or type(error).__name__
    if isinstance(error, MemoryError):
        return "not enough memory to decode it"
    cut = ("truncated", "broken", "unrecognized data stream", "premature", "not enough image data")
    if isinstance(error, EOFError) or any(word in text.lower() for word in cut):
        return f"the file is truncated or damaged ({text})"
    return f"cannot be decoded ({text})"
