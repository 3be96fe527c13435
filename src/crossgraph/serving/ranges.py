"""Parts of files, as HTTP asks for them (RFC 9110, section 14)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from starlette.datastructures import Headers
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from crossgraph.serving.problems import Problem

CHUNK = 64 * 1024
_RANGE = re.compile(r"bytes=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*", re.ASCII | re.IGNORECASE)


class FileAnswer(StreamingResponse):
    """An open file, which is closed at the end, or the part of it that the request's headers ask for.

    `told` are headers that go along, with an ETag. Raises `Problem` 416 where the part begins behind the file's end.
    """

    def __init__(self, file: BinaryIO, size: int, headers: Headers, *, media_type: str, told: dict[str, str]) -> None:
        part = wanted_part(headers, told["ETag"], size)
        start, stop = part or (0, size)
        whole = {"Content-Length": str(stop - start), "Accept-Ranges": "bytes"}
        where = {} if part is None else {"Content-Range": f"bytes {start}-{stop - 1}/{size}"}
        super().__init__(
            _chunks(file, start, stop), 200 if part is None else 206, {**told, **whole, **where}, media_type
        )
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()


def wanted_part(headers: Headers, tag: str, size: int) -> tuple[int, int] | None:
    """Where the one part begins and ends that is asked for of `size` bytes; None for all of them.

    Several parts at once, other units, and parts of a file that is not the one of the `tag` any longer are all of it.
    Raises `Problem` 416 for a part that begins behind the end.

    >>> wanted_part(Headers({"range": "bytes=2-3"}), '"a"', 10)
    (2, 4)
    """
    match = _RANGE.fullmatch(headers.get("range", "").strip())
    if match is None or not (match[1] or match[2]) or headers.get("if-range", tag) != tag:
        return None
    if match[1]:
        start, stop = int(match[1]), min(int(match[2]) + 1 if match[2] else size, size)
        if match[2] and int(match[2]) < start:
            return None
    else:
        start, stop = max(0, size - int(match[2])), size
    if start >= size:
        told = f"the file has {size:,} bytes, and what is asked for begins behind them."
        raise Problem(416, told, headers={"Content-Range": f"bytes */{size}"})
    return start, stop


def _chunks(file: BinaryIO, start: int, stop: int) -> Iterator[bytes]:
    file.seek(start)
    while start < stop and (chunk := file.read(min(CHUNK, stop - start))):
        start += len(chunk)
        yield chunk
