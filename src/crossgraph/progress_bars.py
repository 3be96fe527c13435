"""Progress as bars for people; apart from `crossgraph.progress`, because rich takes longer to import than a search."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichBars
from rich.progress import Task as RichBarState
from rich.text import Text

from crossgraph.progress import JsonLines, Progress, Stream, Task


class RichProgress:
    """Bars with count, items per second and time left, on stderr unless another console is given.

    An inner task's bar goes when it ends; the outermost one's stays.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._bars = self._new_bars()
        self._depth = 0

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Task]:
        """A bar."""
        if self._depth == 0:
            self._bars = self._new_bars()
            self._bars.start()
        self._depth += 1
        bar = self._bars.add_task(description, total=total, facts="")
        try:
            yield _Bar(self._bars, bar)
        finally:
            self._depth -= 1
            if self._depth == 0:
                self._bars.stop()
            else:
                self._bars.remove_task(bar)

    def note(self, event: str, **facts: object) -> None:
        """A line above the bars."""
        self._console.print(Text(f"{event}  {_in_words(facts)}".rstrip()))

    def _new_bars(self) -> RichBars:
        return RichBars(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            _RateColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[facts]}", markup=False),
            console=self._console,
        )


@dataclass(frozen=True)
class _Bar:
    bars: RichBars
    bar: TaskID

    def advance(self, amount: int = 1, **facts: object) -> None:
        if facts:
            self.bars.update(self.bar, facts=_in_words(facts))
        self.bars.advance(self.bar, amount)


class _RateColumn(ProgressColumn):
    """Items per second."""

    def render(self, task: RichBarState) -> Text:
        rate = task.finished_speed or task.speed
        return Text("" if rate is None else f"{rate:,.1f}/s")


def choose_progress(stream: Stream | None = None, force_json: bool = False) -> Progress:
    """Bars if `stream` (stderr unless given) is a terminal, JSON lines if it is not or if `force_json`."""
    stream = stream or sys.stderr
    if stream.isatty() and not force_json:
        return RichProgress(Console(file=stream))
    return JsonLines(stream)


def _in_words(facts: dict[str, object]) -> str:
    return "  ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in facts.items()
    )
