"""What was fetched from an object store for its digest and is about to be decoded: kept for a while, and not much.

An indexing reads pictures twice, a batch at a time: to know which are new, and to encode those that are. Objects are
fetched once for both.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

MOST, AGE = 2**27, 120.0
"""Bytes that are kept at most, and for how many seconds: what does not fit is fetched again."""


@dataclass
class Kept:
    """Contents by their address and tag. May be used by many threads."""

    clock: Callable[[], float] = time.monotonic
    _contents: OrderedDict[tuple[str, str], tuple[float, bytes]] = field(default_factory=OrderedDict)
    _bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, address: str, tag: str, content: bytes) -> None:
        """Keep a content until it is taken, if there is room."""
        with self._lock:
            self._forget(address, tag)
            now = self.clock()
            while self._contents and (oldest := next(iter(self._contents.items())))[1][0] < now - AGE:
                self._forget(*oldest[0])
            if self._bytes + len(content) <= MOST:
                self._contents[address, tag] = now, content
                self._bytes += len(content)

    def take(self, address: str, tag: str) -> bytes | None:
        """A content that is kept, which it is no more."""
        with self._lock:
            return self._forget(address, tag)

    def _forget(self, address: str, tag: str) -> bytes | None:
        _, content = self._contents.pop((address, tag), (0.0, None))
        self._bytes -= len(content or b"")
        return content
