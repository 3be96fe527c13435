"""How long work says how far it is: bars for people on a terminal, JSON lines for everything else, or nothing.

Work takes a `Progress` and knows nothing of where it shows:

    with progress.task("scoring pairs", total) as task:
        for block in blocks:
            task.advance(len(block))
"""

from __future__ import annotations

import io
import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import IO, Protocol, TypeAlias, runtime_checkable

Stream: TypeAlias = IO[str] | io.StringIO
"""Where text goes; StringIO is named because, having neither mode nor name, it fails a run-time check for IO."""


@runtime_checkable
class Task(Protocol):
    """One piece of work under way."""

    def advance(self, amount: int = 1, **facts: object) -> None:
        """Say that `amount` more items are done; `facts` (a loss, a count) are shown beside the progress."""


@runtime_checkable
class Progress(Protocol):
    """Where work reports to."""

    def task(self, description: str, total: int) -> AbstractContextManager[Task]:
        """A piece of work of `total` items; it ends, well or badly, with the `with` block. Tasks may nest."""

    def note(self, event: str, **facts: object) -> None:
        """Report a single event: an epoch's metrics, a saved file."""


@dataclass(frozen=True)
class Silent:
    """Says nothing: the default of every function that takes a `Progress`."""

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Task]:
        """A task nobody hears of."""
        yield self

    def advance(self, amount: int = 1, **facts: object) -> None:
        """Do nothing."""

    def note(self, event: str, **facts: object) -> None:
        """Do nothing."""


class JsonLines:
    """One JSON object a line, on stderr unless another stream is given.

    Per task at most one line every `interval` seconds, then a final one. Keys: `event` ("progress", "done", or
    "stopped" when the work raised), `task`, `done`, `total`, `rate` (items per second), `eta_seconds` (null while
    unknown), and the latest facts. `clock` gives seconds.
    """

    def __init__(
        self, stream: Stream | None = None, *, clock: Callable[[], float] = time.monotonic, interval: float = 1.0
    ) -> None:
        self._stream = stream or sys.stderr
        self._clock = clock
        self._interval = interval

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Task]:
        """A task whose progress is written as lines."""
        started = self._clock()
        task = _JsonTask(self._write, self._clock, self._interval, description, total, started, started)
        try:
            yield task
        except BaseException:
            task.report("stopped")
            raise
        task.report("done")

    def note(self, event: str, **facts: object) -> None:
        """One line: the event and its facts."""
        self._write({"event": event, **facts})

    def _write(self, line: dict[str, object]) -> None:
        finite = {key: _plain(value) for key, value in line.items()}
        print(json.dumps(finite, default=str), file=self._stream, flush=True)


@dataclass
class _JsonTask:
    write: Callable[[dict[str, object]], None]
    clock: Callable[[], float]
    interval: float
    description: str
    total: int
    started: float
    reported: float
    done: int = 0
    facts: dict[str, object] = field(default_factory=dict)

    def advance(self, amount: int = 1, **facts: object) -> None:
        self.done += amount
        self.facts.update(facts)
        if self.clock() - self.reported >= self.interval:
            self.report("progress")

    def report(self, event: str) -> None:
        self.reported = self.clock()
        elapsed = self.reported - self.started
        rate = self.done / elapsed if elapsed > 0 else None
        self.write(
            {
                "event": event,
                "task": self.description,
                "done": self.done,
                "total": self.total,
                "rate": rate and round(rate, 3),
                "eta_seconds": round(max(self.total - self.done, 0) / rate, 1) if rate else None,
                **self.facts,
            }
        )


def _plain(value: object) -> object:
    """JSON has no nan or infinity: they are written as words."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
