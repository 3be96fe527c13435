"""Pictures that were sent to be searched by: decoded where they can do no harm, kept for a while, named by an id."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from crossgraph.serving.problems import Problem

KEPT = 200
SECONDS = 6 * 3600.0


@dataclass(frozen=True)
class Upload:
    """A picture that was sent: where its clean copy lies, its size, and until when it is kept."""

    id: str
    path: Path
    width: int
    height: int
    until: float


class Uploads:
    """The last `KEPT` pictures that were sent, each for `SECONDS`, in a folder that goes with the server.

    `decode` gives the clean copy of what was sent: a file of our own writing, and its size.
    """

    def __init__(
        self,
        decode: Callable[[bytes, Path], tuple[int, int]],
        *,
        most: int = KEPT,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._decode, self._most, self._seconds, self._clock = decode, most, seconds, clock
        self._folder = Path(tempfile.mkdtemp(prefix="crossgraph-uploads-"))
        self._kept: dict[str, Upload] = {}
        self._lock = Lock()

    def add(self, data: bytes) -> Upload:
        """Keep a picture. Raises `ImageError` if it cannot be read."""
        name = secrets.token_hex(12)
        path = self._folder / f"{name}.png"
        try:
            width, height = self._decode(data, path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        upload = Upload(name, path, width, height, self._clock() + self._seconds)
        with self._lock:
            self._kept[name] = upload
            self._forget()
        return upload

    def path(self, name: str) -> Path:
        """The file of an upload. Raises `Problem` 410 if it is not kept any longer, or never was."""
        with self._lock:
            self._forget()
            found = self._kept.get(name)
        if found is None:
            raise Problem(410, "the picture that was sent is not kept any longer. Send it again.")
        return found.path

    def seconds_left(self, name: str) -> float:
        """How long an upload is kept from now on; 0 for one that is not."""
        found = self._kept.get(name)
        return 0.0 if found is None else max(0.0, found.until - self._clock())

    def close(self) -> None:
        """Remove all of them."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _forget(self) -> None:
        now = self._clock()
        gone = [name for name, one in self._kept.items() if one.until <= now]
        gone += [name for name in list(self._kept)[: -self._most] if name not in gone]
        for name in gone:
            self._kept.pop(name).path.unlink(missing_ok=True)
