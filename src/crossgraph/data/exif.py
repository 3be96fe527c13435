"""What the EXIF block of a picture says: how the camera was held, and when. Damaged blocks say nothing."""

from __future__ import annotations

import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from PIL import ExifTags, Image

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

_DAMAGED = (OSError, EOFError, SyntaxError, TypeError, ValueError, LookupError, struct.error)

_warning_filter = threading.Lock()


@contextmanager
def warnings_ignored() -> Iterator[None]:
    """Pillow warns about odd but readable headers. The lock is needed: warning filters belong to the whole process."""
    with _warning_filter, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def orientation(image: Image.Image) -> int:
    """How the camera was held, by EXIF's numbers; 1, upright, where that says nothing that can be read."""
    try:
        with warnings_ignored():
            written = image.getexif().get(ExifTags.Base.Orientation, 1)
    except _DAMAGED:
        return 1  # a damaged EXIF block says nothing about the pixels, which are good
    return written if written in _UPRIGHT else 1


def upright(image: Image.Image) -> Image.Image:
    """The picture turned as it was seen."""
    turn = _UPRIGHT.get(orientation(image))
    return image if turn is None else image.transpose(turn)


def date_taken(image: Image.Image) -> datetime | None:
    """When the camera took the picture, or None where that says nothing that can be read.

    EXIF knows no time zone; the time is given as if it were UTC.
    """
    try:
        with warnings_ignored():
            exif = image.getexif()
            written = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.DateTimeOriginal)
            written = written or exif.get(ExifTags.Base.DateTime)
        return datetime.strptime(str(written).strip("\0 "), "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
    except _DAMAGED:
        return None
