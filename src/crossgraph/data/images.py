"""Read pictures that cannot be trusted: a good file becomes RGB, anything else one `ImageError` with a plain reason.

The kind of file is decided by its content, never by its name, and its size is checked before a pixel is decoded.
"""

from __future__ import annotations

import errno
import hashlib
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
from PIL import ExifTags, Image, UnidentifiedImageError

from crossgraph.data.corpus import Skipped
from crossgraph.errors import DataError, ImageError

MAX_PIXELS = 89_478_485
"""Larger pictures are refused: an RGB picture of this many pixels takes 256 MiB. Pillow warns from here on too."""

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"})

# Only these decoders ever see a file: others of Pillow start programs (EPS) or read formats nobody photographs in.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")

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


def read_image(path: Path | str, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The picture in `path` as an upright RGB image: the first frame, transparency on white.

    16-bit grey is scaled to 8 bits by its full range; 32-bit integers and floats, which have no fixed range, by the
    darkest and brightest value. Pillow's own ceiling of twice `MAX_PIXELS` holds whatever `max_pixels` says.
    Raises `ImageError` for everything that cannot be read, and nothing else.
    """
    with _opened(Path(path)) as file:
        image = _header(Path(path), file)
        _refuse_size(Path(path), image.size, max_pixels=max_pixels)
        try:
            image.load()
            return _rgb(_upright(image))
        except Exception as error:
            raise ImageError(path, _decoding_reason(error)) from error


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
            raise ImageError(path, _file_reason(error)) from error


def find_images(folder: Path) -> tuple[list[Path], list[Skipped]]:
    """All files under `folder` that should be pictures, sorted, and the folders that could not be searched.

    A file is a candidate by its extension, or, without one, by its content; nothing is decoded. Hidden files and
    folders are left out. Links to folders are followed once: one that leads to a folder already searched is listed.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: not a folder. Give the folder that holds the pictures.")
    found: list[Path] = []
    skipped: list[Skipped] = []
    searched: set[tuple[int, int]] = set()
    folders: list[Path] = [folder]
    links: list[Path] = []
    while folders or links:
        # Links wait until every real folder has been searched, so a picture keeps its real path.
        current = folders.pop() if folders else links.pop(0)
        try:
            status = current.stat()
            if (status.st_dev, status.st_ino) in searched:
                skipped.append(Skipped(current, "a link to a folder that is searched already"))
                continue
            searched.add((status.st_dev, status.st_ino))
            paths = sorted(current / name for name in os.listdir(current) if not name.startswith("."))
        except OSError as error:
            skipped.append(Skipped(current, _file_reason(error)))
            continue
        for path in paths:
            if os.path.isdir(path):
                (links if path.is_symlink() else folders).append(path)
            elif path.suffix.strip().lower() in EXTENSIONS or (not path.suffix and _looks_like_image(path)):
                found.append(path)
    return sorted(found), sorted(skipped, key=lambda one: one.path)


def require_file(path: Path) -> None:
    """Raise `ImageError` unless `path` leads to a regular file; the file itself is not opened."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise ImageError(path, _file_reason(error)) from error
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
        raise ImageError(path, _file_reason(error)) from error
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
    try:
        with _warnings_ignored():
            return Image.open(file, formats=_FORMATS)
    except UnidentifiedImageError as error:
        raise ImageError(path, f"not a picture ({', '.join(_FORMATS)} can be read)") from error
    except Image.DecompressionBombError as error:
        raise ImageError(path, "far too many pixels; it may be a decompression bomb") from error
    except Exception as error:
        raise ImageError(path, f"the header is damaged ({error})") from error


def _refuse_size(path: Path, size: tuple[int, int], *, max_pixels: int) -> None:
    width, height = size
    if not 0 < width * height <= max_pixels:
        raise ImageError(path, f"{width} x {height} pixels; between 1 and {max_pixels:,} pixels can be read")


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


def _looks_like_image(path: Path) -> bool:
    try:
        with _opened(path) as file:
            _header(path, file)
    except ImageError:
        return False
    return True


def _file_reason(error: OSError | ValueError) -> str:
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
