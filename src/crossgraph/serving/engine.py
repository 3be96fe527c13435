"""Blocking work done for requests: a few at once, some more waiting, none for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import TypeVar

from crossgraph.serving.presence import ClientLeftError, left
from crossgraph.serving.problems import Problem

Answer = TypeVar("Answer")


class Engine:
    """`workers` threads; `waiting` pieces of work may wait for one, and whoever comes then is told to come again.

    A thread cannot be stopped: work that takes longer than `seconds` is answered with an error and ends by itself; its
    thread is busy until then, and counts as such.
    """

    def __init__(self, name: str, *, workers: int, waiting: int, seconds: float) -> None:
        self.name, self.seconds = name, seconds
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix=name)
        self._most = workers + waiting
        self._inside = 0
        self._lock = Lock()

    @property
    def inside(self) -> int:
        """How many are computed or wait."""
        return self._inside

    async def run(self, work: Callable[[], Answer]) -> Answer:
        """What `work` gives, or raises. Raises `Problem` 429 where too many wait, 503 where it took too long, and
        `ClientLeftError` where the client was gone before it began: it is not done then.
        """
        with self._lock:
            if self._inside >= self._most:
                raise Problem(
                    429,
                    f"{self._inside} requests are being answered and more cannot wait. Ask again in a second.",
                    headers={"Retry-After": "1"},
                )
            self._inside += 1
        try:
            future = self._pool.submit(work)
        except RuntimeError:  # closed
            with self._lock:
                self._inside -= 1
            raise _stopping() from None
        future.add_done_callback(self._ended)
        answer, leaving = asyncio.wrap_future(future), asyncio.ensure_future(left())
        leaving.add_done_callback(lambda _: future.cancel())  # where a thread does it already, nothing comes of that
        try:
            done, _ = await asyncio.wait({answer}, timeout=self.seconds)
            gone = leaving.done()
        finally:
            leaving.cancel()
            answer.cancel()
        if not done:
            raise Problem(
                503,
                f"this took longer than {self.seconds:g} seconds. Ask for less (mode=fast, a smaller k) or later.",
                headers={"Retry-After": "5"},
            )
        if not answer.cancelled():
            return answer.result()
        raise ClientLeftError if gone else _stopping()

    def close(self) -> None:
        """Take no more work, and do not wait for what is under way."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _ended(self, _: Future[Answer]) -> None:
        with self._lock:
            self._inside -= 1


def _stopping() -> Problem:
    return Problem(503, "the server is stopping. Ask again when it is there again.")
