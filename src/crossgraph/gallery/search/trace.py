"""What happened in one search: what each stage handed on, how long it took, and how many it compared."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from crossgraph.gallery.search.results import Stage
from crossgraph.gallery.stages.shortlist import Candidates


@dataclass
class Trace:
    """Candidates of the stages before re-ranking, in order; milliseconds and numbers compared of every stage.

    `clock` gives seconds, by which stages are timed.
    """

    clock: Callable[[], float] = time.perf_counter
    handed_on: dict[Stage, Candidates] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    compared: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add the time of the block, in milliseconds, to what `name` took."""
        started = self.clock()
        yield
        self.timings[name] = self.timings.get(name, 0.0) + 1000 * (self.clock() - started)
