"""Files of pictures as answers: by id, with ETags, ranges, and headers that let browsers keep them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response

from crossgraph.data.file_kinds import HEAD, image_format
from crossgraph.errors import ImageError
from crossgraph.gallery.tables.items import Item
from crossgraph.serving.library import Library, shown_name
from crossgraph.serving.problems import Problem

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
KEEP = "private, max-age=86400"


def picture_response(library: Library, id: str, headers: Headers, *, download: bool = False) -> Response:
    """The file of a picture. Raises `Problem` 404 for an unknown id, 410 where its file is gone or no picture now."""
    item = library.item(id)
    kind, tag = _looked_at(item)
    name = quote(shown_name(item.path))
    told = {
        "ETag": tag,
        "Cache-Control": KEEP,
        "Content-Disposition": f"{'attachment' if download else 'inline'}; filename*=UTF-8''{name}",
    }
    if is_known(headers, tag):
        return Response(status_code=304, headers=told)
    return FileResponse(item.path, media_type=kind, headers=told)


def thumbnail_response(library: Library, id: str, size: int, headers: Headers) -> Response:
    """A small copy of a picture. Raises `Problem` 404 for an unknown id, 410 where its file is gone or unreadable."""
    item = library.item(id)
    tag = f'"{item.digest}-{size}"'
    told = {"ETag": tag, "Cache-Control": KEEP}
    if is_known(headers, tag):
        return Response(status_code=304, headers=told)
    try:
        from io import BytesIO

        from crossgraph.data.images import read_image

        image = read_image(item.path)
        image.thumbnail((size, size))
        held = BytesIO()
        image.save(held, "WEBP", quality=80)
        return Response(held.getvalue(), media_type="image/webp", headers=told)
    except ImageError as error:
        raise gone(item, error.reason) from error


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


def _looked_at(item: Item) -> tuple[str, str]:
    """What the file of a picture is, by its first bytes, and its ETag. Raises `Problem` 410."""
    try:
        path = Path(item.path)
        status = path.stat()
        if not path.is_file():
            raise gone(item, "it is no file")
        with path.open("rb") as file:
            found = image_format(file.read(HEAD))
    except OSError as error:
        raise gone(item, (error.strerror or "it cannot be read").lower()) from error
    if found is None:
        raise gone(item, "it is no picture any longer")
    state = f"{item.digest}-{status.st_size}-{status.st_mtime_ns}"
    return MEDIA_TYPES.get(found, "application/octet-stream"), f'"{hashlib.sha256(state.encode()).hexdigest()[:24]}"'
