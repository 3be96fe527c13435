"""Compaction by the clock: the tables of a served gallery are compacted when the last time was long enough ago.

When that was, and what it saved, stands in the gallery's manifest: of several servers over one gallery the first does
it, and the others see that it was done.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from crossgraph.errors import CrossgraphError
from crossgraph.gallery.gallery import Gallery
from crossgraph.serving.jobs import Jobs
from crossgraph.serving.library import Library
from crossgraph.serving.problems import Problem
from crossgraph.serving.work import compacting

LOOK = 60.0
"""Seconds between two looks at whether it is time, and at most so many more, so that servers do not look together."""


class Compaction:
    """Compacts the gallery of `library` every so many `hours`, as a job among `jobs`, in a thread of its own."""

    def __init__(
        self, library: Library, jobs: Jobs, *, hours: float, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._library, self._jobs, self._every, self._now = library, jobs, timedelta(hours=hours), now
        self._done_at: str | None = None
        self._over = threading.Event()

    def start(self) -> None:
        """Look now and then, until `close`."""
        threading.Thread(target=self._go_on, name="compaction", daemon=True).start()

    def close(self) -> None:
        """Look no longer; a compaction that runs is a job, and ends as those do."""
        self._over.set()

    def look(self) -> bool:
        """Begin a compaction if it is time, something was written since the last, and no job runs; whether it began."""
        if not self._library.is_ready or self._jobs.running() is not None:
            return False
        gallery = self._library.gallery
        if not self._is_due(gallery):
            return False
        try:
            self._jobs.start("optimize", compacting(gallery, self._note))
        except Problem:  # another job was faster
            return False
        return True

    def _is_due(self, gallery: Gallery) -> bool:
        gallery.look_again()
        last = gallery.follow().optimized
        if last is not None and self._now() - last.at < self._every:
            return False
        return gallery.version() != self._done_at

    def _note(self, version: str) -> None:
        self._done_at = version

    def _go_on(self) -> None:
        while not self._over.wait(LOOK * (1 + random.random())):
            try:
                self.look()
            except CrossgraphError:  # a gallery that cannot be reached now: whoever asks is told
                continue
