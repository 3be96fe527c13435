"""Pictures that strangers send, decoded in a process of their own that can be killed.

That process has limits of memory and time and answers with bare pixels (`data/decoding_worker.py`), so nothing of what
was sent is ever decoded here: what is handed on is a PNG that was written here. Decoders and the reasons for what is
refused are those of all other pictures (`data/images.py`).
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from PIL import Image

import crossgraph
from crossgraph.data.decoding_worker import ANSWER, LONGEST_REASON, ORDER, PIXELS, READY, REFUSED
from crossgraph.errors import ConfigError, GalleryError, ImageError

UPLOAD = Path("the picture that was sent")
"""How errors call a picture that has no file."""

STARTING = 60.0  # seconds for a worker to be ready, on a machine that is busy
JOBS = 200  # pictures after which a worker is replaced, whatever they left in it


@dataclass(frozen=True)
class DecodeLimits:
    """What a picture may cost: bytes of its file, pixels, seconds, and bytes of memory for the process that decodes it.

    What comes back has at most `longer_side` pixels on that side. A JPEG of more `pixels` is read reduced.
    """

    bytes: int = 32 * 1024**2
    pixels: int = 50_000_000
    seconds: float = 10.0
    memory: int = 2 * 1024**3
    longer_side: int = 2048

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value <= 0:
                raise ConfigError(f"the limit of {name} must be above 0, got {value}.")


class DecoderBusyError(GalleryError):
    """All workers are at work, and stayed so for as long as one picture may take."""


class GuardedDecoder:
    """Decodes with so many `workers`, started at the first picture, or by `start`, and replaced when killed.

    May be used by many threads. `close` ends the workers; it is called at the end of a `with` block.
    """

    def __init__(self, limits: DecodeLimits = DecodeLimits(), *, workers: int = 1) -> None:
        if workers < 1:
            raise ConfigError(f"decoding needs at least 1 worker, got {workers}.")
        self.limits = limits
        self._closed = False
        self._changing = threading.Lock()
        self._running: set[_Worker] = set()
        self._idle: queue.SimpleQueue[_Worker | None] = queue.SimpleQueue()
        for _ in range(workers):
            self._idle.put(None)

    def start(self) -> None:
        """Have the workers started before the first picture comes."""
        for _ in range(self._idle.qsize()):
            with suppress(queue.Empty):
                self._idle.put(self._idle.get_nowait() or self._new())

    def close(self) -> None:
        """End the workers, also those at work."""
        with self._changing:
            self._closed = True
            running = list(self._running)
            self._running.clear()
        for worker in running:
            worker.end()

    def __enter__(self) -> GuardedDecoder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def decode(self, content: bytes) -> Image.Image:
        """The upright RGB picture in a file of these bytes, as `read_image` gives it, made smaller if it is large.

        Raises `ImageError` for what is no picture or exceeds a limit, `DecoderBusyError` if no worker became free.
        """
        if self._closed:
            raise GalleryError("the decoder was closed.")
        if not content:
            raise ImageError(UPLOAD, "the file is empty")
        if len(content) > self.limits.bytes:
            raise ImageError(UPLOAD, f"{len(content):,} bytes; at most {self.limits.bytes:,} can be sent")
        try:
            worker = self._idle.get(timeout=self.limits.seconds)
        except queue.Empty:
            raise DecoderBusyError("too many pictures are being decoded. Send this one again later.") from None
        try:
            worker = worker or self._new()
            return worker.decode(content)
        finally:
            self._idle.put(self._after(worker))

    @contextmanager
    def decoded(self, content: bytes) -> Iterator[Path]:
        """The same as a PNG file, which is there until the block ends."""
        image = self.decode(content)
        with tempfile.TemporaryDirectory(prefix="crossgraph-") as folder:
            path = Path(folder) / "picture.png"
            image.save(path, compress_level=1)
            yield path

    def _new(self) -> _Worker:
        with self._changing:
            if self._closed:
                raise GalleryError("the decoder was closed.")
            worker = _Worker(self.limits)
            self._running.add(worker)
            return worker

    def _after(self, worker: _Worker | None) -> _Worker | None:
        """The worker for the next picture: this one, or, if it is spent, one that starts now."""
        if worker is None or not worker.spent:
            return worker
        worker.end()
        with self._changing:
            self._running.discard(worker)
        try:
            return self._new()
        except (GalleryError, OSError):
            return None


class _Worker:
    """One process, used by one thread at a time."""

    def __init__(self, limits: DecodeLimits) -> None:
        self._limits = limits
        self._ready = False
        self._jobs = 0
        places = [str(Path(crossgraph.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LD_LIBRARY_PATH")}
        numbers = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        # Not multiprocessing: its children import the main module again, and torch with it, and unpickle.
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", "crossgraph.data.decoding_worker"),
                *(str(limits.memory), str(limits.bytes)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=kept | numbers | {"PYTHONPATH": os.pathsep.join(filter(None, places))},
        )

    @property
    def spent(self) -> bool:
        """Whether another one should decode the next picture."""
        return self._process.poll() is not None or self._jobs >= JOBS

    def decode(self, content: bytes) -> Image.Image:
        """The picture in these bytes. Raises `ImageError`."""
        limits = self._limits
        if not self._ready:
            with self._killed_after(STARTING):
                self._ready = self._answer()[0] == READY
        if not self._ready:
            self.end()
            raise GalleryError("the process that decodes pictures does not start; is the memory it may use enough?")
        self._jobs += 1
        with self._killed_after(limits.seconds) as late:
            order = ORDER.pack(len(content), limits.pixels, limits.longer_side, int(limits.seconds) + 1)
            with suppress(OSError, ValueError):  # it died or was ended, which its answer says
                self._write(order, content)
            letter, width, height = self._answer()
            fits = 0 < width <= limits.longer_side and 0 < height <= limits.longer_side
            if letter == PIXELS and fits and len(pixels := self._read(3 * width * height)) == 3 * width * height:
                return Image.frombytes("RGB", (width, height), pixels)
            if letter == REFUSED and 0 < height <= LONGEST_REASON:
                raise ImageError(UPLOAD, self._read(height).decode("utf-8", "replace"))
        self.end()
        if late.is_set():
            raise ImageError(UPLOAD, f"it takes longer than {limits.seconds:g} s to decode")
        raise ImageError(UPLOAD, "it cannot be decoded: its decoder gave up, or needs too much memory")

    def end(self) -> None:
        """Kill the process and wait until it is gone."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError, ValueError):  # another thread is reading: it gets what there is, which is none
                    stream.close()

    @contextmanager
    def _killed_after(self, seconds: float) -> Iterator[threading.Event]:
        late = threading.Event()

        def kill() -> None:
            late.set()
            self._process.kill()

        timer = threading.Timer(seconds, kill)
        timer.daemon = True
        timer.start()
        try:
            yield late
        finally:
            timer.cancel()

    def _write(self, *pieces: bytes) -> None:
        assert self._process.stdin is not None
        for piece in pieces:
            self._process.stdin.write(piece)
        self._process.stdin.flush()

    def _answer(self) -> tuple[bytes, int, int]:
        head = self._read(ANSWER.size)
        return ANSWER.unpack(head) if len(head) == ANSWER.size else (b"", 0, 0)

    def _read(self, count: int) -> bytes:
        assert self._process.stdout is not None
        try:
            return self._process.stdout.read(count)
        except (OSError, ValueError):  # closed by another thread
            return b""
