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
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from crossgraph.data.file_kinds import HEAD, image_format, in_words
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

# ImageOps.exif_transpose would also rewrite the EXIF block, which fails on blocks that are damaged elsewhere.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_DAMAGED_EXIF = (OSError, EOFError, SyntaxError, TypeError, ValueError, LookupError, struct.error)

_REASONS = {
    errno.ENOENT: "no such file",
    errno.ENOTDIR: "no such file",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ELOOP: "a symbolic link that leads back to itself",
    errno.ENAMETOOLONG: "the file name is too long",
}

_warning_filter = threading.Lock()


def pixel_limit() -> int:
    """How many pixels a picture may have: `CROSSGRAPH_MAX_PIXELS`, or `MAX_PIXELS`. Raises `ConfigError`."""
    written = os.environ.get(LIMIT, "").replace(",", "").replace("_", "").strip()
    if not written:
        return MAX_PIXELS
    if not (written.isascii() and written.isdigit() and int(written)):
        raise ConfigError(f"{LIMIT} must be a number of pixels of at least 1, got {os.environ[LIMIT]!r}.")
    return int(written)


def read_image(path: Path | str, *, max_pixels: int | None = None, longer_side: int | None = None) -> Image.Image:
    """The picture in `path` as an upright RGB image: the first frame, transparency on white.

    16-bit grey is scaled to 8 bits by its full range; 32-bit integers and floats, which have no fixed range, by the
    darkest and brightest value. A JPEG of more than `max_pixels` (by default `pixel_limit()`) is read at a half, a
    quarter or an eighth of its size; so it may be, for speed, where a `longer_side` of so many pixels is enough. Raises
    `ImageError` for everything that cannot be read, and nothing else.
    """
    limit = pixel_limit() if max_pixels is None else max_pixels
    with _opened(Path(path)) as file:
        image = _header(Path(path), file)
        _fit(Path(path), image, limit)
        if longer_side is not None and _reduces(image):
            share = next((one for one in (8, 4, 2, 1) if max(image.size) // one >= longer_side), 1)
            image.draft(None, (image.width // share, image.height // share))
        try:
            image.load()
            return _rgb(_upright(image))
        except Exception as error:
            raise ImageError(path, _decoding_reason(error)) from error


def load_decoders() -> None:
    """Import all decoders now, not at the first picture of each kind."""
    for module, _ in _MODULES.values():
        importlib.import_module(module)


def image_size(path: Path | str) -> tuple[int, int]:
    """Width and height of the upright picture, from its header alone. Raises `ImageError` for a file that is none."""
    with _opened(Path(path)) as file:
        image = _header(Path(path), file)
        width, height = image.size
        return (height, width) if _orientation(image) >= 5 else (width, height)  # from 5 on it lies on its side


def date_taken(path: Path | str) -> datetime | None:
    """When the camera took the picture, by its EXIF block, or None where that says nothing that can be read.

    EXIF knows no time zone; the time is given as if it were UTC. Raises `ImageError` for a file that is no picture.
    """
    with _opened(Path(path)) as file:
        image = _header(Path(path), file)
        try:
            with _warnings_ignored():
                exif = image.getexif()
                written = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.DateTimeOriginal)
                written = written or exif.get(ExifTags.Base.DateTime)
            return datetime.strptime(str(written).strip("\0 "), "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
        except _DAMAGED_EXIF:
            return None


def image_bytes_digest(path: Path | str) -> str:
    """The first 32 hex digits of the SHA-256 of the file's bytes: equal files, equal digest. Raises `ImageError`."""
    with _opened(Path(path)) as file:
        try:
            return hashlib.file_digest(file, "sha256").hexdigest()[:32]
        except OSError as error:
            raise ImageError(path, file_reason(error)) from error


def require_file(path: Path) -> None:
    """Raise `ImageError` unless `path` leads to a regular file; the file itself is not opened."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise ImageError(path, file_reason(error)) from error
    if stat.S_ISDIR(mode):
        raise ImageError(path, "a folder, not a file")
    if not stat.S_ISREG(mode):
        raise ImageError(path, "a pipe, socket or device, not a file")


@contextmanager
def _opened(path: Path) -> Iterator[io.BufferedReader]:
    require_file(path)  # opening a pipe would wait for ever
    try:
        file = path.open("rb")
    except OSError as error:
        raise ImageError(path, file_reason(error)) from error
    with file:
        if os.fstat(file.fileno()).st_size == 0:
            raise ImageError(path, "the file is empty")
        yield file


@contextmanager
def _warnings_ignored() -> Iterator[None]:
    """Pillow warns about odd but readable headers. The lock is needed: warning filters belong to the whole process."""
    with _warning_filter, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _header(path: Path, file: io.BufferedReader) -> Image.Image:
    """The picture in `file`, of which no pixel was decoded yet."""
    head = file.peek(HEAD)[:HEAD]
    found = image_format(head)
    if found is None:
        raise ImageError(path, in_words(head))
    module, name = _MODULES[found]
    try:
        with _warnings_ignored():
            opened: Image.Image = getattr(importlib.import_module(module), name)(file)
            return opened
    except Image.DecompressionBombError as error:
        raise ImageError(path, f"more pixels than its decoder takes ({2 * MAX_PIXELS:,})") from error
    except Exception as error:
        raise ImageError(path, f"the header is damaged ({error})") from error


def _fit(path: Path, image: Image.Image, max_pixels: int) -> None:
    """Have a picture decoded to at most so many pixels. Raises `ImageError` where its decoder cannot do that."""
    width, height = image.size
    for share in (1, 2, 4, 8):
        if 0 < -(-width // share) * -(-height // share) <= max_pixels and (share == 1 or _reduces(image)):
            if share > 1:
                image.draft(None, (width // share, height // share))
            return
    raise ImageError(
        path,
        f"{width} x {height} pixels; between 1 and {max_pixels:,} pixels can be read (another limit: --max-pixels, or "
        f"{LIMIT})",
    )


def _reduces(image: Image.Image) -> bool:
    return image.format in ("JPEG", "MPO")


def _upright(image: Image.Image) -> Image.Image:
    turn = _UPRIGHT.get(_orientation(image))
    return image if turn is None else image.transpose(turn)


def _orientation(image: Image.Image) -> int:
    """How the camera was held, by EXIF's numbers; 1, upright, where that says nothing that can be read."""
    try:
        with _warnings_ignored():
            written = image.getexif().get(ExifTags.Base.Orientation, 1)
    except _DAMAGED_EXIF:
        return 1  # a damaged EXIF block says nothing about the pixels, which are good
    return written if written in _UPRIGHT else 1


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
