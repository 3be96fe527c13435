"""A process that decodes pictures for another one, which may kill it: `python -m crossgraph.data.decoding_worker`.

It reads orders from stdin and answers on stdout, both in frames of known length, until stdin ends. What it answers are
bare pixels, so the other process decodes nothing. It gives itself limits of memory, of processor time and of file size
before it sees a picture, and imports neither torch nor what runs programs.

    order    8 numbers: bytes that follow, most pixels, longer side, seconds of processor time; then the file
    answer   one letter and two numbers: P, width, height, then the pixels, 3 bytes each; or E, 0, bytes of the reason
"""

from __future__ import annotations

import os
import resource
import signal
import struct
import sys
import tempfile
from typing import BinaryIO

from PIL import Image

from crossgraph.data.images import load_decoders, read_image
from crossgraph.errors import ImageError

ORDER = struct.Struct("<QQQQ")
ANSWER = struct.Struct("<cQQ")
READY = b"R"
PIXELS, REFUSED = b"P", b"E"
LONGEST_REASON = 2000


def decode(content: BinaryIO, *, count: int, max_pixels: int, longer_side: int) -> Image.Image:
    """The picture in the next `count` bytes, of at most `longer_side` pixels on that side. Raises `ImageError`."""
    with tempfile.TemporaryFile() if not hasattr(os, "memfd_create") else _in_memory() as file:
        while count:
            piece = content.read(min(count, 1 << 20))
            if not piece:
                raise SystemExit(0)  # the other process is gone
            file.write(piece)
            count -= len(piece)
        file.flush()
        image = read_image(f"/proc/self/fd/{file.fileno()}", max_pixels=max_pixels)
    if max(image.size) > longer_side:
        try:
            image.thumbnail((longer_side, longer_side), Image.Resampling.LANCZOS)
        except MemoryError:
            raise ImageError("", "not enough memory to decode it") from None
    return image


def serve(orders: BinaryIO, answers: BinaryIO) -> None:
    """Answer orders until they end."""
    _send(answers, ANSWER.pack(READY, 0, 0))
    while len(order := orders.read(ORDER.size)) == ORDER.size:
        count, max_pixels, longer_side, seconds = ORDER.unpack(order)
        _limit_processor_time(seconds)
        try:
            image = decode(orders, count=count, max_pixels=max_pixels, longer_side=longer_side)
            _send(answers, ANSWER.pack(PIXELS, image.width, image.height), image.tobytes())
        except ImageError as error:
            reason = error.reason.encode("utf-8", "replace")[:LONGEST_REASON]
            _send(answers, ANSWER.pack(REFUSED, 0, len(reason)), reason)


def limit(name: int, most: int) -> None:
    """Set one of the limits of this process, or a lower one that holds already."""
    _, hard = resource.getrlimit(name)
    lower = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(name, (lower, lower))


def main() -> None:
    """Serve stdin and stdout within the limits that the arguments give: bytes of memory, and of a file."""
    memory, file_bytes = map(int, sys.argv[1:3])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the other process, which then ends this one
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # a library that prints must not answer
    load_decoders()
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_FSIZE, file_bytes)
    limit(resource.RLIMIT_AS, memory)
    serve(sys.stdin.buffer, answers)


def _in_memory() -> BinaryIO:
    return os.fdopen(os.memfd_create("picture"), "w+b")


def _send(answers: BinaryIO, *pieces: bytes) -> None:
    for piece in pieces:
        answers.write(piece)
    answers.flush()


def _limit_processor_time(seconds: int) -> None:
    """So many seconds more than were used so far, should nobody be there any longer to end this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(used.ru_utime + used.ru_stime) + seconds + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


if __name__ == "__main__":
    main()
