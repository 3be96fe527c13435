"""Files of pictures as answers: by id, with ETags, ranges, and headers that let browsers keep them."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import Response

from crossgraph.data.file_kinds import HEAD, image_format
from crossgraph.data.images import file_reason
from crossgraph.data.places import copied, is_inside
from crossgraph.errors import ImageError
from crossgraph.gallery.tables.items import Item
from crossgraph.gallery.thumbnails import Thumbnails
from crossgraph.serving.library import Library, shown_name
from crossgraph.serving.problems import Problem
from crossgraph.serving.ranges import FileAnswer

MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
    "AVIF": "image/avif",
    "JPEG2000": "image/jp2",
    "HEIF": "image/heif",
}
ASK_AGAIN = "private, no-cache"


def picture_response(library: Library, id: str, headers: Headers, *, download: bool = False) -> Response:
    """The file of a picture. Raises `Problem` 404 for an unknown id, 410 where its file is gone or no picture now."""
    item = library.item(id)
    file, kind = opened_picture(item)
    try:
        status = os.fstat(file.fileno())
        state = f"{item.digest}-{status.st_ino}-{status.st_size}-{status.st_mtime_ns}"
        tag = f'"{hashlib.sha256(state.encode()).hexdigest()[:24]}"'
        shown = f"{'attachment' if download else 'inline'}; filename*=UTF-8''{quote(shown_name(item.path), safe='')}"
        told = {"ETag": tag, "Cache-Control": ASK_AGAIN, "Content-Disposition": shown}
        if not is_known(headers, tag):
            return FileAnswer(file, status.st_size, headers, media_type=kind, told=told)
    except BaseException:
        file.close()
        raise
    file.close()
    return Response(status_code=304, headers=told)


def thumbnail_response(library: Library, thumbnails: Thumbnails, id: str, size: int, headers: Headers) -> Response:
    """A small copy of a picture. Raises `Problem` 404 for an unknown id, 410 where its file is gone or unreadable."""
    item = library.item(id)
    try:
        found = thumbnails.get(item, size)
    except ImageError as error:
        raise gone(item, error.reason) from error
    told = {"ETag": f'"{found.name}"', "Cache-Control": ASK_AGAIN}
    if is_known(headers, told["ETag"]):
        return Response(status_code=304, headers=told)
    return Response(found.content, media_type="image/webp", headers=told)


def is_known(headers: Headers, tag: str) -> bool:
    """Whether the client has it already."""
    given = [one.strip().removeprefix("W/") for one in headers.get("if-none-match", "").split(",")]
    return tag in given or "*" in given


def gone(item: Item, reason: str) -> Problem:
    """The error that the file of a picture cannot be shown."""
    return Problem(
        410,
        f"{shown_name(item.path)} cannot be shown: {reason}. Where its folder is on a disk, connect that; `crossgraph "
        "sync` takes pictures out whose files went.",
    )


def opened_picture(item: Item) -> tuple[BinaryIO, str]:
    """The file of a picture, open, and its media type by its first bytes. Raises `Problem` 410."""
    try:
        return opened_file(item.path)
    except ImageError as error:
        raise gone(item, error.reason) from error


def opened_file(path: Path) -> tuple[BinaryIO, str]:
    """The picture in `path`, open, and its media type by its first bytes. Raises `ImageError` for what is none.

    What was looked at is what is read: the path may lead elsewhere a moment later.
    """
    try:
        # A pipe would be waited for without O_NONBLOCK.
        plain = not is_inside(path)
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") if plain else copied(path)
    except OSError as error:
        raise ImageError(path, file_reason(error)) from error
    found = None
    try:
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            found = image_format(file.read(HEAD))
            file.seek(0)
    except OSError as error:
        raise ImageError(path, file_reason(error)) from error
    finally:
        if found is None:
            file.close()
    if found is None:
        raise ImageError(path, "it is no picture any longer")
    return file, MEDIA_TYPES[found]
